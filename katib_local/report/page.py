"""The report as one HTML file that needs nothing else, and no network."""

import base64
import gzip
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from katib_local.record import collector
from katib_local.record.trials import FAILURES, Trial
from katib_local.report import cost_figures, epoch_figures, figures, parameters, pictures
from katib_local.report.model import Report, TrialReport
from katib_local.report.plots import Figure
from katib_local.showing.wording import counts, duration, in_words
from katib_suggestion.files import durable_files

MAX_CHARACTERS = 28
"""Longest text in a cell of the table; the rest is among the trial's details."""

SCRIPTS = ("plots.js", "rows.js")
"""What any page with the content needs beside plotly: the drawing of its figures, its table's sorting and filter."""

MAX_NOTED = 3
"""Trials whose epochs are drawn; of more of them, the best trial's alone."""


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
    text = render(report, path.parent)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", errors="replace", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        try:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            durable_files.publish(Path(file.name), path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def render(report: Report, folder: Path | None = None) -> str:
    """Return the page.

    Args:
        report: what it shows.
        folder: that the page goes to, so that it leads to files beside it; None where nobody knows.
    """
    details = {item.trial.number: _details(item) for item in report.trials}
    shown = _shown(report)
    return _template("report.html").render(
        **shown,
        trial_address=None,
        logs={item.trial.number: _link(item.log, folder) for item in report.trials if item.log is not None},
        pictured={number for number, detail in details.items() if detail["picture"]},
        details=_packed(json.dumps({"trials": details, "layout": figures.small_layout()})),
        plotly=_packed_plotly(),
        style=asset("report.css"),
        script=Markup("\n").join(asset(name) for name in (*SCRIPTS, "report.js")),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """What a page that somebody else frames shows of an experiment."""

    html: Markup
    figures: Mapping[str, Figure]
    """By the names of the places in it that they are drawn into."""


def content(report: Report, trial_address: Callable[[Trial], str]) -> Content:
    """Return what `render` shows, without what a trial's details are: these are pages of their own.

    Args:
        report: what it shows.
        trial_address: of the page of a trial.
    """
    shown = _shown(report)
    html = _template("content.html").render(**shown, logs={}, trial_address=trial_address)
    return Content(html=Markup(html), figures=shown["figures"])  # noqa: S704 - of a template that escapes


def _shown(report: Report) -> dict[str, Any]:
    """What the template of the content takes."""
    sections = list(_sections(report))
    best = report.best
    return {
        "report": report,
        "best": best,
        "best_picture": best and pictures.draw(best.trial),
        "counts": counts([item.trial for item in report.trials], is_interrupted=report.is_interrupted),
        "conditions": {
            item.trial.number: in_words(item.trial.condition, is_interrupted=report.is_interrupted)
            for item in report.trials
        },
        "failures": FAILURES,
        "sections": sections,
        "figures": {figure["name"]: figure for section in sections for figure in section.figures},
        "metrics": report.objective.metrics,
        "columns": [parameter.name for parameter in report.parameters],
    }


def _sections(report: Report) -> Iterator[Section]:
    objective = figures.objective(report)
    if objective is not None:
        yield Section(title="Objective over trials", note="", figures=(objective,))
    costs = tuple(cost_figures.draw(report))
    if costs:
        note = "The front: trials that no other betters in both."
        yield Section(title="What it costs", note=note, figures=costs)
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
    for item in _with_epochs(report):
        yield Section(
            title=f"Epochs of {item.trial.name}", note=" ".join(item.remarks), figures=tuple(epoch_figures.draw(item))
        )
    for item in report.trials:
        if item.alphas:
            maps = tuple(figures.alphas(history, item.trial.name) for history in item.alphas)
            note = "One row for each operation on each edge: how much of the edge's mixture it is after each epoch."
            yield Section(title=f"Alphas of {item.trial.name}", note=note, figures=maps)


def _with_epochs(report: Report) -> list[TrialReport]:
    """Trials whose epochs are drawn: all, or of many the best; and those whose trainer has found something wrong."""
    having = [item for item in report.trials if item.epochs or item.remarks]
    best = report.best
    few = having if len(having) <= MAX_NOTED else [item for item in having if item is best]
    return [item for item in few if item.remarks or epoch_figures.draw(item)]


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


def _link(file: Path, folder: Path | None) -> str:
    """Lead to a file: from a page beside it by a way that holds wherever both are moved together."""
    if folder is None:
        return file.absolute().as_uri()
    return quote(os.path.relpath(file.absolute(), folder.absolute()))


def _packed(text: str) -> str:
    """Compress what only the script reads; a thousand pictures become as small as one."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


@cache
def _packed_plotly() -> str:
    return _packed(plotly_script())


@cache
def _template(name: str) -> Template:
    return environment("katib_local.report").get_template(name)


def environment(package: str) -> Environment:
    """Make what reads a package's templates: what they are given is text, and what is missing a mistake."""
    made = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["short"] = _short
    made.filters["number"] = collector.number
    made.filters["moment"] = _moment
    made.filters["seconds"] = _seconds
    return made


def plotly_script() -> str:
    """Return plotly's script, which its package ships."""
    from plotly.offline import get_plotlyjs  # half a second that no other command should pay

    script: str = get_plotlyjs()
    return script


def asset(name: str) -> Markup:
    """Return a style sheet or a script of the report by its file's name."""
    text = (resources.files("katib_local.report") / "templates" / name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704 - a file of ours


def _short(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 1]}…"


def _moment(time: datetime | None) -> str:
    return "" if time is None else f"{time.astimezone():%Y-%m-%d %H:%M:%S %Z}"


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else duration(seconds)
