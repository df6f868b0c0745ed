"""What a user sees of a run while it goes: a live table on a terminal, plain lines elsewhere."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType

from rich.console import Console, ConsoleDimensions, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from katib_local.manifest.experiment import Experiment, Objective
from katib_local.record.trials import COMPLETED, FAILURES, MEASURED, Trial, best, ranked
from katib_local.showing import columns
from katib_local.showing.columns import Column
from katib_local.showing.parameters import parameter_columns
from katib_local.showing.wording import counts, duration, in_words, outcome, seconds_of
from katib_suggestion.experiment import TrialCondition

_STYLES = {
    TrialCondition.RUNNING: "cyan",
    TrialCondition.SUCCEEDED: "green",
    TrialCondition.FAILED: "red",
    TrialCondition.METRICS_UNAVAILABLE: "red",
    TrialCondition.KILLED: "yellow",
    TrialCondition.EARLY_STOPPED: "yellow",
}
_MAX_ROWS = 20
_OTHER_LINES = 9
"""Of a terminal, beside the table's rows: title, bar, heading of two lines, rules, two lines below, the cursor's."""
_NUM_BEST = 5

_REST_S = 60.0
_REST_SHARE = 0.1
"""Between two lines of a running trial: so long at least, and this part of the time that it has run."""


class PlainLines:
    """A line each time a trial starts or ends, and now and then one of a trial that runs long."""

    interval_s = 10.0

    def __init__(self, objective: Objective, console: Console) -> None:
        self._objective = objective
        self._console = console
        self._shown: dict[str, TrialCondition] = {}
        self._next_s: dict[str, float] = {}
        """When a running trial is told of again, by the time that it has run."""
        self._started = datetime.now(UTC)

    def __enter__(self) -> "PlainLines":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return

    def show(self, trials: Sequence[Trial]) -> None:
        """Print what has changed, and what goes on."""
        if not self._shown:
            self._tell_of_earlier([trial for trial in trials if trial.finished and trial.finished < self._started])
        for trial in trials:
            before = self._shown.get(trial.name, TrialCondition.CREATED)
            self._shown[trial.name] = trial.condition
            if trial.condition is not before:
                self._next_s[trial.name] = _REST_S
                self._write(f"{trial.name} {self._line(trial)}")
            elif trial.condition is TrialCondition.RUNNING:
                self._tell_of_running(trial)

    def _tell_of_earlier(self, trials: Sequence[Trial]) -> None:
        """Count what had ended before the run went on."""
        self._shown |= {trial.name: trial.condition for trial in trials}
        if trials:
            self._write(f"going on after {counts(trials)}")

    def _tell_of_running(self, trial: Trial) -> None:
        """Less and less often, so that the log of a long run can be read."""
        seconds = seconds_of(trial)
        if seconds >= self._next_s[trial.name]:
            self._next_s[trial.name] = seconds + max(_REST_S, seconds * _REST_SHARE)
            metrics = _metrics(self._objective, trial) or "no metric yet"
            self._write(f"{trial.name} running for {duration(seconds, digits=0)}: {metrics}")

    def _line(self, trial: Trial) -> str:
        if trial.condition is not TrialCondition.SUCCEEDED:
            metrics = _metrics(self._objective, trial) if trial.condition in MEASURED else ""
            return outcome(trial) + (f": {metrics}" if metrics else "")
        note = f" ({trial.reason})" if trial.reason else ""
        return f"{outcome(replace(trial, reason=''))}: {_metrics(self._objective, trial)}{note}"

    def _write(self, line: str) -> None:
        write(self._console, f"{datetime.now():%H:%M:%S} {line}")


class LiveTable:
    """A table that is drawn anew in place, and is gone at the end; what failed stays above it, a line each."""

    interval_s = 2.0

    def __init__(self, experiment: Experiment, console: Console) -> None:
        self._experiment = experiment
        self._console = console
        self._trials: Sequence[Trial] = ()
        self._told: set[str] = set()
        self._started = datetime.now(UTC)
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> "LiveTable":
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, trials: Sequence[Trial]) -> None:
        """Draw where the trials stand, and tell what has failed."""
        self._trials = trials
        for trial in trials:
            # What failed before a run went on is no news.
            is_news = trial.condition in FAILURES and trial.finished is not None and trial.finished >= self._started
            if is_news and trial.name not in self._told:
                self._told.add(trial.name)
                write(self._console, f"{trial.name} {outcome(trial)}")
        self._live.refresh()

    def _render(self) -> RenderableType:
        return view(
            self._experiment, self._trials, (datetime.now(UTC) - self._started).total_seconds(), self._console.size
        )


def view(experiment: Experiment, trials: Sequence[Trial], elapsed_s: float, size: ConsoleDimensions) -> RenderableType:
    """Make what is drawn of a run: how far it has come, its trials, and which is the best.

    Args:
        experiment: of the trials.
        trials: all so far; of many, those that run and the best are shown.
        elapsed_s: since the start.
        size: of the terminal, which it fits into.
    """
    parts: list[RenderableType] = [_line(f"{experiment.name}  {duration(elapsed_s, digits=0)}", "bold")]
    if experiment.max_trials is not None:
        completed = sum(trial.condition in COMPLETED for trial in trials)
        parts.append(_progress(completed, experiment.max_trials, size.width))
    shown, num_running = _chosen(experiment.objective, trials, max(3, min(_MAX_ROWS, size.height - _OTHER_LINES)))
    if shown:
        found = trial_columns(experiment, shown, size.width)
        parts.append(columns.table(found, size.width, section_before=num_running))
    parts.append(_line(counts(trials) if trials else "waiting for the first suggestions"))
    leader = best(experiment.objective, trials)
    if leader is not None:
        value = columns.shortened((leader.observation or {})[experiment.objective.metric])
        goal = "" if experiment.objective.goal is None else f", goal {experiment.objective.goal:g}"
        within = "" if experiment.objective.budget is None else " within the budget"
        parts.append(_line(f"best{within}: {value}, {leader.name}{goal}"))
    return Group(*parts)


def trial_columns(
    experiment: Experiment, trials: Sequence[Trial], width: int | None, *, is_interrupted: bool = False
) -> list[Column]:
    """Make the columns of a table of trials; on a narrow terminal the names go without the experiment's."""
    objective = experiment.objective
    names = [trial.name for trial in trials]
    prefix = f"{experiment.name}-"
    if width is not None and width < 60 and all(name.startswith(prefix) for name in names):
        names = [name.removeprefix(prefix) for name in names]
    leader = best(objective, trials)
    best_style = ["bold" if trial is leader else "" for trial in trials]
    return [
        Column(title="trial", cells=names, styles=best_style, max_width=63),
        Column(
            title="condition",
            cells=[_condition(trial, is_interrupted=is_interrupted) for trial in trials],
            styles=[_STYLES.get(trial.condition, "") for trial in trials],
            rank=1,
        ),
        Column(
            title="time",
            cells=[duration(seconds_of(trial), digits=0) if trial.started else "" for trial in trials],
            is_right=True,
            rank=2,
        ),
        *(
            Column(
                title=metric,
                cells=[columns.shortened((trial.observation or {}).get(metric, "")) for trial in trials],
                styles=best_style,
                rank=0 if metric == objective.metric else 3,
            )
            for metric in objective.metrics
        ),
        *parameter_columns(experiment, trials, rank=4),
    ]


