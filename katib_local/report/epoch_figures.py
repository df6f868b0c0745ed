"""Plotly's figures of what a trial's trainer noted of its epochs."""

from katib_local.report import epochs, plots
from katib_local.report.model import TrialReport
from katib_local.report.plots import BLUE, GREEN, ORANGE, PURPLE, Figure

_COLORS = (BLUE, ORANGE, GREEN, PURPLE)
_MANY = 30
"""Epochs that are not marked one by one."""
_UNITS = {"entropy": "entropy in nats", "skips": "skip connections"}


def draw(item: TrialReport) -> list[Figure]:
    """Draw a figure for each kind of number, such as the losses; none where there are no two epochs."""
    return [figure for kind in epochs.SHOWN if (figure := _of_kind(item, kind))]


def _of_kind(item: TrialReport, kind: str) -> Figure | None:
    columns = {name: values for name, values in item.epochs.items() if name.rpartition("_")[2] == kind}
    num_epochs = max(map(len, columns.values()), default=0)
    if num_epochs < 2:
        return None
    traces = [
        plots.trace(
            name.rpartition("_")[0] or name,
            range(1, len(values) + 1),
            values,
            mode="lines+markers" if len(values) <= _MANY else "lines",
            line={"color": color, "width": 2},
        )
        for (name, values), color in zip(columns.items(), _COLORS, strict=False)
    ]
    layout = plots.layout("epoch", _UNITS.get(kind, kind))
    plots.count(layout["xaxis"], 1, num_epochs)
    layout["showlegend"] = True
    return plots.figure(f"epochs-{item.trial.name}-{kind}", f"{kind.capitalize()} of each epoch", traces, layout)
