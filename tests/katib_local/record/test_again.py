"""Commands to paste."""

from pathlib import Path

import pytest

from katib_local.record import again
from katib_local.record.options import Options


def test_a_run_is_repeated_with_all_its_options() -> None:
    options = Options(dataset="npz:/a b.npz", max_images=3, seed=0, images={"tests/program": "/p"})
    assert again.run("m.yaml", options) == (
        "katib-nas run m.yaml --dataset 'npz:/a b.npz' --max-images 3 --seed 0 --image tests/program=/p"
    )


def test_paths_are_those_from_where_the_user_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = Options(manifest=str(tmp_path / "here/mini.yaml"))
    for folder, manifest, run in (
        (tmp_path, "here/mini.yaml", "runs/one"),
        (tmp_path / "here", "mini.yaml", f"{tmp_path}/runs/one"),
    ):
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        found = again.resume(again.manifest(options, "mini"), tmp_path / "runs/one")
        assert found == f"katib-nas run {manifest} --output-dir {run} --resume"


def test_a_manifest_that_was_made_in_python_is_named_for_its_experiment() -> None:
    assert again.manifest(Options(), "mini") == "mini.yaml"
