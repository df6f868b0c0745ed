"""``docs/images/*.png``: what our pages look like. ``python -m website.screenshots RUNS`` takes them again.

RUNS is a folder of runs, as ``make run`` leaves one: of ``enas-digits``, of ``darts-digits``, and of whatever else the
list of the dashboard shall show. Only ``dashboard-frame.png`` is not taken here: its page stands in a stand-in for
Kubeflow's dashboard, which ``tests/dashboard/gateway.py`` has.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

FOLDER = Path(__file__).parents[1] / "docs/images"


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A part of a page."""

    name: str
    """Of the file, without its ending."""
    page: str
    """Address: that of a file, or of a page of the dashboard."""
    size: tuple[int, int]
    """Width and height of the window, in pixels."""
    is_dark: bool = False
    heading: str | None = None
    """What stands at the top; None for the top of the page."""
    drawn: str = "html[data-drawn]"
    """A selector of what is there once all is drawn."""


def pictures(enas: Path, darts: Path, dashboard: str) -> Iterator[Picture]:
    """Yield all pictures that are taken of two runs, and of the dashboard at an address."""
    yield Picture(name="report-enas", page=_report(enas), size=(1150, 960))
    heading = "h2:has-text('Alphas of')"
    yield Picture(name="report-darts", page=_report(darts), size=(1150, 700), is_dark=True, heading=heading)
    live = "#pulse[data-state=live]"
    yield Picture(name="dashboard-list", page=dashboard, size=(1200, 425), drawn=live)
    yield Picture(name="dashboard-phone", page=dashboard, size=(390, 770), is_dark=True, drawn=live)
    page = f"{dashboard}runs/{enas.name}/"
    yield Picture(name="dashboard-experiment", page=page, size=(1200, 980), is_dark=True)


def take(picture: Picture, browser: Any) -> None:
    """Write a picture into `FOLDER`."""
    width, height = picture.size
    scheme = "dark" if picture.is_dark else "light"
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    page.goto(picture.page)
    page.wait_for_selector(picture.drawn)
    if picture.heading is not None:
        page.locator(picture.heading).evaluate("heading => heading.scrollIntoView()")
    # A curve's growth, and a plot below the window that is drawn once it is seen.
    page.wait_for_timeout(1_000)
    taken = Image.open(BytesIO(page.screenshot()))
    taken.convert("P", palette=Image.Palette.ADAPTIVE).save(FOLDER / f"{picture.name}.png", optimize=True)
    context.close()


@contextmanager
def _served(runs: Path) -> Iterator[str]:
    """The address of a dashboard of the runs below a folder."""
    command = [sys.executable, "-m", "dashboard", "--runs", str(runs), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def _report(run: Path) -> str:
    return (run / "report.html").absolute().as_uri()


def _newest(runs: Path, experiment: str) -> Path:
    return max(runs.glob(f"{experiment}-*"), key=lambda run: run.name)


def main() -> None:
    """Take all pictures."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description="Take the pictures of the docs again.")
    parser.add_argument("runs", type=Path, metavar="RUNS", help="folder of runs, as make run leaves one")
    runs: Path = parser.parse_args().runs
    program = os.environ.get("KATIB_NAS_TEST_BROWSER") or shutil.which("chromium")
    with _served(runs) as dashboard, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for picture in pictures(_newest(runs, "enas-digits"), _newest(runs, "darts-digits"), dashboard):
            take(picture, browser)
        browser.close()


if __name__ == "__main__":
    main()
