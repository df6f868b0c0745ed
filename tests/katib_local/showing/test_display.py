"""What a user sees while a run goes, on a terminal and in a file."""

import io
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyte
import pytest
from rich.console import Console, ConsoleDimensions

from katib_local.manifest import manifest as manifests
from katib_local.manifest.experiment import Experiment
from katib_local.record.trials import Trial
from katib_local.showing import display
from katib_local.showing.display import LiveTable, PlainLines
from katib_suggestion.experiment import TrialCondition
from katib_suggestion.parsing.budget import Budget

NOW = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
GENOTYPE = "Genotype(normal=[[('max_pooling_3x3',0),('skip_connection',1)]],normal_concat=range(2,3),reduce=[])"

RUNNING = Trial(
    name="mini-0001",
    number=1,
    condition=TrialCondition.RUNNING,
    assignments={"architecture": "[[3], [1, 0]]", "nn_config": "{}"},
    labels={},
    started=NOW,
)
SUCCEEDED = replace(
    RUNNING,
    condition=TrialCondition.SUCCEEDED,
    finished=NOW + timedelta(seconds=2.5),
    exit_code=0,
    observation={"score": "0.5", "Best-Genotype": GENOTYPE},
)
FAILED = replace(
    RUNNING,
    name="mini-0002",
    condition=TrialCondition.FAILED,
    finished=NOW + timedelta(seconds=1),
    reason="exit code 3",
)


@pytest.fixture
def experiment(manifest: Callable[..., dict[str, Any]]) -> Experiment:
    return manifests.parse(manifest({"spec.objective.additionalMetricNames": ["Best-Genotype"]}))


def console() -> Console:
    return Console(file=io.StringIO(), width=100)


def text(written: Console) -> str:
    assert isinstance(written.file, io.StringIO)
    return written.file.getvalue()


def without_times(written: Console) -> list[str]:
    """The plain lines, each but for the time that it begins with."""
    return [line.partition(" ")[2] for line in text(written).splitlines()]


def test_plain_lines_tell_each_change_once(experiment: Experiment) -> None:
    written = console()
    with PlainLines(experiment.objective, written) as shown:
        now = datetime.now(UTC)
        shown.show([replace(RUNNING, condition=TrialCondition.CREATED)])
        shown.show([replace(RUNNING, started=now)])
        shown.show([replace(RUNNING, started=now)])
        shown.show([SUCCEEDED, FAILED])
    assert without_times(written) == [
        "mini-0001 running",
        "mini-0001 succeeded after 2.5 s: score=0.5 Best-Genotype=Genotype(normal=[[('max_pooling_3x3',0)…",
        "mini-0002 failed after 1.0 s: exit code 3",
    ]


def test_plain_lines_tell_of_a_long_trial_less_and_less_often(experiment: Experiment) -> None:
    written = console()
    with PlainLines(experiment.objective, written) as shown:
        for seconds in (0, 30, 61, 100, 125, 7200, 7300, 7930):
            value = None if seconds < 100 else {"score": f"{seconds}"}
            started = datetime.now(UTC) - timedelta(seconds=seconds)
            shown.show([replace(RUNNING, started=started, observation=value)])
    assert without_times(written) == [
        "mini-0001 running",
        "mini-0001 running for 1 min 01 s: no metric yet",
        "mini-0001 running for 2 min 05 s: score=125",
        "mini-0001 running for 2 h 00 min: score=7200",
        "mini-0001 running for 2 h 12 min: score=7930",
    ]


def test_plain_lines_count_what_had_ended_before(experiment: Experiment) -> None:
    written = console()
    with PlainLines(experiment.objective, written) as shown:
        third = replace(RUNNING, name="mini-0003", started=datetime.now(UTC))
        shown.show([SUCCEEDED, FAILED, third])
        shown.show([SUCCEEDED, FAILED, third, replace(third, name="mini-0004")])
    assert without_times(written) == [
        "going on after 2 trials: 1 succeeded, 1 failed",
        "mini-0003 running",
        "mini-0004 running",
    ]


def many(num_trials: int) -> list[Trial]:
    """Every fifth runs, every seventh has failed, and the last that has succeeded is the best."""
    found = []
    for number in range(1, num_trials + 1):
        trial = replace(SUCCEEDED, number=number, observation={"score": f"{number / 1000}"})
        if number % 5 == 0:
            trial = replace(RUNNING, number=number)
        elif number % 7 == 0:
            trial = replace(FAILED, number=number)
        found.append(replace(trial, name=f"mini-{number:04}"))
    return found


