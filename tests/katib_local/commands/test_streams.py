"""What a command prints, where standard output is not UTF-8."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

STREAMS = [
    {"PYTHONIOENCODING": "latin-1"},
    {"PYTHONIOENCODING": "ascii:strict"},
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
]
CALLS = """
import sys
from katib_local.commands.cli import main
for line in sys.argv[1:]:
    sys.exit(1) if main(line.split()) else sys.stdout.flush()
"""
CONFIGURATION = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: katib-config}
data:
  katib-config.yaml: |
    # für alle
    apiVersion: config.kubeflow.org/v1beta1
    kind: KatibConfig
    runtime:
      suggestions:
        - algorithmName: enas
          image: example.org/enas:1
        - algorithmName: darts
          image: example.org/darts:1
"""


@pytest.fixture
def kept(run: Callable[..., Any], write_manifest: Callable[..., Path], program: Callable[..., Path]) -> Path:
    """A run with texts that other encodings lack."""
    folder = program("[ $1 = v1 ] && echo score=1 || { echo 'error: no ☃'; exit 2; }").parent / "Straße ☃"
    manifest = write_manifest({"spec.objective.additionalMetricNames": ["précision"], "spec.maxFailedTrialCount": 1})
    assert run("run", manifest, "--output-dir", str(folder))[0] == 1
    return folder.rename(folder.with_name("Straße☃"))


@pytest.mark.parametrize("variables", STREAMS, ids=str)
def test_no_command_ends_in_a_traceback_by_what_it_prints(variables: dict[str, str], kept: Path) -> None:
    (kept.parent / "config.yaml").write_text(CONFIGURATION)
    commands = [
        f"show --runs-dir {kept.parent}",
        f"list --runs-dir {kept.parent}",
        f"report {kept.name}",
        "register config.yaml --registry example.org/nas",
        f"show {kept.name} --json",
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "PYTHON"))}
    done = subprocess.run(
        [sys.executable, "-c", CALLS, *commands],
        env={**environment, **variables},
        cwd=kept.parent,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert b"exit code 2: no ?" in done.stdout
    # What another program reads is whole.
    assert "# für alle".encode() in done.stdout
    document = done.stdout[done.stdout.index(b"\n{") :]
    assert json.loads(document)["trials"][1]["reason"] == "exit code 2: no ☃"
