"""What is read from the folder of a trial."""

from pathlib import Path

import pytest

from katib_local.record import trial_folder


def test_a_metrics_file_that_is_not_there_is_empty(tmp_path: Path) -> None:
    with trial_folder.output(tmp_path / "metrics" / "m.log") as output:
        assert output.read() == b""


@pytest.mark.parametrize(("content", "code"), [("0\n", 0), ("137\n", 137), ("", None), ("13", None)])
def test_an_exit_code_counts_once_it_is_whole(tmp_path: Path, content: str, code: int | None) -> None:
    (tmp_path / "exit_code").write_text(content)
    assert trial_folder.exit_code(tmp_path) == code
