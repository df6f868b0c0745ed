"""``katib-nas flatten``: what it writes is an Experiment that runs."""

from pathlib import Path

import pytest
import yaml

from katib_local.commands.cli import main
from katib_local.manifest import manifest


def test_to_standard_output_and_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["flatten", "enas-digits"]) == 0
    printed = capsys.readouterr().out
    assert main(["flatten", "enas-digits", "--output", str(tmp_path / "plain.yaml")]) == 0
    assert (tmp_path / "plain.yaml").read_text() == printed
    experiment, _ = manifest.load(tmp_path / "plain.yaml")
    assert experiment.name == "enas-digits-plain"
    assert [parameter.name for parameter in experiment.parameters][:2] == ["layer-1", "layer-2"]


def test_texts_that_look_like_numbers_stay_texts(tmp_path: Path) -> None:
    """Of YAML's own writer 1e-4 has no quotes, and kubectl reads a number."""
    read = yaml.safe_load((Path(__file__).parents[3] / "examples/enas-digits.yaml").read_text())
    read["metadata"]["annotations"] = {"note": "1e-4"}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(read).replace("1e-4", '"1e-4"'))
    assert main(["flatten", str(tmp_path / "own.yaml"), "--output", str(tmp_path / "plain.yaml")]) == 0
    assert "note: '1e-4'" in (tmp_path / "plain.yaml").read_text()


def test_what_is_none_is_refused_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["flatten", "darts-digits"]) == 3
    assert (
        "spec.algorithm.algorithmName: 'darts' is not allowed: its trial searches for itself" in capsys.readouterr().err
    )
