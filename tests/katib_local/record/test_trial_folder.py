"""What is read from the folder of a trial."""

import subprocess
import sys
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


RAISES = "raise FileNotFoundError('no such folder: /mnt/data')"
CHAINED = "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise ValueError('no\\nmore') from error"
GROUP = "raise ExceptionGroup('two', [ValueError('a'), TypeError('b')])"
ARGPARSE = "import argparse\nargparse.ArgumentParser('train.py').parse_args(['--what'])"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (RAISES, "FileNotFoundError: no such folder: /mnt/data"),
        (CHAINED, "ValueError: no"),
        (GROUP, "ExceptionGroup: two (2 sub-exceptions)"),
        (ARGPARSE, "unrecognized arguments: --what"),
        ("x = (", "SyntaxError: '(' was never closed"),
        ("import sys; sys.exit('Error: no data')", "no data"),
        ("print('error: first'); " + RAISES, "FileNotFoundError: no such folder: /mnt/data"),
        ("exit(3)", ""),
        ("print('loss: 3')", ""),
    ],
)
def test_the_last_error_is_what_a_program_of_python_ended_with(tmp_path: Path, program: str, said: str) -> None:
    with (tmp_path / "output.log").open("wb") as log:
        subprocess.run([sys.executable, "-c", program], stdout=log, stderr=subprocess.STDOUT, check=False)
    assert trial_folder.last_error(tmp_path) == said


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("sh: 1: pyhton3: not found\n", "sh: 1: pyhton3: not found"),
        ("python3: can't open file '/x/run.py': [Errno 2] No such file\n", "python3: can't open file '/x/run.py': "),
        (
            "[rank0]: Traceback (most recent call last):\n[rank0]:   File\n[rank1]: other\n[rank0]: KeyError: 'x'\n",
            "KeyError: 'x'",
        ),
        ("\x1b[1mTraceback (most recent call last)\x1b[0m:\n  File\n\x1b[31mKeyError\x1b[0m: 'x'\n", "KeyError: 'x'"),
        ("╭── Traceback (most recent call last) ──╮\n│ a.py │\n╰──╯\nKeyError: 'x'\nloss=1\n", "KeyError: 'x'"),
    ],
)
def test_the_last_error_in_other_forms(tmp_path: Path, printed: str, said: str) -> None:
    (tmp_path / "output.log").write_text(printed)
    assert trial_folder.last_error(tmp_path).startswith(said)
