"""What runs code that stands in what is read cannot get into the product: `make lint` finds it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("eval(text)", "S307"),
        ("exec(text)", "S102"),
        ("import pickle", "TID251"),
        ("from pickle import loads", "TID251"),
        ("import marshal", "TID251"),
        ("import shelve", "TID251"),
        ("import yaml\nyaml.load(text, yaml.Loader)", "TID251"),
        ("import yaml\nyaml.load(text, Loader=other)", "S506"),
        ("import yaml\nyaml.unsafe_load(text)", "TID251"),
        ("import yaml\nyaml.full_load(text)", "TID251"),
        ("import subprocess\nsubprocess.run(text, shell=True)", "S602"),
        ("import os\nos.system(text)", "S605"),
        ("import tarfile\ntarfile.open(text).extractall()", "S202"),
        ("import tempfile\ntempfile.mktemp()", "S306"),
    ],
)
def test_ruff_refuses(code: str, rule: str) -> None:
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--output-format=concise",
        "--stdin-filename=trial_runtime/new.py",
        "-",
    ]
    found = subprocess.run(command, cwd=ROOT, input=f"{code}\n", capture_output=True, text=True, check=False)
    assert found.returncode == 1, found.stderr
    assert f" {rule} " in found.stdout


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("import torch\ntorch.load(path)", "B614"),
        ("import torch\ntorch.load(path, weights_only=False)", "B614"),
        ("access = 'user\u202e'", "B613"),
    ],
)
def test_bandit_refuses(code: str, rule: str, tmp_path: Path) -> None:
    file = tmp_path / "new.py"
    file.write_text(f"{code}\n")
    command = [sys.executable, "-m", "bandit", "--quiet", "--configfile=pyproject.toml", str(file)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 1, found.stderr
    assert f"[{rule}:" in found.stdout
