"""What a suggestion service knows of an experiment and its trials, without protobuf."""

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass


class ParameterType(enum.Enum):
    """Kind of a feasible space."""

    DOUBLE = "double"
    INT = "int"
    DISCRETE = "discrete"
    CATEGORICAL = "categorical"


class Distribution(enum.Enum):
    """How a range is to be drawn from."""

    UNIFORM = "uniform"
    LOG_UNIFORM = "logUniform"
    NORMAL = "normal"
    LOG_NORMAL = "logNormal"


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """A parameter and its feasible space; every number in it is still text, as on the wire."""

    name: str
    type: ParameterType
    minimum: str = ""
    maximum: str = ""
    step: str = ""
    values: tuple[str, ...] = ()
    distribution: Distribution = Distribution.UNIFORM
    """The uniform one where the space does not say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """A type of operation of a NAS search space, with the parameters that vary."""

    type: str
    parameters: tuple[Parameter, ...] = ()


class Direction(enum.Enum):
    """Which way the objective is better."""

    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"


@dataclass(frozen=True, kw_only=True, slots=True)
class Objective:
    """The metric that the search improves."""

    metric: str
    direction: Direction

    @property
    def sign(self) -> int:
        """Objective to reward, of which larger is better, and back."""
        return 1 if self.direction is Direction.MAXIMIZE else -1


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """An Experiment, as far as a NAS suggestion needs it."""

    name: str
    objective: Objective | None
    """None where the experiment names no metric, or no direction."""
    additional_metrics: tuple[str, ...] = ()
    """Names of the metrics that are reported beside the objective."""
    settings: tuple[tuple[str, str], ...]
    """Algorithm settings as given: names and texts, in order."""
    parallel_trial_count: int = 0
    """Trials that run at once: most suggestions that a request asks for; 0 where it does not say."""
    max_trial_count: int = 0
    """Trials after which the experiment is over; 0 where it has no such end."""
    parameters: tuple[Parameter, ...] = ()
    """What is searched over; or else the fields below, of Katib's ``nasConfig``."""
    num_layers: int
    input_sizes: tuple[int, ...]
    output_sizes: tuple[int, ...]
    operations: tuple[Operation, ...]

    @property
    def has_nas_config(self) -> bool:
        """Whether it says anything of a network."""
        return bool(self.num_layers or self.input_sizes or self.output_sizes or self.operations)


class TrialCondition(enum.Enum):
    """Where a trial stands."""

    CREATED = "created"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    KILLED = "killed"
    FAILED = "failed"
    METRICS_UNAVAILABLE = "metrics unavailable"
    EARLY_STOPPED = "early stopped"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """A trial, with the assignments that it runs with and the metrics that it has reported."""

    name: str
    condition: TrialCondition
    assignments: Mapping[str, str]
    metrics: Mapping[str, str]
    """One reduced value a metric, as text."""

    @property
    def is_finished(self) -> bool:
        """Whether the trial's metric counts; an early-stopped trial with a metric has finished."""
        return self.condition in (TrialCondition.SUCCEEDED, TrialCondition.EARLY_STOPPED)

    def reward(self, objective: Objective) -> float | None:
        """The objective, larger is better; None where it is missing, no number, or not finite."""
        value = self.number(objective.metric)
        return None if value is None else objective.sign * value

    def number(self, metric: str) -> float | None:
        """A metric; None where it is missing, no number, or not finite."""
        try:
            value = float(self.metrics[metric])
        except (KeyError, ValueError):
            return None
        return value if math.isfinite(value) else None
