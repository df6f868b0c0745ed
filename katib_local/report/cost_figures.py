"""The objective against what networks cost: the front of both, the budget, and the best within it."""

from collections.abc import Iterator, Sequence

from katib_local.record import trials
from katib_local.report import plots
from katib_local.report.model import Report, TrialReport
from katib_local.report.plots import BLUE, GREEN, ORANGE, SKY, Figure

_FRONT = "front"
_KNOWN = ("Parameters", "MACs", "Latency-ms")
"""What our trials report."""

_WIDE = 20.0
"""Where the largest cost is more times the smallest, the axis is logarithmic."""

Point = tuple[TrialReport, float, float]
"""A trial, its cost, its objective."""


def draw(report: Report) -> Iterator[Figure]:
    """Draw a figure for each cost that two trials at least have reported, and that differs."""
    for cost in _costs(report):
        points = list(_points(report, cost))
        if len({value for _, value, _ in points}) > 1:
            yield _figure(report, cost, points)


def _costs(report: Report) -> Sequence[str]:
    named = [
        dict(report.settings).get(_FRONT, ""),
        *(report.objective.budget.metrics if report.objective.budget else ()),
    ]
    return [metric for metric in report.objective.additional_metrics if metric in (*named, *_KNOWN)]


def _points(report: Report, cost: str) -> Iterator[Point]:
    """Trials that were trained: of one beyond its budget only the cost is known."""
    for item in report.trials:
        value, objective = item.number(cost), item.number(report.objective.metric)
        if value is not None and objective is not None and item.trial.condition in trials.MEASURED:
            if trials.is_untrained(report.objective, item.trial):
                continue
            yield item, value, objective


def front(report: Report, points: Sequence[Point]) -> list[Point]:
    """Return the trials that no other betters in both, from cheap to dear; those within the budget, if there is one."""
    found: list[Point] = []
    sign = 1 if report.objective.is_better(1, 0) else -1
    within = [point for point in points if trials.is_within(report.objective, point[0].trial)]
    for point in sorted(within, key=lambda one: (one[1], -sign * one[2])):
        if not found or report.objective.is_better(point[2], found[-1][2]):
            found.append(point)
    return found


def _figure(report: Report, cost: str, points: Sequence[Point]) -> Figure:
    metric, best = report.objective.metric, report.best
    traces = [
        plots.trace(
            "trials",
            [value for _, value, _ in points],
            [objective for _, _, objective in points],
            mode="markers",
            marker={"color": SKY, "size": 9, "line": {"color": BLUE, "width": 1.5}},
            text=[plots.safe(item.trial.name) for item, _, _ in points],
        )
    ]
    steps = front(report, points)
    line = {"color": GREEN, "width": 2.5, "shape": "hv"}
    costs, objectives = [value for _, value, _ in steps], [objective for _, _, objective in steps]
    traces.append(plots.trace("front", costs, objectives, mode="lines+markers", line=line))
    if best is not None and (value := best.number(cost)) is not None and (worth := best.number(metric)) is not None:
        marker = {"color": ORANGE, "size": 15, "symbol": "star"}
        name = "best" if report.objective.budget is None else "best within the budget"
        traces.append(
            plots.trace(name, [value], [worth], mode="markers", marker=marker, text=[plots.safe(best.trial.name)])
        )
    bounds = report.objective.budget.bounds if report.objective.budget else ()
    for bound in bounds:
        if bound.metric == cost:
            heights = [objective for _, _, objective in points]
            dashed = {"color": ORANGE, "width": 1.5, "dash": "dash"}
            traces.append(
                plots.trace("budget", [bound.most] * 2, [min(heights), max(heights)], mode="lines", line=dashed)
            )
    layout = plots.layout(cost, metric)
    all_costs = [value for _, value, _ in points]
    if min(all_costs) > 0 and max(all_costs) > _WIDE * min(all_costs):
        layout["xaxis"]["type"] = "log"
    return plots.figure(f"cost-{cost}", f"{metric} against {cost}", traces, layout)
