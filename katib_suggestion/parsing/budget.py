"""A budget of a network, such as ``MACs<=5e6, Latency-ms<=3``: how much of each cost it may take.

Services and trials read the same text. Standard library only: trainers import this module.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from katib_suggestion.errors import InvalidExperiment

_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

_MAX_TEXT = 1000
"""Longest text, in characters."""

ALLOWED = "it must be costs and their largest values, such as MACs<=5e6, Latency-ms<=3"

WORST_ACCURACY, WORST_LOSS = 0.0, 1e9
"""What a trial reports that did not train a network beyond its budget: the worst accuracy, and a loss or perplexity
that no training comes to, in numbers that Katib's pattern reads."""


def untrained(metric: str) -> float:
    """Return which of both a metric gets, by its name."""
    return WORST_ACCURACY if "accuracy" in metric.lower() else WORST_LOSS


@dataclass(frozen=True, slots=True)
class Bound:
    """The largest value of one cost."""

    metric: str
    most: float
    """Above 0."""

    def __str__(self) -> str:
        return f"{self.metric}<={self.most:.15g}"


@dataclass(frozen=True, slots=True)
class Budget:
    """A bound for each of some costs, at least one."""

    bounds: tuple[Bound, ...]

    @classmethod
    def parse(cls, text: str, where: str) -> "Budget":
        """Read a budget's text.

        Args:
            text: names and numbers with ``<=`` between them, with commas between those; in quotes, too, where no shell
                has taken those off.
            where: it stands, for messages.

        Raises:
            InvalidExperiment: it is none, or bounds a cost twice.
        """
        if len(text) > _MAX_TEXT:
            raise InvalidExperiment(where, text, f"it may be {_MAX_TEXT} characters long")
        bounds: dict[str, Bound] = {}
        for part in _unquoted(text.strip()).split(","):
            bound = _bound(part.strip(), where)
            if bound.metric in bounds:
                allowed = f"{bounds[bound.metric]} stands there, too: a cost may have one bound"
                raise InvalidExperiment(where, str(bound), allowed)
            bounds[bound.metric] = bound
        return cls(tuple(bounds.values()))

    def __str__(self) -> str:
        return ", ".join(map(str, self.bounds))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The costs that are bounded."""
        return tuple(bound.metric for bound in self.bounds)

    def is_same(self, other: "Budget") -> bool:
        """Whether both allow the same, in whatever order."""
        return set(self.bounds) == set(other.bounds)

    def excess(self, costs: Mapping[str, float]) -> float:
        """How far costs are beyond, as shares of the bounds, added up; 0 within. What is not given counts for nothing.

        The violation of Deb's rule (Deb 2000, An efficient constraint handling method for genetic algorithms).
        """
        return math.fsum(
            max(0.0, costs[bound.metric] / bound.most - 1) for bound in self.bounds if bound.metric in costs
        )

    def is_met(self, costs: Mapping[str, float]) -> bool:
        """Whether every bounded cost is given and within."""
        return all(bound.metric in costs and costs[bound.metric] <= bound.most for bound in self.bounds)


def _unquoted(text: str) -> str:
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if is_quoted else text


def _bound(text: str, where: str) -> Bound:
    metric, sign, number = text.partition("<=")
    metric, number = metric.strip(), number.strip()
    if not sign:
        raise InvalidExperiment(where, text, f"<= is missing: {ALLOWED}")
    if not metric or re.search(r"[<>=\s]", metric):
        raise InvalidExperiment(where, text, f"no cost is named before <=: {ALLOWED}")
    if not _NUMBER.fullmatch(number) or not 0 < float(number) < math.inf:
        raise InvalidExperiment(where, number, f"{metric} must be bounded by a number above 0, such as 5e6")
    return Bound(metric, float(number))
