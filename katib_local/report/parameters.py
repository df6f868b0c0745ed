"""Plotly's figures of a search over plain parameters: all of them together, and what the values of each came to."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from katib_local.manifest.experiment import ParameterSpec
from katib_local.record import collector
from katib_local.report import plots
from katib_local.report.model import Report, TrialReport
from katib_local.report.plots import BLUE, ORANGE, SKY, Figure

_NUM_SHADES = 10
"""Groups of about as many trials each, from the worst to the best, whose lines look alike."""

_MAX_NAMED = 12
"""Texts of a parameter that stand beside its axis; more would stand on each other."""

_AXIS_WIDTH = 96
"""In pixels, where there are so many parameters that they do not fit the page."""

_SLICE_HEIGHT = 250


@dataclass(frozen=True, slots=True)
class _Axis:
    """A parameter, or the objective, as one of several axes side by side: 0 is its lower end, 1 the upper one."""

    name: str
    texts: tuple[str, ...]
    """Of a parameter whose values are no numbers, from below; none for numbers."""
    low: float = 0.0
    high: float = 1.0
    is_logarithmic: bool = False

    @classmethod
    def of(cls, parameter: ParameterSpec) -> "_Axis":
        """The axis of a parameter."""
        listed = [collector.number(text) for text in parameter.values]
        ends = [collector.number(text) for text in (parameter.minimum, parameter.maximum)]
        numbers = [number for number in (listed or ends) if number is not None and math.isfinite(number)]
        if len(numbers) < max(1, len(parameter.values)):
            return cls(parameter.name, parameter.values)
        is_logarithmic = parameter.distribution.startswith("log") and min(numbers) > 0
        return cls(parameter.name, (), min(numbers), max(numbers), is_logarithmic)

    def place(self, text: str) -> float | None:
        """Where a value stands; None where it is none of the parameter's."""
        if self.texts:
            return self.texts.index(text) / max(1, len(self.texts) - 1) if text in self.texts else None
        value = collector.number(text)
        if value is None or not self.low <= value <= self.high:
            return None
        if self.low == self.high:
            return 0.5
        low, high, value = (math.log(one) if self.is_logarithmic else one for one in (self.low, self.high, value))
        return (value - low) / (high - low)

    @property
    def marks(self) -> list[tuple[float, str]]:
        """Places with their texts."""
        if not self.texts:
            return [(place, f"{number:.4g}") for place, number in ((0.0, self.low), (1.0, self.high))]
        last = len(self.texts) - 1
        shown = range(len(self.texts)) if last < _MAX_NAMED else (0, last)
        return [(place / max(1, last), self.texts[place]) for place in shown]


def parallel(report: Report) -> Figure | None:
    """A line through the values of each trial and its objective; None where there are not two of either."""
    measured = _measured(report)
    axes = [_Axis.of(parameter) for parameter in report.parameters]
    if len(measured) < 2 or len(axes) < 2:
        return None
    values = [value for _, value in measured]
    axes.append(_Axis(report.objective.metric, (), min(values), max(values)))
    sign = 1 if report.objective.is_better(1, 0) else -1
    ordered = sorted(measured, key=lambda pair: sign * pair[1])
    shade_size = math.ceil(len(ordered) / _NUM_SHADES)
    traces = [
        _lines(report, axes, ordered[start : start + shade_size], start / max(1, len(ordered) - shade_size))
        for start in range(0, len(ordered), shade_size)
    ]
    best = report.best
    if best is not None and (value := best.number(report.objective.metric)) is not None:
        traces.append(_lines(report, axes, [(best, value)], None))
    layout = plots.layout("", "", height=380)
    layout["showlegend"] = False
    names = [plots.safe(axis.name) for axis in axes]
    layout["xaxis"] |= {"tickvals": list(range(len(axes))), "ticktext": names, "range": [-0.3, len(axes) - 0.6]}
    layout["yaxis"] |= {"visible": False, "range": [-0.08, 1.08]}
    layout["margin"] = plots.MARGIN | {"l": 16, "b": 64}
    layout["annotations"] = [_mark(place, *mark) for place, axis in enumerate(axes) for mark in axis.marks]
    if len(axes) > _MAX_NAMED:
        layout["width"] = _AXIS_WIDTH * len(axes)
    return plots.figure("parallel", "The values of each trial, and what it came to", traces, layout)


def slices(report: Report) -> list[Figure]:
    """For each parameter, its value in each trial and what that came to."""
    measured = _measured(report)
    if len(measured) < 2:
        return []
    return [_slice(report, _Axis.of(parameter), measured) for parameter in report.parameters]


