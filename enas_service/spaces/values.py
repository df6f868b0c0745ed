"""Which values a plain parameter is a choice among, as the texts of its assignments.

Numbers are spelled as Katib's own services spell them, which is as Python does: ``3``, ``0.025``, ``1e-05``; what a
parameter lists stays as it was given. Numbers stand from small to large.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from statistics import NormalDist

from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.experiment import Distribution, Parameter, ParameterType
from katib_suggestion.parsing.feasible_space import Range, check_text, listed, ranged

MAX_VALUES = 100
"""Most values of a parameter."""

NUM_MADE = 16
"""Values that are made of a range that has no end of them, or too many."""

_LOGARITHMIC = (Distribution.LOG_UNIFORM, Distribution.LOG_NORMAL)
_NORMAL = (Distribution.NORMAL, Distribution.LOG_NORMAL)

_IN_WORDS = {
    Distribution.UNIFORM: "even",
    Distribution.LOG_UNIFORM: "even in the logarithm",
    Distribution.NORMAL: "at quantiles of the normal distribution",
    Distribution.LOG_NORMAL: "at quantiles of the log-normal distribution",
}


@dataclass(frozen=True, slots=True)
class Values:
    """The texts of a parameter's values, and what its feasible space does not say of them."""

    texts: tuple[str, ...]
    note: str = ""


def of(parameter: Parameter, where: str) -> Values:
    """List the values of a parameter: all of them, or `NUM_MADE` of a range that has more than `MAX_VALUES`.

    Args:
        parameter: of any of the four types.
        where: where its feasible space stands in the experiment, for errors.

    Raises:
        InvalidExperiment: the space is none, lists too many values, or has a step that makes too many.
    """
    if parameter.type in (ParameterType.CATEGORICAL, ParameterType.DISCRETE):
        return _listed(parameter, where)
    space = ranged(parameter, where)
    width = space.maximum - space.minimum
    if space.step is None or width / space.step >= MAX_VALUES:
        return _made(parameter, space, where)
    kind = int if parameter.type is ParameterType.INT else float
    texts = tuple(str(kind(space.minimum + index * space.step)) for index in range(int(width // space.step) + 1))
    return Values(texts, _alike(parameter))


def _listed(parameter: Parameter, where: str) -> Values:
    texts = listed(parameter, where, MAX_VALUES)
    for text in texts:
        check_text(text, f"{where}.list")
    if parameter.type is ParameterType.DISCRETE:
        texts = tuple(sorted(texts, key=Decimal))
    return Values(texts, _alike(parameter))


def _alike(parameter: Parameter) -> str:
    if parameter.distribution is Distribution.UNIFORM:
        return ""
    return f"each of its values is as likely at first as any other, whatever {parameter.distribution.value} says"


def _made(parameter: Parameter, space: Range, where: str) -> Values:
    if parameter.type is ParameterType.DOUBLE and space.step is not None:
        allowed = f"it makes more than {MAX_VALUES} values; without a step, {NUM_MADE} are made of the range"
        raise InvalidExperiment(f"{where}.step", parameter.step, allowed)
    if parameter.distribution in _LOGARITHMIC and space.minimum <= 0:
        allowed = f"it must be > 0 where the distribution is {parameter.distribution.value}"
        raise InvalidExperiment(f"{where}.min", parameter.minimum, allowed)
    points = _points(float(space.minimum), float(space.maximum), parameter.distribution)
    if space.step is None:
        numbers: Sequence[float] = _rounded(points, float(space.minimum), float(space.maximum))
    else:
        first, step = int(space.minimum), int(space.step)
        last = (int(space.maximum) - first) // step
        numbers = [first + min(last, round((point - first) / step)) * step for point in points]
    texts = tuple(dict.fromkeys(str(number) for number in numbers))
    how = _IN_WORDS[parameter.distribution]
    return Values(texts, f"of its range these are tried, {how}: {', '.join(texts)}")


def _points(minimum: float, maximum: float, distribution: Distribution) -> list[float]:
    """Different numbers of a range, from small to large.

    A normal distribution has its mean in the middle of the range, which is six standard deviations wide, as Katib's
    services have it; so has the logarithm of a log-normal one.
    """
    if distribution in _NORMAL:
        normal = NormalDist(1 / 2, 1 / 6)
        shares = [normal.inv_cdf((place + 1 / 2) / NUM_MADE) for place in range(NUM_MADE)]
    else:
        shares = [place / (NUM_MADE - 1) for place in range(NUM_MADE)]
    if distribution in _LOGARITHMIC:
        low, high = math.log(minimum), math.log(maximum)
        inner = [math.exp(low + share * (high - low)) for share in shares]
    else:
        inner = [minimum + share * (maximum - minimum) for share in shares]
    # What is computed may miss the ends by a rounding, to either side.
    ends = {0.0: minimum, 1.0: maximum}
    exact = (ends.get(share, min(maximum, max(minimum, point))) for share, point in zip(shares, inner, strict=True))
    return sorted(set(exact))


def _rounded(points: Sequence[float], *ends: float) -> list[float]:
    """Numbers, but for the ends of their range, to a hundredth of the distance to their nearest neighbour.

    A reader need not see 0.011333333333333334.
    """
    if len(points) == 1:
        return list(points)
    gaps = [after - before for before, after in pairwise(points)]
    rounded = []
    for point, gap in zip(points, map(min, [gaps[0], *gaps], [*gaps, gaps[-1]]), strict=True):
        digits = 2 - math.floor(math.log10(gap))
        # Never a negative zero.
        rounded.append(point if point in ends else round(point, digits) + 0.0)
    return rounded
