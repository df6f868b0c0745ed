"""A Katib Experiment as the local runner needs it: typed, frozen, with Katib's defaults filled in."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from katib_suggestion.experiment import Direction
from katib_suggestion.parsing.budget import Budget
from katib_suggestion.parsing.settings import SUGGESTION_TRIAL_DIR


class Strategy(enum.Enum):
    """How the values that a trial reported for a metric become one."""

    MIN = "min"
    MAX = "max"
    LATEST = "latest"


class MetricsFormat(enum.Enum):
    """What a line of metrics looks like."""

    TEXT = "TEXT"
    JSON = "JSON"


@dataclass(frozen=True, kw_only=True, slots=True)
class Objective:
    """What is measured, and which way it is better."""

    metric: str
    direction: Direction
    goal: float | None
    """Where the search may stop; None searches until the last trial."""
    additional_metrics: tuple[str, ...]
    strategies: Mapping[str, Strategy]
    """One strategy a metric, the objective and the additional ones."""
    budget: Budget | None = None
    """What a network may cost, where the search has a budget: the best trial is within it."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """The objective's metric, then the additional ones."""
        return (self.metric, *self.additional_metrics)

    def is_better(self, value: float, other: float) -> bool:
        """Tell whether a value beats another."""
        return value > other if self.direction is Direction.MAXIMIZE else value < other

    def meets_goal(self, value: float) -> bool:
        """Tell whether a value is as good as the goal, or better."""
        return self.goal is not None and (value == self.goal or self.is_better(value, self.goal))


@dataclass(frozen=True, kw_only=True, slots=True)
class EarlyStopping:
    """When a trial that does badly is stopped: Katib's ``medianstop``."""

    settings: tuple[tuple[str, str], ...]
    """As given, names and texts, in order."""
    min_trials_required: int
    """Trials that have to succeed before any other is compared with them."""
    start_step: int
    """Values of the objective that a trial has reported when it is compared."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Collector:
    """Where a trial's metrics come from."""

    path: str | None
    """The file that the trial writes (collector File); None collects what it prints (StdOut)."""
    format: MetricsFormat
    filters: tuple[str, ...]
    """Patterns with two groups, name and value; none stands for Katib's default pattern."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ParameterSpec:
    """A parameter and its feasible space, its numbers still text, as Katib passes them on."""

    name: str
    type: str
    """``double``, ``int``, ``discrete`` or ``categorical``."""
    minimum: str
    maximum: str
    step: str
    values: tuple[str, ...]
    distribution: str
    """``uniform``, ``logUniform``, ``normal``, ``logNormal``, or nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OperationSpec:
    """A type of operation with the parameters that vary."""

    type: str
    parameters: tuple[ParameterSpec, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class NasConfig:
    """The search space of a neural architecture search."""

    num_layers: int
    """0 where the manifest gives none."""
    input_sizes: tuple[int, ...]
    output_sizes: tuple[int, ...]
    operations: tuple[OperationSpec, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialParameter:
    """A placeholder of the trial template and what it stands for."""

    name: str
    """Written ``${trialParameters.NAME}`` in the template."""
    reference: str
    """The name of an assignment, or ``${trialSpec.…}`` for the trial itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialTemplate:
    """What a trial is made from."""

    container: str
    """Name of the container that trains."""
    parameters: tuple[TrialParameter, ...]
    spec: str
    """The trial's resource, as JSON text with placeholders."""
    unmet: tuple[str, ...] = ()
    """Fields beside the resource that a cluster would heed and this machine does not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """An Experiment that can run on this machine."""

    name: str
    namespace: str
    algorithm: str
    settings: tuple[tuple[str, str], ...]
    """Algorithm settings, names and texts, in order."""
    objective: Objective
    parallel_trials: int
    max_trials: int | None
    """None runs until the goal is met."""
    max_failed_trials: int | None
    """None bears any number of failures."""
    nas: NasConfig | None
    """Exactly one of this and `parameters` is given."""
    parameters: tuple[ParameterSpec, ...]
    collector: Collector
    template: TrialTemplate
    early_stopping: EarlyStopping | None
    """None lets every trial run to its end."""

    @property
    def suggestion_trial_dir(self) -> str | None:
        """Where Katib mounts into each trial a folder of its own on the suggestion's volume; None where it does not."""
        return dict(self.settings).get(SUGGESTION_TRIAL_DIR) or None
