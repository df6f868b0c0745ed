"""What the Makefile installs for whom."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def commands(*arguments: str) -> str:
    """What make would run if nothing were installed."""
    # A folder that is not there: whatever is installed in this checkout plays no part.
    command = ["make", "--dry-run", *arguments, "VENV=nowhere", "KATIB_CLIENT=neither"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(("target", "extras"), [("run", ["local"]), ("lint", ["local", "local,dev"])])
def test_a_run_installs_no_tools_of_ours(target: str, extras: list[str]) -> None:
    assert re.findall(r"--editable '\.\[(.*)\]'", commands(target)) == extras


def test_torch_comes_from_an_index_that_is_named_before_anything_asks_for_another() -> None:
    printed = commands("run", "TORCH_INDEX=https://index.example/cpu")
    assert re.search(r"--index-url 'https://index.example/cpu' torch torchvision\n.*--editable", printed)
    assert "TORCH_INDEX" not in printed
    assert "--index-url" not in commands("run", "TORCH_INDEX=")


def test_it_is_said_what_comes() -> None:
    assert re.search(r"Installing into nowhere .* 7\.6 GB, .* TORCH_INDEX", commands("run", "TORCH_INDEX="))
