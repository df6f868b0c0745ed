"""Plotly's figures of how a search went: objective, curves, controller, alphas."""

from collections.abc import Sequence

from katib_local.report import plots
from katib_local.report.model import AlphaHistory, Learned, Report, TrialReport
from katib_local.report.plots import BLUE, GREEN, ORANGE, PURPLE, SKY, Figure

_TOLD_APART = [(color, dash) for dash in ("solid", "dash") for color in (BLUE, GREEN, SKY, PURPLE)]
"""Lines of the trials beside the best; where there are more trials, they look alike, and only the best stands out."""

MAX_CURVES = 40
"""Trials whose curves are drawn into one figure, the best ones; more lines would tell nothing apart."""

MAX_BARS = 15
"""Decisions whose importance is drawn, and values that are told of each."""

_ROW_HEIGHT = 15
_LABEL_WIDTH = 210


def objective(report: Report) -> Figure | None:
    """Each trial's objective, and the best so far; None where fewer than two trials have a number."""
    metric = report.objective.metric
    measured = [(item, value) for item in report.trials if (value := item.number(metric)) is not None]
    if len(measured) < 2:
        return None
    best = report.best
    traces = [
        plots.trace(
            "trials",
            [item.trial.number for item, _ in measured],
            [value for _, value in measured],
            mode="markers",
            marker={"color": SKY, "size": 9, "line": {"color": BLUE, "width": 1.5}},
            text=[plots.safe(f"{item.trial.name} ({item.trial.condition.value})") for item, _ in measured],
        )
    ]
    so_far = report.best_so_far()
    if so_far:
        numbers, values = zip(*so_far, strict=True)
        line = {"color": ORANGE, "width": 2.5, "shape": "hv"}
        traces.append(plots.trace("best so far", numbers, values, mode="lines", line=line))
    if best is not None and (value := best.number(metric)) is not None:
        marker = {"color": ORANGE, "size": 15, "symbol": "star"}
        text = [plots.safe(best.trial.name)]
        traces.append(plots.trace("best", [best.trial.number], [value], mode="markers", marker=marker, text=text))
    layout = plots.layout("trial", metric)
    plots.count(layout["xaxis"], measured[0][0].trial.number, measured[-1][0].trial.number)
    goal = report.objective.goal
    if goal is not None:
        traces.append(_goal(goal, [item.trial.number for item, _ in measured]))
    return plots.figure("objective", f"{metric} of each trial, and the best so far", traces, layout)


def metric_curves(report: Report, metric: str) -> Figure | None:
    """What each trial reported of a metric over time; None where no trial reported it more than once."""
    drawn = [item for item in leading(report) if metric in item.curves]
    if not any(len(item.curves[metric]) > 1 for item in drawn):
        return None
    best = report.best
    # The best trial last, above the others.
    drawn.sort(key=lambda item: (item is best, item.trial.number))
    told_apart = len(drawn) <= len(_TOLD_APART)
    looks = _TOLD_APART if told_apart else [(SKY, "solid")] * len(drawn)
    traces = [
        _curve(item, item.curves[metric], ORANGE if item is best else color, dash, is_best=item is best)
        for item, (color, dash) in zip(drawn, looks, strict=False)
    ]
    layout = plots.layout("value reported", metric)
    plots.count(layout["xaxis"], 1, max(len(item.curves[metric]) for item in drawn))
    layout["showlegend"] = told_apart and len(drawn) > 1
    return plots.figure(f"curves-{metric}", f"{metric} over the time of each trial", traces, layout)


def leading(report: Report) -> list[TrialReport]:
    """Choose whose curves are drawn: `MAX_CURVES` of the trials that have any, the best of them and those that run."""
    having = [item for item in report.trials if item.curves]
    if len(having) <= MAX_CURVES:
        return having
    sign = 1 if report.objective.is_better(1, 0) else -1

    def rank(item: TrialReport) -> tuple[bool, float]:
        value = item.number(report.objective.metric)
        return (item.trial.finished is not None, float("inf") if value is None else -sign * value)

    return sorted(having, key=rank)[:MAX_CURVES]


def controller(report: Report) -> list[Figure]:
    """The controller's entropy and its skip rate over the trials that it learned from."""
    steps = report.controller
    if not steps:
        return []
    numbers = [step.num_trials for step in steps]
    found = []
    for name, label, values, color in (
        ("entropy", "entropy in nats", [step.entropy for step in steps], BLUE),
        ("skip-rate", "skip rate", [step.skip_rate for step in steps], GREEN),
    ):
        # Where there is no place for a join, the rate says nothing.
        if not any(values):
            continue
        trace = plots.trace(label, numbers, values, mode="lines+markers", line={"color": color, "width": 2.5})
        layout = plots.layout("trials learned from", label)
        plots.count(layout["xaxis"], numbers[0], numbers[-1])
        layout["showlegend"] = False
        found.append(plots.figure(name, f"The controller's {label}", [trace], layout))
    return found