def _slice(report: Report, axis: _Axis, measured: Sequence[tuple[TrialReport, float]]) -> Figure:
    drawn = [
        (item, _shown(axis, text), value)
        for item, value in measured
        if axis.place(text := item.trial.assignments[axis.name]) is not None
    ]
    layout = plots.layout(axis.name, report.objective.metric, height=_SLICE_HEIGHT)
    layout["showlegend"] = False
    if axis.texts:
        texts = [plots.safe(text) for text in axis.texts]
        layout["xaxis"] |= {"type": "category", "categoryorder": "array", "categoryarray": texts}
    elif axis.is_logarithmic:
        ticks = _powers_of_ten(axis.low, axis.high)
        layout["xaxis"] |= {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}
    best, mean = report.best, _means(axis, drawn)
    traces = [
        _points([one for one in drawn if one[0] is not best], "trials", {"color": SKY, "size": 8}),
        plots.trace("mean", list(mean), list(mean.values()), mode="lines", line={"color": BLUE, "width": 1.5}),
        _points([one for one in drawn if one[0] is best], "best", {"color": ORANGE, "size": 13, "symbol": "star"}),
    ]
    return plots.figure(f"slice-{axis.name}", axis.name, traces, layout)


def _powers_of_ten(low: float, high: float) -> list[float]:
    """Those from one number to another; where there are not two of them, the numbers themselves."""
    # Rounding apart: the logarithm of a power of ten may be less than a whole number by the last bit.
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    return [float(f"1e{power}") for power in range(first, last + 1)] if last > first else [low, high]


def _means(axis: _Axis, drawn: Sequence[tuple[TrialReport, float | str, float]]) -> dict[float | str, float]:
    """What the trials of each value came to, in the order of the values."""
    found: dict[float | str, list[float]] = defaultdict(list)
    for _, shown, value in sorted(drawn, key=lambda one: axis.place(one[0].trial.assignments[axis.name]) or 0):
        found[shown].append(value)
    return {shown: sum(values) / len(values) for shown, values in found.items()}


def _measured(report: Report) -> list[tuple[TrialReport, float]]:
    """Trials with a number for their objective, and a value of each parameter."""
    names = {parameter.name for parameter in report.parameters}
    return [
        (item, value)
        for item in report.trials
        if (value := item.number(report.objective.metric)) is not None and names <= item.trial.assignments.keys()
    ]


def _lines(
    report: Report, axes: Sequence[_Axis], trials: Sequence[tuple[TrialReport, float]], share: float | None
) -> Figure:
    """Lines that look alike, as one trace with gaps: of the best trial where there is no share of the others."""
    x: list[int | None] = []
    y: list[float | None] = []
    text: list[str] = []
    for item, value in trials:
        texts = [*(item.trial.assignments[axis.name] for axis in axes[:-1]), repr(value)]
        x += [*range(len(axes)), None]
        y += [*(axis.place(one) for axis, one in zip(axes, texts, strict=True)), None]
        text += [
            *(plots.safe(f"{item.trial.name}: {axis.name} {one}") for axis, one in zip(axes, texts, strict=True)),
            "",
        ]
    style = {"width": 3, "color": ORANGE} if share is None else {"width": 1.2, "color": _shade(share)}
    name = "best" if share is None else report.objective.metric
    opacity = 1 if share is None else 0.75
    return plots.trace(
        name, x, y, mode="lines+markers", line=style, marker={"size": 4}, text=text, hoverinfo="text", opacity=opacity
    )


def _shade(share: float) -> str:
    """From a dark blue, for 0, to a bright yellow, for 1: cividis's ends, and what is between them."""
    dark, bright = (0, 34, 78), (253, 231, 55)
    red, green, blue = (round(low + share * (high - low)) for low, high in zip(dark, bright, strict=True))
    return f"rgb({red},{green},{blue})"


def _mark(place: int, height: float, text: str) -> Figure:
    """A value beside an axis, to its right."""
    font = {"size": 10}
    return {
        "x": place,
        "y": height,
        "text": plots.safe(text),
        "showarrow": False,
        "xanchor": "left",
        "xshift": 5,
        "font": font,
    }


def _points(drawn: Sequence[tuple[TrialReport, float | str, float]], name: str, marker: Figure) -> Figure:
    return plots.trace(
        name,
        [shown for _, shown, _ in drawn],
        [value for _, _, value in drawn],
        mode="markers",
        marker=marker,
        text=[plots.safe(item.trial.name) for item, _, _ in drawn],
    )


def _shown(axis: _Axis, text: str) -> float | str:
    """A value as plotly takes it."""
    number = None if axis.texts else collector.number(text)
    return plots.safe(text) if number is None else number
