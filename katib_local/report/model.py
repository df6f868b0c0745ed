"""What a report shows of an experiment, wherever it ran."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from katib_local.manifest.experiment import Objective, ParameterSpec
from katib_local.record import collector, trials
from katib_local.record.trials import Trial


@dataclass(frozen=True, kw_only=True, slots=True)
class AlphaHistory:
    """How the mixtures of a kind of cell moved in a DARTS search."""

    cell: str
    """``normal`` or ``reduction``."""
    epochs: tuple[int, ...]
    choices: tuple[str, ...]
    """An edge and an operation each, such as ``0 → 2: max_pooling_3x3``."""
    weights: tuple[tuple[float, ...], ...]
    """For each choice, its weight in the edge's mixture after each epoch."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialReport:
    """A trial with what it reported over time."""

    trial: Trial
    curves: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """The numbers of each metric, in the order reported."""
    alphas: tuple[AlphaHistory, ...] = ()
    epochs: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Numbers that its trainer noted of each epoch, by their names."""
    log: Path | None = None
    """What it printed, on this machine."""
    costs: Mapping[str, int] = field(default_factory=dict)
    """What its network costs, by the names that this has as metrics; none where nobody looked."""
    remarks: tuple[str, ...] = ()
    """What its trainer found to be wrong with what it came to, a sentence each."""

    @property
    def seconds(self) -> float | None:
        """How long it took; None where it has not ended."""
        if self.trial.started is None or self.trial.finished is None:
            return None
        # The clock may have been set back meanwhile.
        return max(0.0, (self.trial.finished - self.trial.started).total_seconds())

    def value(self, metric: str) -> str:
        """The reduced value of a metric; empty where there is none."""
        return (self.trial.observation or {}).get(metric, "")

    def number(self, metric: str) -> float | None:
        """The same as a finite number; None where it is none."""
        value = collector.number(self.value(metric))
        return value if value is not None and math.isfinite(value) else None


@dataclass(frozen=True, kw_only=True, slots=True)
class ControllerStep:
    """What the ENAS controller had come to after it learned from some trials."""

    num_trials: int
    """Trials that it had learned from."""
    entropy: float
    """In nats; mean over the architectures that it learned from last."""
    skip_rate: float
    """Mean probability of a join in the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Learned:
    """What the ENAS service's model has learned of one decision, or of one parameter of it."""

    name: str
    kind: str
    """Decisions of one kind are the same thing in several places."""
    importance: float
    """Its share of what is expected to vary over the search space, 0 to 1."""
    expected: Mapping[str, float]
    """Its values, and the objective that is expected with each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """An experiment, as far as it has come."""

    name: str
    namespace: str
    source: str
    """Where it was read from, for a reader."""
    state: str
    """How far it has come, in words."""
    started: datetime | None
    written: datetime
    objective: Objective
    algorithm: str
    settings: tuple[tuple[str, str], ...]
    """Names and texts: those of the manifest, then those that the service returned."""
    parameters: tuple[ParameterSpec, ...] = ()
    """What was searched over, where that are plain parameters."""
    trials: tuple[TrialReport, ...]
    """In the order of the suggestions."""
    controller: tuple[ControllerStep, ...] = ()
    learned: tuple[Learned, ...] = ()
    """What matters most first."""
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str
    """What makes it again, given the manifest."""
    manifest: str
    """The Experiment as YAML."""
    is_interrupted: bool = False
    """Whether it can go on, and does not."""
    absent: tuple[str, ...] = ()
    """What the source does not keep, so that the report cannot show it; a sentence each."""

    @property
    def alarm(self) -> str:
        """That half of the trials that have ended, or more, have failed; empty where they have not."""
        ended = [item.trial for item in self.trials if item.trial.condition in trials.COMPLETED]
        failed = [trial for trial in ended if trial.condition in trials.FAILURES]
        if not failed or 2 * len(failed) < len(ended):
            return ""
        ((reason, _),) = Counter(trial.reason for trial in failed).most_common(1)
        return f"{len(failed)} of {len(ended)} trials failed: {reason or 'nobody knows why'}"

    @property
    def best(self) -> TrialReport | None:
        """The best trial, by the rule of the runner."""
        leader = trials.best(self.objective, [item.trial for item in self.trials])
        return next((item for item in self.trials if item.trial is leader), None)

    def best_so_far(self) -> list[tuple[int, float]]:
        """The number of each succeeded trial that has a number for its objective, and the best until there."""
        found: list[tuple[int, float]] = []
        for item in self.trials:
            value = item.number(self.objective.metric)
            if value is None or item.trial.condition not in trials.MEASURED:
                continue
            if not trials.is_within(self.objective, item.trial):
                continue
            if found and not self.objective.is_better(value, found[-1][1]):
                value = found[-1][1]
            found.append((item.trial.number, value))
        return found


def curves(points: Sequence[collector.Point]) -> dict[str, tuple[float, ...]]:
    """Gather the finite numbers that a trial reported, by their metrics."""
    found: dict[str, list[float]] = {}
    for point in points:
        value = collector.number(point.value)
        if value is not None and math.isfinite(value):
            found.setdefault(point.metric, []).append(value)
    return {metric: tuple(values) for metric, values in found.items()}
