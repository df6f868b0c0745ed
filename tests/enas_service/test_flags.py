"""The table of flags in the guide is that of the code."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "services.md").read_text()


@pytest.mark.parametrize("module", ["enas_service", "darts_service"])
def test_the_guide_names_each_flag(module):
    command = [sys.executable, "-m", module, "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    flags = set(re.findall(r"(--[a-z-]+)", text)) - {"--help"}
    for flag in flags:
        (service,) = re.findall(rf"^\| `{flag}` \| (\S+) \|", GUIDE, re.MULTILINE)
        assert service == "both" or module == "enas_service"
    assert {"--port", "--metrics-port", "--log-level"} <= flags
