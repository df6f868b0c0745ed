"""Write the pages that are made from the code: ``python -m website.reference``."""

import importlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ("flags_page", "settings_page", "metrics_page")


def text(page: str) -> str:
    """Return what a page should be, in a process of its own: no process has both torch and TensorFlow."""
    made = subprocess.run(
        [sys.executable, "-m", "website.reference", page], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return made.stdout


def path(page: str) -> Path:
    """Return where a page lies."""
    found: Path = ROOT / importlib.import_module(f"website.{page}").PAGE
    return found


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.stdout.write(importlib.import_module(f"website.{sys.argv[1]}").text())
    else:
        for page in PAGES:
            path(page).write_text(text(page))
