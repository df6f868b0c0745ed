"""A run that 0.1.0 made goes on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml


def test_a_run_goes_on(copied: Callable[[str], Path], call: Callable[..., str], tmp_path: Path, kept: Path) -> None:
    """With one trial more, which the service proposes out of the state that it kept in the run."""
    folder = copied("runs/enas")
    document: dict[str, Any] = yaml.safe_load((kept / "enas.yaml").read_text())
    document["spec"]["maxTrialCount"] = 5
    manifest = tmp_path / "more.yaml"
    manifest.write_text(yaml.safe_dump(document))
    (history,) = folder.glob("service-state/*/history.csv")
    before = history.read_text()

    call("run", manifest, "--output-dir", folder, "--resume")

    trials = json.loads(call("show", folder, "--json"))["trials"]
    assert [trial["condition"] for trial in trials] == ["succeeded"] * 5
    assert len({trial["assignments"]["architecture"] for trial in trials}) == 5
    assert history.read_text().startswith(before)
    assert len(history.read_text().splitlines()) == len(before.splitlines()) + 1