def write(console: Console, line: str) -> None:
    """Write a line as it is: values hold brackets, and must not be broken for copying."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def make(experiment: Experiment, console: Console) -> PlainLines | LiveTable:
    """Choose the display that suits the console."""
    # FORCE_COLOR lets rich take a file for a terminal.
    is_watched = console.is_terminal and console.file.isatty() and not console.is_dumb_terminal
    return LiveTable(experiment, console) if is_watched else PlainLines(experiment.objective, console)


def _chosen(objective: Objective, trials: Sequence[Trial], num_rows: int) -> tuple[list[Trial], int | None]:
    """Choose whom there is room for.

    Returns:
        all in their order, and None; or those that run and then the best, and how many run.
    """
    started = [trial for trial in trials if trial.condition is not TrialCondition.CREATED]
    if len(started) <= num_rows:
        return started, None
    running = [trial for trial in trials if trial.condition is TrialCondition.RUNNING]
    running = running[: max(1, num_rows - _NUM_BEST)]
    return running + ranked(objective, trials)[: min(_NUM_BEST, num_rows - len(running))], len(running)


def _progress(completed: int, total: int, width: int) -> Table:
    words = f"{completed} of {total}"
    bar = ProgressBar(total=total, completed=completed, width=max(1, min(50, width - len(words) - 1)))
    line = Table.grid(padding=(0, 1, 0, 0))
    line.add_row(bar, words)
    return line


def _condition(trial: Trial, *, is_interrupted: bool = False) -> str:
    if trial.condition is TrialCondition.METRICS_UNAVAILABLE:
        return "no metrics"
    return in_words(trial.condition, is_interrupted=is_interrupted)


def _metrics(objective: Objective, trial: Trial) -> str:
    observation = trial.observation or {}
    found = {metric: observation[metric] for metric in objective.metrics if metric in observation}
    return " ".join(f"{metric}={columns.shortened(value)}" for metric, value in found.items())


def _line(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")