def drawn(experiment: Experiment, trials: list[Trial], width: int, height: int) -> list[str]:
    written = Console(file=io.StringIO(), width=width, height=height)
    written.print(display.view(experiment, trials, 83.4, ConsoleDimensions(width, height)))
    return [line.rstrip() for line in text(written).splitlines()]


def test_a_view_shows_all_trials_where_there_is_room(manifest: Callable[..., dict[str, Any]]) -> None:
    experiment = manifests.parse(manifest({"spec.objective.goal": 0.75, "spec.maxTrialCount": 8}))
    trials = [SUCCEEDED, FAILED, replace(SUCCEEDED, name="mini-0003", observation={"score": "0.25"})]
    assert drawn(experiment, trials, 80, 24) == [
        "mini  1 min 23 s",
        f"{'━' * 18}╸{' ' * 31} 3 of 8",
        "trial      condition  time  score",
        "─────────────────────────────────",
        "mini-0001  succeeded   2 s  0.5",
        "mini-0002  failed      1 s",
        "mini-0003  succeeded   2 s  0.25",
        "3 trials: 2 succeeded, 1 failed",
        "best: 0.5, mini-0001, goal 0.75",
    ]


def test_of_many_trials_those_that_run_and_the_best_are_shown(experiment: Experiment) -> None:
    lines = drawn(experiment, many(100), 80, 24)
    shown = [line.split()[0] for line in lines if line.startswith("mini-")]
    assert shown == [f"mini-{number:04}" for number in (*range(5, 55, 5), 99, 97, 96, 94, 93)]
    assert "100 trials: 20 running, 68 succeeded, 12 failed" in lines
    assert "best: 0.099, mini-0099" in lines


@pytest.mark.parametrize(("macs", "styles"), [("100", ["bold", ""]), ("300", ["", ""])])
def test_in_bold_is_the_best_within_the_budget(experiment: Experiment, macs: str, styles: list[str]) -> None:
    objective = replace(experiment.objective, budget=Budget.parse("MACs<=100", "here"))
    found = [
        replace(SUCCEEDED, observation={"score": "0.5", "MACs": macs}),
        replace(SUCCEEDED, name="mini-0002", observation={"score": "0.9", "MACs": "300"}),
    ]
    table = display.trial_columns(replace(experiment, objective=objective), found, None)
    assert table[0].styles == styles


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 24), (40, 10), (20, 12), (132, 50)])
@pytest.mark.parametrize("num_trials", [0, 1, 100])
def test_a_view_fits_the_terminal(experiment: Experiment, width: int, height: int, num_trials: int) -> None:
    lines = drawn(experiment, many(num_trials), width, height)
    assert max(map(len, lines)) <= width
    assert len(lines) < max(height, 12)
    assert lines[0].startswith("mini  1 min 23 s")


def test_a_narrow_terminal_has_short_names_and_the_objective(experiment: Experiment) -> None:
    lines = drawn(experiment, many(1), 40, 24)
    assert lines[3].split() == ["trial", "condition", "time", "score", "Genotype"]
    assert lines[5].split()[:5] == ["0001", "succeeded", "2", "s", "0.001"]


