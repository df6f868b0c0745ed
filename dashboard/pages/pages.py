"""The dashboard's pages, as texts of HTML.

Every link is relative to the page that it stands on, so that they hold below whatever prefix a proxy puts the server.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment

from dashboard.pages import assets, plotted, spark
from dashboard.sources.summary import Summary
from katib_local.report import page, pictures
from katib_local.report.model import Report
from katib_local.report.plots import Figure
from katib_local.showing.wording import counts, in_words

_TABLE = ("rows.js", "live.js")
_PLOTS = ("plotly.js", "plots.js", "rows.js", "live.js")


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """What all pages of a server have in common."""

    all_name: str
    """What the list of a place is called, such as ``Runs``."""
    nothing: str
    """What is said where the list is empty."""
    has_namespaces: bool
    """Whether there are several places, of which one is chosen."""
    is_framed: bool
    """Whether pages may stand in a frame of Kubeflow's dashboard, which names the namespace."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pages:
    """Renders pages."""

    setting: Setting

    def listing(self, place: str, summaries: Sequence[Summary], version: str) -> str:
        """The experiments of a place."""
        title = f"{self.setting.all_name} of {place}" if self.setting.has_namespaces else self.setting.all_name
        return self._render(
            "list.html",
            1,
            place,
            title=title,
            path=[(title, "")],
            scripts=(*_TABLE, "list.js"),
            live=("-/events", version),
            summaries=summaries,
            most=plotted.MOST_COMPARED,
            nothing=self.setting.nothing,
        )

    def experiment(self, place: str, key: str, report: Report, version: str) -> str:
        """An experiment."""
        shown = page.content(report, lambda trial: f"{quoted(trial.name)}/")
        return self._render(
            "experiment.html",
            2,
            place,
            title=report.name,
            path=[(self.setting.all_name, "../"), (key, "")],
            scripts=_PLOTS,
            live=("-/events", version),
            figures=shown.figures,
            content=shown.html,
        )

    def trial(self, place: str, key: str, report: Report, version: str) -> str:
        """The one trial of a report."""
        (item,) = report.trials
        drawn = plotted.of_trial(item)
        observation = item.trial.observation or {}
        texts = {name: text for name, text in observation.items() if item.number(name) is None}
        return self._render(
            "trial.html",
            3,
            place,
            title=item.trial.name,
            path=[(self.setting.all_name, "../../"), (key, "../"), (item.trial.name, "")],
            scripts=(*_PLOTS, "log.js"),
            live=("../-/events", version),
            figures={figure["name"]: figure for figure in drawn},
            report=report,
            item=item,
            condition=in_words(item.trial.condition, is_interrupted=report.is_interrupted),
            picture=pictures.draw(item.trial),
            drawn=drawn,
            texts={**item.trial.assignments, **texts},
        )

    def comparison(self, place: str, reports: Mapping[str, Report], version: str) -> str:
        """Several experiments side by side."""
        drawn = plotted.compared(reports)
        return self._render(
            "compare.html",
            2,
            place,
            title=" and ".join(reports),
            path=[(self.setting.all_name, "../"), ("Side by side", "")],
            scripts=_PLOTS,
            live=(f"events?{urlencode([('of', key) for key in reports])}", version),
            figures={figure["name"]: figure for figure in drawn},
            reports=reports,
            drawn=drawn,
        )

    def message(self, depth: int, place: str, title: str, message: str, *, asks_for_namespace: bool = False) -> str:
        """What is wrong, or what is to be chosen first.

        Args:
            depth: folders between the root and the page.
            place: that it is about; empty for none.
            title: of the page.
            message: a sentence.
            asks_for_namespace: whether another place may be meant.
        """
        return self._render(
            "message.html",
            depth,
            place,
            title=title,
            path=[],
            scripts=(),
            message=message,
            asks_for_namespace=asks_for_namespace and self.setting.has_namespaces,
        )

    def _render(
        self,
        template: str,
        depth: int,
        place: str,
        *,
        scripts: Sequence[str],
        live: tuple[str, str] = ("", ""),
        figures: Mapping[str, Figure] | None = None,
        **what: Any,
    ) -> str:
        """Render a page that lies so many folders below the root."""
        root = "../" * depth or "./"
        events, version = live
        return (
            _environment()
            .get_template(template)
            .render(
                static=lambda name: f"{root}-/static/{name}?v={assets.version(name)}",
                scripts=(*scripts, "frame.js") if self.setting.is_framed else scripts,
                is_framed=self.setting.is_framed,
                root=root,
                place=place,
                events=events,
                version=version,
                figures=figures,
                **what,
            )
        )


def quoted(name: str) -> str:
    """Write a name as a part of an address."""
    return quote(name, safe="")


@cache
def _environment() -> Environment:
    made = page.environment("dashboard.pages")
    made.globals |= {"spark": spark.draw, "quoted": quoted, "counts": counts}
    return made
