"""Rules by which a trial is stopped early, and how Katib's collector applies them to what the trial reports."""

import enum
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from katib_local.manifest.experiment import Objective
from katib_local.record import collector
from katib_suggestion.errors import shown


class Comparison(enum.Enum):
    """What a metric must be beside a rule's value for the rule to hold; in Katib's words."""

    LESS = "less"
    GREATER = "greater"


@dataclass(frozen=True, kw_only=True, slots=True)
class StopRule:
    """A trial may be stopped when a metric is less, or greater, than a value."""

    metric: str
    value: float
    comparison: Comparison
    start_step: int
    """Values of the metric that are reported before it is compared."""

    def holds(self, value: float) -> bool:
        """Compare a value of the metric; NaN never holds."""
        return value < self.value if self.comparison is Comparison.LESS else value > self.value

    def __str__(self) -> str:
        values = "1 value" if self.start_step == 1 else f"{self.start_step} values"
        return f"its {self.metric} was still {self.comparison.value} than {self.value:.6g} after {values}"


class UnusableValue(ValueError):
    """A trial reports what is no number beside what is compared: Katib's collector ends there, and the trial fails."""


class Comparisons:
    """What a trial's rules have come to so far; the trial is to be stopped once each of them has held.

    Args:
        rules: of the trial, one a metric.
        objective: of its metric the best value so far is compared, of any other each value.
    """

    def __init__(self, rules: Iterable[StopRule], objective: Objective) -> None:
        self._left = {rule.metric: rule for rule in rules}
        self._objective = objective
        self._counts = dict.fromkeys(self._left, 0)
        self._best: float | None = None

    @property
    def metrics(self) -> Sequence[str]:
        """Metrics whose rules have not held yet."""
        return list(self._left)

    def take(self, metric: str, text: str) -> None:
        """Take in a value that the trial has reported, of any metric.

        Raises:
            UnusableValue: it is no number.
        """
        value = collector.number(text)
        if value is None:
            raise UnusableValue(f"it reported {shown(text)} as {metric}: with early stopping it must be a number")
        rule = self._left.get(metric)
        if rule is None:
            return
        if metric == self._objective.metric:
            if self._best is None or self._objective.is_better(value, self._best):
                self._best = value
            value = self._best
        self._counts[metric] += 1
        if self._counts[metric] >= rule.start_step and rule.holds(value):
            del self._left[metric]


def to_json(rules: Iterable[StopRule]) -> str:
    """Write rules down, for `from_json`."""
    return json.dumps([asdict(rule) | {"comparison": rule.comparison.value} for rule in rules])


def from_json(text: str) -> tuple[StopRule, ...]:
    """Read what `to_json` wrote."""
    return tuple(StopRule(**{**item, "comparison": Comparison(item["comparison"])}) for item in json.loads(text))
