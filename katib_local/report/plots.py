"""What the figures of a report are made of: plotly's traces and layouts, as values of JSON.

Colours are those of Okabe and Ito, which colour-blind people can tell apart, and stand out on white and on black; for
scales cividis, which is read alike with and without colour vision. Text and grid get theirs from the page.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

Figure: TypeAlias = dict[str, Any]

BLUE, ORANGE, GREEN, SKY, PURPLE = "#0072B2", "#D55E00", "#009E73", "#56B4E9", "#CC79A7"

SCALE = "Cividis"

_FEW = 12
_HEIGHT = 340
MARGIN = {"l": 72, "r": 16, "t": 12, "b": 48}
"""Room for what stands beside the axes. Plotly can find it by itself, but not always comes to an end with that."""


def trace(name: str, x: Sequence[Any], y: Sequence[Any], **style: Any) -> Figure:
    """Points, or a line through them."""
    return {"type": "scatter", "name": safe(name), "x": list(x), "y": list(y), **style}


def layout(x_title: str, y_title: str, *, height: int = _HEIGHT) -> Figure:
    """Axes with their titles, and what looks alike in all figures."""

    def axis(title: str) -> Figure:
        return {"title": {"text": safe(title)}, "zeroline": False}

    return {
        "height": height,
        "margin": dict(MARGIN),
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 13},
        "modebar": {"bgcolor": "rgba(0,0,0,0)"},
        "hoverlabel": {"bgcolor": "#222222", "font": {"color": "#ffffff"}, "namelength": -1},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "xaxis": axis(x_title),
        "yaxis": axis(y_title),
    }


def count(axis: Figure, first: int, last: int) -> None:
    """Keep plotly from putting halves on an axis of whole numbers, which it does where there are few."""
    if last - first <= _FEW:
        axis["dtick"] = 1


def figure(name: str, title: str, traces: list[Figure], layout: Figure) -> Figure:
    """A figure under a name that no other of the page has."""
    return {"name": name, "title": title, "data": traces, "layout": layout}


def safe(text: str) -> str:
    """Keep plotly from reading tags and entities in a text of somebody else's."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