def importance(report: Report) -> list[Figure]:
    """How much each kind of decision matters, and the decisions that matter most, with what is expected of them."""
    kinds: dict[str, float] = {}
    for one in report.learned:
        kinds[one.kind] = kinds.get(one.kind, 0.0) + one.importance
    # Where each decision is of a kind of its own, as plain parameters are, both would be the same.
    are_told = kinds.keys() != {one.name for one in report.learned}
    bars = [
        ("kinds", "Kinds of decisions", [(kind, share, "") for kind, share in kinds.items() if are_told]),
        ("decisions", "Decisions", [(one.name, one.importance, _expected(one)) for one in report.learned]),
    ]
    return [
        _bars(f"importance-{name}", f"{title} that matter most", sorted(rows, key=lambda row: -row[1])[:MAX_BARS])
        for name, title, rows in bars
        if rows
    ]


def _expected(learned: Learned) -> str:
    best_first = sorted(learned.expected.items(), key=lambda item: -item[1])
    return "".join(f"<br>{plots.safe(value)}: {expected:.4g}" for value, expected in best_first[:MAX_BARS])


def _bars(name: str, title: str, rows: Sequence[tuple[str, float, str]]) -> Figure:
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": [share for _, share, _ in rows],
        "y": [plots.safe(label) for label, _, _ in rows],
        "customdata": [more for _, _, more in rows],
        "marker": {"color": BLUE},
        "hovertemplate": "%{y}: %{x:.0%}%{customdata}<extra></extra>",
    }
    layout = plots.layout("share of what is expected to vary", "")
    layout["height"] = 90 + 2 * _ROW_HEIGHT * len(rows)
    layout["margin"] = plots.MARGIN | {"l": _LABEL_WIDTH}
    layout["xaxis"]["tickformat"] = ".0%"
    layout["yaxis"] |= {"autorange": "reversed", "dtick": 1}
    layout["showlegend"] = False
    return plots.figure(name, title, [trace], layout)


def alphas(history: AlphaHistory, trial: str) -> Figure:
    """A heat map: a row for each operation on each edge, a column for each epoch."""
    num_rows = len(history.choices)
    labels = [plots.safe(choice) for choice in history.choices]
    trace = {
        "type": "heatmap",
        "x": list(history.epochs),
        "y": labels,
        "z": [list(row) for row in history.weights],
        "colorscale": plots.SCALE,
        "colorbar": {"title": {"text": "weight"}, "thickness": 12, "outlinewidth": 0},
        "hovertemplate": "%{y}<br>epoch %{x}: %{z:.3f}<extra></extra>",
    }
    layout = plots.layout("epoch", "")
    layout["height"] = 90 + _ROW_HEIGHT * num_rows
    layout["margin"] = plots.MARGIN | {"l": _LABEL_WIDTH}
    layout["xaxis"]["showgrid"] = False
    plots.count(layout["xaxis"], history.epochs[0], history.epochs[-1])
    layout["yaxis"] |= {"autorange": "reversed", "tickfont": {"size": 10}, "dtick": 1, "showgrid": False}
    title = f"Weights of the operations in the {history.cell} cell of {trial}"
    return plots.figure(f"alphas-{trial}-{history.cell}", title, [trace], layout)


def small_layout() -> Figure:
    """Layout of one trial's curve of one metric, whose name the page puts on the y axis."""
    return plots.layout("value reported", "", height=220) | {"showlegend": False}


def _curve(item: TrialReport, values: Sequence[float], color: str, dash: str, *, is_best: bool) -> Figure:
    return plots.trace(
        f"{item.trial.name} (best)" if is_best else item.trial.name,
        range(1, len(values) + 1),
        values,
        mode="lines+markers" if len(values) <= 30 else "lines",
        line={"color": color, "dash": "solid" if is_best else dash, "width": 3 if is_best else 1.5},
        opacity=1 if is_best else 0.8,
    )


def _goal(goal: float, numbers: Sequence[int]) -> Figure:
    line = {"color": GREEN, "width": 1.5, "dash": "dash"}
    return plots.trace("goal", [min(numbers), max(numbers)], [goal, goal], mode="lines", line=line)
