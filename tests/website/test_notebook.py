"""The notebook of the examples runs, and shows what it is kept with."""

import re
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from website import notebook

KEPT: NotebookNode = nbformat.read(notebook.PAGE, as_version=4)


def kinds(shown: NotebookNode) -> list[list[set[str]]]:
    """What each cell puts out, by output: kinds of data, or the stream."""
    return [
        [{output.name} if output.output_type == "stream" else {*output.data} - {"image/png"} for output in cell.outputs]
        for cell in shown.cells
        if cell.cell_type == "code"
    ]


def test_it_runs_and_shows_what_is_kept(tmp_path: Path) -> None:
    shown = notebook.execute(notebook.PAGE, tmp_path)
    assert kinds(shown) == kinds(KEPT)
    texts = [
        output.data.get("text/plain", "")
        for cell in shown.cells
        for output in cell.get("outputs", [])
        if "data" in output
    ]
    assert "all trials are completed, 4 trials: 4 succeeded" in texts[0]
    (run,) = (tmp_path / "runs").iterdir()
    assert (run / "report.html").is_file()


def test_what_is_kept_is_whole_and_names_no_machine() -> None:
    nbformat.validate(KEPT)
    code = [cell for cell in KEPT.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    figures = [output.data for cell in code for output in cell.outputs if notebook.FIGURE in output.get("data", {})]
    assert len(figures) >= 3
    assert all("image/png" in figure for figure in figures)
    outputs = [str(cell.outputs) for cell in code]
    assert not re.findall(r"(?<![\w.])/(?:home|root|tmp|work|usr|Users)\b", "".join(outputs))


@pytest.mark.parametrize("kind", ["error", "stderr"])
def test_nothing_is_kept_that_went_wrong(kind: str) -> None:
    found = [output for cell in KEPT.cells for output in cell.get("outputs", [])]
    assert kind not in {output.get("name", output.output_type) for output in found}
