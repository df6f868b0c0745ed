"""Plotly's figures that only the dashboard has: one trial's curves, and experiments side by side."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from katib_local.report import epoch_figures, figures, plots
from katib_local.report.model import Report, TrialReport
from katib_local.report.plots import BLUE, GREEN, ORANGE, PURPLE, SKY, Figure

_COLORS = (BLUE, ORANGE, GREEN, PURPLE, SKY)
MOST_COMPARED = len(_COLORS)
"""Experiments whose lines one can tell apart."""

_MANY = 30
"""Values that are not marked one by one."""


def of_trial(item: TrialReport) -> list[Figure]:
    """Draw what a trial reported over time, what its trainer noted of its epochs, and its alphas."""
    curves = [_curve(metric, values) for metric, values in item.curves.items() if len(values) > 1]
    return [
        *curves,
        *epoch_figures.draw(item),
        *(figures.alphas(history, item.trial.name) for history in item.alphas),
    ]


def _curve(metric: str, values: Sequence[float]) -> Figure:
    line = {"color": BLUE, "width": 2}
    mode = "lines+markers" if len(values) <= _MANY else "lines"
    layout = plots.layout("value reported", metric, height=260) | {"showlegend": False}
    plots.count(layout["xaxis"], 1, len(values))
    trace = plots.trace(metric, range(1, len(values) + 1), values, mode=mode, line=line)
    return plots.figure(f"curve-{metric}", f"{metric} over the time of the trial", [trace], layout)


def compared(reports: Mapping[str, Report]) -> list[Figure]:
    """Draw the best so far of several experiments: together where they are after the same metric in the same way.

    Args:
        reports: of at most `MOST_COMPARED`, by what they are called.
    """
    together: dict[tuple[str, str], list[tuple[str, Report, str]]] = defaultdict(list)
    for (name, report), color in zip(reports.items(), _COLORS, strict=False):
        objective = report.objective
        together[objective.metric, objective.direction.value].append((name, report, color))
    return [_best_so_far(metric, direction, group) for (metric, direction), group in together.items()]


def _best_so_far(metric: str, direction: str, group: Sequence[tuple[str, Report, str]]) -> Figure:
    traces = []
    last = 1
    for name, report, color in group:
        points = report.best_so_far()
        tried = [(item.trial.number, value) for item in report.trials if (value := item.number(metric)) is not None]
        marker = {"color": color, "size": 5, "opacity": 0.35}
        traces.append(
            plots.trace(
                f"{name}: trials",
                [number for number, _ in tried],
                [value for _, value in tried],
                mode="markers",
                marker=marker,
                showlegend=False,
            )
        )
        line = {"color": color, "width": 2.5, "shape": "hv"}
        traces.append(
            plots.trace(name, [number for number, _ in points], [value for _, value in points], mode="lines", line=line)
        )
        last = max([last, *(number for number, _ in tried)])
    layout = plots.layout("trial", metric, height=420)
    layout["showlegend"] = True
    plots.count(layout["xaxis"], 1, last)
    return plots.figure(f"compared-{direction}-{metric}", f"Best {metric} so far ({direction})", traces, layout)
