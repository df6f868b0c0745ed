"""What a user sees of a run: a live table on a terminal, plain lines elsewhere, and the result."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from katib_local.experiment import Experiment, Objective
from katib_local.trials import Trial, Verdict, best
from katib_suggestion.experiment import TrialCondition

_STYLES = {
    TrialCondition.RUNNING: "cyan",
    TrialCondition.SUCCEEDED: "green",
    TrialCondition.FAILED: "red",
    TrialCondition.METRICS_UNAVAILABLE: "red",
    TrialCondition.KILLED: "yellow",
}
_MAX_VALUE = 40
_MAX_ROWS = 20


class Display(Protocol):
    """Shows a run while it goes."""

    is_live: bool
    """Whether running trials are shown with what they have reported so far."""

    def show(self, trials: Sequence[Trial]) -> None:
        """Show where all trials stand."""


class PlainLines:
    """A line each time a trial starts or ends."""

    is_live = False

    def __init__(self, objective: Objective, console: Console) -> None:
        self._objective = objective
        self._console = console
        self._shown: dict[str, TrialCondition] = {}

    def __enter__(self) -> "PlainLines":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return

    def show(self, trials: Sequence[Trial]) -> None:
        """Print what has changed."""
        for trial in trials:
            before = self._shown.get(trial.name, TrialCondition.CREATED)
            self._shown[trial.name] = trial.condition
            if trial.condition is not before:
                _write(self._console, f"{datetime.now():%H:%M:%S} {trial.name} {self._line(trial)}")

    def _line(self, trial: Trial) -> str:
        seconds = "" if trial.finished is None else f" after {_seconds(trial):.1f} s"
        details = _metrics(self._objective, trial) if trial.finished else ""
        return f"{trial.condition.value}{seconds}" + (f": {trial.reason or details}" if trial.reason or details else "")


class LiveTable:
    """A table that is drawn anew in place."""

    is_live = True

    def __init__(self, experiment: Experiment, console: Console) -> None:
        self._experiment = experiment
        self._live = Live(console=console, refresh_per_second=4, transient=False)

    def __enter__(self) -> "LiveTable":
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, trials: Sequence[Trial]) -> None:
        """Draw the table of the last trials."""
        self._live.update(table(self._experiment, trials))


def table(experiment: Experiment, trials: Sequence[Trial]) -> Table:
    """Make a table of the last trials and the best of all."""
    objective = experiment.objective
    leader = best(objective, trials)
    drawn = Table(title=experiment.name, caption=counts(trials), title_justify="left", caption_justify="left")
    drawn.add_column("trial", no_wrap=True)
    drawn.add_column("condition", no_wrap=True)
    drawn.add_column("time", justify="right", no_wrap=True)
    for metric in objective.metrics:
        drawn.add_column(metric, overflow="ellipsis", max_width=_MAX_VALUE)
    for trial in trials[-_MAX_ROWS:]:
        values = [(trial.observation or {}).get(metric, "") for metric in objective.metrics]
        drawn.add_row(
            Text(trial.name, style="bold" if leader and trial.name == leader.name else ""),
            Text(trial.condition.value, style=_STYLES.get(trial.condition, "")),
            f"{_seconds(trial):.0f} s" if trial.started else "",
            *(Text(_short(value)) for value in values),
        )
    return drawn


def counts(trials: Sequence[Trial]) -> str:
    """Say how many trials there are, and how many of each condition."""
    found = Counter(trial.condition for trial in trials)
    each = ", ".join(f"{found[condition]} {condition.value}" for condition in TrialCondition if found[condition])
    return f"{len(trials)} trials: {each}" if trials else "no trials"


def show_result(
    experiment: Experiment, trials: Sequence[Trial], verdict: Verdict | None, folder: Path, console: Console
) -> None:
    """Write how a run ended: counts, and the best trial with what it found and where its files are."""
    state = verdict.value if verdict else "interrupted; --resume goes on with it"
    _write(console, f"\n{experiment.name}: {state} ({counts(trials)})")
    leader = best(experiment.objective, trials)
    if leader is None or leader.observation is None:
        _write(console, _without_best(experiment.objective, trials))
        _write(console, f"Files: {folder}")
        return
    _write(console, f"Best trial: {leader.name}")
    for metric in experiment.objective.metrics:
        _write(console, f"  {metric}: {leader.observation[metric]}")
    for name, value in leader.assignments.items():
        # Of a DARTS trial the assignments are the search space; what was found is its metric.
        if name == "architecture" or experiment.parameters:
            _write(console, f"  {name}: {value}")
    _write(console, f"  files: {folder / 'trials' / leader.name}")


def show_report(page: Path, console: Console) -> None:
    """Say where the page is that shows the run."""
    _write(console, f"Report: {page}")


def make(experiment: Experiment, console: Console) -> PlainLines | LiveTable:
    """Choose the display that suits the console."""
    return LiveTable(experiment, console) if console.is_terminal else PlainLines(experiment.objective, console)


def _without_best(objective: Objective, trials: Sequence[Trial]) -> str:
    if any(trial.condition is TrialCondition.SUCCEEDED for trial in trials):
        return f"No trial has a usable {objective.metric}: of those that have succeeded it is NaN or empty."
    return "No trial has succeeded."


def _metrics(objective: Objective, trial: Trial) -> str:
    observation = trial.observation or {}
    return " ".join(f"{metric}={_short(observation[metric])}" for metric in objective.metrics if metric in observation)


def _short(value: str) -> str:
    return value if len(value) <= _MAX_VALUE else f"{value[: _MAX_VALUE - 1]}…"


def _seconds(trial: Trial) -> float:
    if trial.started is None:
        return 0.0
    return ((trial.finished or datetime.now(UTC)) - trial.started).total_seconds()


def _write(console: Console, line: str) -> None:
    """Write a line as it is: values hold brackets, and must not be broken for copying."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)
