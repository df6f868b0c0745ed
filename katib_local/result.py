"""What a run found, for Python: its trials, as a table of pandas, as figures of plotly, and as pictures."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from katib_local.record import collector
from katib_local.record.kept_runs import KeptRun
from katib_local.report import figures, pictures, plots, read_run
from katib_local.report.model import Report, TrialReport
from katib_local.showing.wording import counts
from katib_suggestion.experiment import TrialCondition
from katib_suggestion.files.user_paths import user_path

if TYPE_CHECKING:
    import pandas
    import plotly.graph_objects

_LEGIBLE_WIDTH = 800

_NUMBERS = ("double", "int", "discrete")
"""Types of parameters whose values are numbers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A drawn architecture; a notebook shows it."""

    svg: str = field(repr=False)

    def save(self, path: str | Path) -> None:
        """Write it as an SVG file."""
        user_path(path).write_text(self.svg, encoding="utf-8")

    def _repr_html_(self) -> str:
        # A wide one shrinks to the page, but not until nobody can read it.
        width = next(iter(re.findall(r' width="([0-9]+)', self.svg)), "0")
        style = f"max-width: 100%; min-width: {min(int(width), _LEGIBLE_WIDTH)}px; height: auto"
        drawn = self.svg.replace("<svg ", f'<svg style="{style}" ', 1)
        return f'<div style="overflow-x: auto">{drawn}</div>'

    def _repr_svg_(self) -> str:
        return self.svg


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialResult:
    """One trial."""

    name: str
    number: int
    """Counts from 1 in the order of the suggestions."""
    condition: TrialCondition
    reason: str
    """Why it failed, was stopped early, or has no metrics."""
    assignments: Mapping[str, str]
    """What the service suggested, word for word."""
    metrics: Mapping[str, float | str]
    """One value a metric, by its strategy; a text where it is no number, such as a genotype. Empty if not measured."""
    curves: Mapping[str, tuple[float, ...]]
    """The numbers of each metric, in the order reported."""
    started: datetime | None
    seconds: float | None
    """How long it took; None where it has not ended."""
    folder: Path
    """What it printed is in its ``output.log``, what it wrote for keeps in ``artifacts``."""
    picture: Picture | None
    """Of its architecture; None where there is none that can be drawn."""


class Run:
    """A run of an Experiment, as it stood when it was read; a notebook shows its best trial."""

    def __init__(self, kept: KeptRun) -> None:
        self._kept = kept
        self._report: Report = read_run.of(kept)

    @property
    def name(self) -> str:
        """The Experiment's."""
        return self._report.name

    @property
    def state(self) -> str:
        """How far it has come, in words."""
        return self._report.state

    @property
    def folder(self) -> Path:
        """Where all of it is."""
        return self._kept.folder.path

    @property
    def page(self) -> Path:
        """The report, an HTML file."""
        return self._kept.folder.report

    @property
    def settings(self) -> Mapping[str, str]:
        """Of the algorithm."""
        return dict(self._report.settings)

    @property
    def versions(self) -> Mapping[str, str]:
        """Of what the run was started with, by name."""
        return self._report.versions

    @property
    def metric(self) -> str:
        """The objective's."""
        return self._report.objective.metric

    @cached_property
    def trials(self) -> tuple[TrialResult, ...]:
        """Every trial, in the order of the suggestions."""
        return tuple(self._trial(item) for item in self._report.trials)

    @property
    def best(self) -> TrialResult | None:
        """The best trial; None where none has a usable objective."""
        best = self._report.best
        return None if best is None else next(item for item in self.trials if item.number == best.trial.number)

    def to_frame(self) -> "pandas.DataFrame":
        """Return the trials as a table, a row each under its name: condition, metrics, times, what was suggested.

        Raises:
            ImportError: pandas is not installed.
        """
        numbers = {item.name for item in self._kept.experiment.parameters if item.type in _NUMBERS}
        rows = [
            {
                "trial": item.name,
                "condition": item.condition.value,
                **{metric: item.metrics.get(metric) for metric in self._report.objective.metrics},
                "started": item.started,
                "seconds": item.seconds,
                **{name: _value(text) if name in numbers else text for name, text in item.assignments.items()},
            }
            for item in self.trials
        ]
        columns = ["trial", "condition", *self._report.objective.metrics, "started", "seconds"]
        return _pandas().DataFrame(rows, columns=None if rows else columns).set_index("trial")

    def curves_to_frame(self) -> "pandas.DataFrame":
        """Return every number that was reported, a row each: trial, metric, step (from 1), value.

        Raises:
            ImportError: pandas is not installed.
        """
        rows = [
            (item.name, metric, step, value)
            for item in self.trials
            for metric, values in item.curves.items()
            for step, value in enumerate(values, start=1)
        ]
        return _pandas().DataFrame(rows, columns=["trial", "metric", "step", "value"])

    def objective_figure(self) -> "plotly.graph_objects.Figure | None":
        """Draw each trial's objective, and the best so far; None where fewer than two trials have a number."""
        return _figure(figures.objective(self._report))

    def curves_figure(self, metric: str | None = None) -> "plotly.graph_objects.Figure | None":
        """Draw what each trial reported of a metric, the objective's if none is named; None where there are no curves.

        Raises:
            ValueError: the Experiment has no such metric.
        """
        metrics = self._report.objective.metrics
        if metric is not None and metric not in metrics:
            raise ValueError(f"metric: {metric!r} is not allowed: it must be one of {', '.join(metrics)}")
        return _figure(figures.metric_curves(self._report, metric or metrics[0]))

    def controller_figures(self) -> "list[plotly.graph_objects.Figure]":
        """Draw the entropy and the skip rate of the ENAS controller; none where it has left no history."""
        return [_figure(figure) for figure in figures.controller(self._report)]

    def alphas_figures(self) -> "list[plotly.graph_objects.Figure]":
        """Draw how the weights of the operations moved in each kind of cell of each DARTS trial."""
        return [
            _figure(figures.alphas(history, item.trial.name)) for item in self._report.trials for history in item.alphas
        ]

    def __repr__(self) -> str:
        best = self.best
        leader = "" if best is None else f", best {best.metrics[self.metric]} of {best.name}"
        return f"<Run of {self.name}: {self.state}, {counts(self._kept.trials)}{leader}>"

    def _repr_html_(self) -> str:
        parts = [f"<p><strong>{_safe(self.name)}</strong>: {_safe(self.state)} ({counts(self._kept.trials)})</p>"]
        best = self.best
        if best is not None:
            values = "".join(
                f"<tr><th style='text-align: left'>{_safe(metric)}</th><td>{_safe(str(value))}</td></tr>"
                for metric, value in best.metrics.items()
            )
            parts.append(f"<p>Best trial: {_safe(best.name)}</p><table>{values}</table>")
            if best.picture is not None:
                parts.append(best.picture._repr_html_())
        return "\n".join(parts)

    def _trial(self, item: TrialReport) -> TrialResult:
        trial = item.trial
        drawn = pictures.draw(trial)
        return TrialResult(
            name=trial.name,
            number=trial.number,
            condition=trial.condition,
            reason=trial.reason,
            assignments=trial.assignments,
            metrics={
                metric: _value(text)
                for metric, text in (trial.observation or {}).items()
                if text not in ("", collector.UNAVAILABLE)
            },
            curves=item.curves,
            started=trial.started,
            seconds=item.seconds,
            folder=self._kept.folder.trial(trial.name),
            picture=None if drawn is None else Picture(svg=str(drawn)),
        )


def _figure(drawn: plots.Figure | None) -> Any:
    """Make plotly's own figure, which a notebook shows; the report's takes colours and title from its page."""
    if drawn is None:
        return None
    from plotly.graph_objects import Figure  # a second that nobody who draws nothing should pay

    theirs = ("paper_bgcolor", "plot_bgcolor", "legend", "font")
    layout = {name: value for name, value in drawn["layout"].items() if name not in theirs}
    layout["margin"] = drawn["layout"]["margin"] | {"t": 60}
    layout["height"] += 40
    layout["title"] = {"text": html.escape(drawn["title"], quote=False), "font": {"size": 16}}
    return Figure(data=drawn["data"], layout={**layout, "template": "plotly_white"})


def _value(text: str) -> float | str:
    number = collector.number(text)
    return text if number is None else number


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        message = "a frame needs pandas, which is not installed: pip install pandas, or 'katib-nas[notebook]'"
        raise ImportError(message, name="pandas") from error
    return pandas


def _safe(text: str) -> str:
    return html.escape(text)
