"""The report as one HTML file that needs nothing else, and no network."""

import base64
import gzip
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from katib_local.record import collector
from katib_local.report import figures, parameters, pictures
from katib_local.report.model import Report, TrialReport
from katib_local.report.plots import Figure
from katib_local.showing.wording import counts, duration

MAX_CHARACTERS = 28
"""Longest text in a cell of the table; the rest is among the trial's details."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """Figures under a heading."""

    title: str
    note: str
    figures: tuple[Figure, ...]
    is_grid: bool = False
    """Whether they are small, and stand side by side where there is room."""


def write(report: Report, path: Path) -> None:
    """Write the page; whoever reads the file meanwhile finds the page before it, whole.

    Raises:
        OSError: the file cannot be written.
    """
    text = render(report)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", errors="replace", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        try:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def render(report: Report) -> str:
    """Return the page."""
    sections = list(_sections(report))
    best = report.best
    details = {item.trial.number: _details(item) for item in report.trials}
    return _template().render(
        report=report,
        best=best,
        best_picture=best and pictures.draw(best.trial),
        counts=counts([item.trial for item in report.trials]),
        sections=sections,
        figures={figure["name"]: figure for section in sections for figure in section.figures},
        metrics=report.objective.metrics,
        columns=[parameter.name for parameter in report.parameters],
        pictured={number for number, detail in details.items() if detail["picture"]},
        details=_packed(json.dumps({"trials": details, "layout": figures.small_layout()})),
        plotly=_plotly(),
        style=_file("report.css"),
        script=_file("report.js"),
    )


def _sections(report: Report) -> Iterator[Section]:
    objective = figures.objective(report)
    if objective is not None:
        yield Section(title="Objective over trials", note="", figures=(objective,))
    together = parameters.parallel(report)
    if together is not None:
        note = "A line is a trial: the brighter, the better, and the best in orange."
        yield Section(title="Parameters together", note=note, figures=(together,))
    slices = parameters.slices(report)
    if slices:
        note = "A point is a trial; the line is the mean of those with the same value."
        yield Section(title="What the values came to", note=note, figures=tuple(slices), is_grid=True)
    drawn = [figure for metric in report.objective.metrics if (figure := figures.metric_curves(report, metric))]
    if drawn:
        num_trials = sum(bool(item.curves) for item in report.trials)
        is_cut = num_trials > figures.MAX_CURVES
        note = f"The {figures.MAX_CURVES} best of {num_trials} trials; each trial's own are below, at Details."
        yield Section(title="Each trial over time", note=note if is_cut else "", figures=tuple(drawn))
    controller = figures.controller(report)
    if controller:
        note = "Low entropy: the controller has made up its mind."
        if len(controller) > 1:
            note += " The skip rate is its mean probability of a join."
        yield Section(title="Controller", note=note, figures=tuple(controller))
    learned = figures.importance(report)
    if learned:
        note = "By the model that proposes trials. Point at a bar for the objective that it expects of each value."
        yield Section(title="What matters", note=note, figures=tuple(learned))
    for item in report.trials:
        if item.alphas:
            maps = tuple(figures.alphas(history, item.trial.name) for history in item.alphas)
            note = "One row for each operation on each edge: how much of the edge's mixture it is after each epoch."
            yield Section(title=f"Alphas of {item.trial.name}", note=note, figures=maps)


def _details(item: TrialReport) -> dict[str, Any]:
    """What is shown of a trial on demand."""
    long = {name: text for name, text in (item.trial.observation or {}).items() if len(text) > MAX_CHARACTERS}
    reason = {"reason": item.trial.reason} if len(item.trial.reason) > MAX_CHARACTERS else {}
    return {
        "name": item.trial.name,
        "texts": {**item.trial.assignments, **long, **reason},
        "curves": {name: values for name, values in item.curves.items() if len(values) > 1},
        "picture": pictures.draw(item.trial),
    }


def _packed(text: str) -> str:
    """Compress what only the script reads; a thousand pictures become as small as one."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("katib_local.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["short"] = _short
    environment.filters["number"] = collector.number
    environment.filters["moment"] = _moment
    environment.filters["seconds"] = _seconds
    return environment.get_template("report.html")


@cache
def _plotly() -> str:
    """Plotly's script, which its package ships."""
    from plotly.offline import get_plotlyjs  # half a second that no other command should pay

    return _packed(get_plotlyjs())


@cache
def _file(name: str) -> Markup:
    text = (resources.files("katib_local.report") / "templates" / name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704 - a file of ours


def _short(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 1]}…"


def _moment(time: datetime | None) -> str:
    return "" if time is None else f"{time.astimezone():%Y-%m-%d %H:%M:%S %Z}"


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else duration(seconds)
