"""The style sheets and scripts that the pages name: our own, the report's, and plotly."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from katib_local.report import page

_OURS = frozenset({"dashboard.css", "frame.js", "list.js", "live.js", "log.js"})
_OF_THE_REPORT = frozenset({"report.css", *page.SCRIPTS})
_PLOTLY = "plotly.js"
NAMES = _OURS | _OF_THE_REPORT | {_PLOTLY}

_TYPES = {"css": "text/css", "js": "text/javascript"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent."""

    compressed: bytes
    """By gzip: plotly's script is the largest thing that the server holds."""
    media_type: str


@cache
def asset(name: str) -> Asset:
    """Return one of `NAMES`."""
    return Asset(gzip.compress(_text(name).encode(), mtime=0), _TYPES[name.rpartition(".")[2]])


@cache
def version(name: str) -> str:
    """A text that is another one where the file is."""
    return hashlib.sha256(_text(name).encode()).hexdigest()[:12]


def _text(name: str) -> str:
    assert name in NAMES, name
    if name == _PLOTLY:
        return page.plotly_script()
    if name in _OF_THE_REPORT:
        return str(page.asset(name))
    return (resources.files("dashboard.pages") / "static" / name).read_text(encoding="utf-8")
