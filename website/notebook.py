"""Run the notebook of the examples and keep what it shows: ``python -m website.notebook``.

Beside each figure of plotly stands a picture of it, for readers that run no scripts, such as a forge's.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

PAGE = Path(__file__).parents[1] / "examples/notebook.ipynb"

FIGURE = "application/vnd.plotly.v1+json"
_WIDTH = 800
_DRAW = """async figure => {
    const layout = {...figure.layout, width: %d};
    const picture = await Plotly.toImage({data: figure.data, layout}, {format: "png", width: %d,
        height: layout.height});
    return picture.split(",")[1];
}"""


def execute(path: Path, folder: Path) -> NotebookNode:
    """Run a notebook, and return it with its outputs.

    Args:
        path: of the notebook.
        folder: where it runs.

    Raises:
        CellExecutionError: a cell fails.
    """
    notebook: NotebookNode = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=300,
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        coalesce_streams=True,
    )
    # Neither plotly's script in the notebook, nor a browser.
    with mock.patch.dict(os.environ, {"PLOTLY_RENDERER": "plotly_mimetype"}):
        client.execute()
    for cell in notebook.cells:
        cell.metadata.clear()
    return notebook


def draw_figures(notebook: NotebookNode) -> None:
    """Put a picture beside each figure of plotly, drawn by Chromium."""
    from playwright.sync_api import sync_playwright
    from plotly.offline import get_plotlyjs

    program = os.environ.get("KATIB_NAS_TEST_BROWSER") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(device_scale_factor=1)
        page.set_content("<!doctype html>")
        page.add_script_tag(content=get_plotlyjs())
        for output in _outputs(notebook):
            if FIGURE in output.get("data", {}):
                output.data["image/png"] = page.evaluate(_DRAW % (_WIDTH, _WIDTH), output.data[FIGURE])
        browser.close()


def _outputs(notebook: NotebookNode) -> list[Any]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as elsewhere:
        executed = execute(PAGE, Path(elsewhere))
    draw_figures(executed)
    nbformat.write(executed, PAGE)
