"""Where in a text genotypes stand, and which of them is meant: a whole ``genotypes.py``, or the log of a training."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from darts_genotype.genotype import GenotypeError

START = "Genotype("

MAX_CHARACTERS = 50_000
"""Longest genotype that is read, whatever stands around it; one of 64 nodes a cell has about 8,000 characters."""

_BEGINS = re.compile(r"\s*(?:\w+\s*=|\[|\()")
"""What follows the opening bracket of a genotype; behind ``class Genotype(`` stands something else."""
_NAME = re.compile(r"""([\w./-]+)["']?\s*[=:]\s*[("'`]*(?:\w+\.)*$""")
"""Ends where the genotype begins: a name, a sign, and perhaps a module's name before the class."""
_BEFORE = 80
_MAX_LISTED = 20
_MAX_ALIASES = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A genotype that stands somewhere in a text."""

    name: str
    """Of what it is assigned to; empty where nothing is said."""
    start: int
    text: str
    """From the start to the closing bracket or, where that is missing, to where it should have been."""

    @property
    def title(self) -> str:
        """How it is listed."""
        return self.name or "without a name"


def find(text: str) -> list[Found]:
    """Return all genotypes of a text, in order.

    Raises:
        GenotypeError: there is none.
    """
    starts = [match.start() for match in re.finditer(re.escape(START), text)]
    if not starts:
        raise GenotypeError("text", text, f"it holds {START}…), or is an object of JSON")
    ends = dict(zip(starts, [*starts[1:], len(text)], strict=True))
    likely = [start for start in starts if _BEGINS.match(text, start + len(START))]
    return [_found(text, start, ends[start]) for start in likely or starts[:1]]


def choose(text: str, found: Sequence[Found], *, name: str | None, last: bool) -> Found:
    """Return the one that is meant.

    Args:
        text: that they stand in.
        found: one at least.
        name: of what it is assigned to; of several of that name the last one counts.
        last: whether the last of all is meant.

    Raises:
        GenotypeError: there is none of that name, or several differ and nothing says which is meant.
    """
    if name is not None:
        for _ in range(_MAX_ALIASES):
            named = [item for item in found if item.name == name]
            if named:
                return named[-1]
            # Such as ``DARTS = DARTS_V2``.
            alias = re.search(rf"^[ \t]*{re.escape(name)}[ \t]*=[ \t]*(?:\w+\.)*(\w+)[ \t]*(?:#.*)?$", text, re.M)
            if alias is None:
                break
            name = alias[1]
        raise GenotypeError("--name", name, f"there are {_listed(found)}")
    if last or len({"".join(item.text.split()) for item in found}) == 1:
        return found[-1]
    allowed = f"katib-nas genotype chooses one by --name or --last; there are {_listed(found)}"
    raise GenotypeError("text", f"{len(found)} genotypes", allowed)


def _found(text: str, start: int, end: int) -> Found:
    before = _NAME.search(text, max(0, start - _BEFORE), start)
    piece = text[start : min(end, start + len(START) + MAX_CHARACTERS + 1)]
    return Found(name=before[1] if before else "", start=start, text=_closed(piece))


def _closed(piece: str) -> str:
    """Cut off what follows the bracket that closes the first one."""
    depth = 0
    for bracket in re.finditer(r"[()]", piece):
        depth += 1 if bracket[0] == "(" else -1
        if depth == 0:
            return piece[: bracket.end()]
    return piece


def _listed(found: Sequence[Found]) -> str:
    counts = Counter(item.title for item in found)
    names = [title if count == 1 else f"{title} ({count} times)" for title, count in counts.items()]
    more = f", and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    return ", ".join(names[:_MAX_LISTED]) + more