class Terminal:
    """A terminal, with what is on its screen and in its scrollback."""

    def __init__(self, columns: int, lines: int) -> None:
        self.screen = pyte.HistoryScreen(columns, lines, history=1000, ratio=1)
        self._stream = pyte.ByteStream(self.screen)
        self.written = b""
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (lines, columns))
        self.file = open(slave, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - closed by the fixture

    def read(self, timeout_s: float = 0.05) -> str:
        """Take in what was written, and return what is on the screen."""
        while select.select([self._master], [], [], timeout_s)[0]:
            try:
                found = os.read(self._master, 65536)
            except OSError:  # nobody has the other end any more
                break
            self.written += found
            self._stream.feed(found)
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def close(self) -> None:
        self.file.close()
        os.close(self._master)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def make(columns: int = 80, lines: int = 24) -> Terminal:
        opened.append(Terminal(columns, lines))
        return opened[-1]

    yield make
    for item in opened:
        item.close()


def test_a_live_table_tells_what_has_failed_and_goes_away(
    experiment: Experiment, terminal: Callable[..., Terminal]
) -> None:
    shown_on = terminal()
    with LiveTable(experiment, Console(file=shown_on.file, force_terminal=True)) as shown:
        news = replace(FAILED, name="mini-0004", finished=datetime.now(UTC) + timedelta(seconds=1))
        shown.show([SUCCEEDED, FAILED, replace(RUNNING, name="mini-0003", observation={"score": "0.25"})])
        shown.show([SUCCEEDED, FAILED, replace(RUNNING, name="mini-0003", observation={"score": "0.25"}), news])
        screen = shown_on.read()
        for words in ("mini-0001  succeeded", "0.5", "mini-0003", "0.25", "4 trials: 1 running, 1 succeeded, 2 failed"):
            assert words in screen
        assert screen.splitlines()[0].startswith("mini-0004 failed after")
        assert shown_on.screen.cursor.hidden
    assert re.fullmatch(r"mini-0004 failed after \S+ s: exit code 3", shown_on.read())
    assert not shown_on.screen.cursor.hidden


@pytest.mark.parametrize(("variable", "is_live"), [({}, True), ({"TERM": "dumb"}, False)])
def test_the_display_suits_the_terminal(
    experiment: Experiment,
    terminal: Callable[..., Terminal],
    monkeypatch: pytest.MonkeyPatch,
    variable: dict[str, str],
    is_live: bool,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variable.items():
        monkeypatch.setenv(name, value)
    made = display.make(experiment, Console(file=terminal().file))
    assert isinstance(made, LiveTable if is_live else PlainLines)


def test_a_file_gets_lines_even_where_colours_are_forced(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert isinstance(display.make(experiment, console()), PlainLines)


Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(
    service: str, write_manifest: Callable[..., Path], program: Callable[[str], Path], tmp_path: Path
) -> Iterator[Start]:
    """Run an experiment with a terminal of its own for all that it reads and writes."""
    started: list[subprocess.Popen[bytes]] = []

    def start_on(shown_on: Terminal, script: str, **variables: str) -> "subprocess.Popen[bytes]":
        flags = ["--suggestion", service, "--image", f"tests/program={program(script)}", "--output-dir", "out"]
        command = [Path(sys.executable).with_name("katib-nas"), "run", write_manifest(), *flags]
        # Whoever runs the tests may have told of a terminal of another size.
        environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        process = subprocess.Popen(
            # The terminal is the new session's own: Ctrl-C is typed, not sent.
            ["setsid", "--ctty", "--wait", *map(str, command)],
            stdin=shown_on.file,
            stdout=shown_on.file,
            stderr=shown_on.file,
            env={**environment, "TERM": "xterm-256color", **variables},
            cwd=tmp_path,
        )
        started.append(process)
        return process

    yield start_on
    for process in started:
        process.kill()
        process.wait()


def await_screen(shown_on: Terminal, words: str) -> None:
    deadline = time.monotonic() + 60
    while words not in shown_on.read():
        assert time.monotonic() < deadline, shown_on.read()


def end_of(process: "subprocess.Popen[bytes]", shown_on: Terminal) -> tuple[int, list[str]]:
    """The exit code, and the lines that are left on the screen."""
    deadline = time.monotonic() + 60
    while process.poll() is None:
        assert time.monotonic() < deadline, shown_on.read()
        shown_on.read()
    return process.returncode, shown_on.read().splitlines()


@pytest.mark.skipif(sys.platform != "linux", reason="setsid is Linux's")
def test_ctrl_c_leaves_the_terminal_clean(terminal: Callable[..., Terminal], start: Start) -> None:
    shown_on = terminal()
    process = start(shown_on, "echo score=0.5; [ $1 = v1 ] || sleep 60")
    await_screen(shown_on, "-0002  running")
    assert "1 of 2" in shown_on.read()
    shown_on.type(b"\x03")
    code, lines = end_of(process, shown_on)
    assert code == 130
    assert ": interrupted (2 trials: 1 will run again, 1 succeeded)" in "".join(lines[:2])
    assert "- score: 0.5" in lines
    assert not any("running" in line or "^C" in line or "Traceback" in line for line in lines)
    assert not shown_on.screen.cursor.hidden
    assert b"\x1b[36m" in shown_on.written


@pytest.mark.skipif(sys.platform != "linux", reason="setsid is Linux's")
def test_no_color(terminal: Callable[..., Terminal], start: Start) -> None:
    shown_on = terminal(40)
    code, lines = end_of(start(shown_on, "sleep 1; echo score=0.5", NO_COLOR="1"), shown_on)
    assert code == 0
    assert re.search(r"\n0001 +running", re.sub(r"\x1b\[\d*[a-zA-Z]", "", shown_on.written.decode()))
    # Bold is no colour.
    assert set(re.findall(rb"\x1b\[([0-9;]*)m", shown_on.written)) <= {b"0", b"1", b""}
    assert "- score: 0.5" in lines
