"""Tables of texts, for a terminal and for pasting: a column that has no room is left out rather than squeezed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

MAX_CHARACTERS = 40
"""Longest text of a cell, unless its column says otherwise."""

_GAP = 2
_LEAST = 4
"""A column is not squeezed further."""

_PART = re.compile(r"[^-_]*[-_]+|[^-_]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column, from its title down."""

    title: str
    cells: Sequence[str]
    styles: Sequence[str] = ()
    """One for each cell, by rich's names; none for plain text."""
    rank: int = 0
    """Which goes first where there is no room: the highest. 0 always stays."""
    is_right: bool = False
    """Whether its texts end at the right edge."""
    max_width: int = MAX_CHARACTERS

    @property
    def width(self) -> int:
        """Of the whole title and the longest text."""
        return min(self.max_width, max(cell_len(self.title), self._longest))

    @property
    def least_width(self) -> int:
        """The same with the title on several lines."""
        return min(self.max_width, max(*map(cell_len, _PART.findall(self.title)), self._longest))

    @property
    def _longest(self) -> int:
        return max(map(cell_len, self.cells), default=0)


def table(columns: Sequence[Column], width: int | None, *, section_before: int | None = None) -> Table:
    """Make a table for a terminal.

    Args:
        columns: all of the same length.
        width: of the terminal; None leaves nothing out.
        section_before: the row above which there is a line.
    """
    kept = list(columns) if width is None else _kept(columns, width, _GAP)
    widths = [column.width for column in kept] if width is None else _widths(kept, width)
    drawn = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0))
    for column, wide in zip(kept, widths, strict=True):
        title = "\n".join(_folded(column.title, wide))
        drawn.add_column(
            Text(title), justify="right" if column.is_right else "left", no_wrap=True, overflow="ellipsis", width=wide
        )
    for index, row in enumerate(zip(*(column.cells for column in kept), strict=True)):
        if index == section_before:
            drawn.add_section()
        styles = (column.styles[index] if column.styles else "" for column in kept)
        drawn.add_row(*(Text(text, style=style) for text, style in zip(row, styles, strict=True)))
    return drawn


def markdown(columns: Sequence[Column], width: int | None) -> list[str]:
    """Write a table in Markdown that reads well as plain text, too; for the arguments see `table`."""
    kept = list(columns) if width is None else _kept(columns, width - 4, 3, least=False)
    widths = [column.width for column in kept]
    rows = [[column.title for column in kept], *zip(*(column.cells for column in kept), strict=True)]
    lines = [
        "| "
        + " | ".join(_padded(text, column, wide) for text, column, wide in zip(row, kept, widths, strict=True))
        + " |"
        for row in rows
    ]
    rules = ["-" * (wide + 1) + (":" if column.is_right else "-") for column, wide in zip(kept, widths, strict=True)]
    return [lines[0], f"|{'|'.join(rules)}|", *lines[1:]]


def shortened(text: str, width: int = MAX_CHARACTERS) -> str:
    """Cut a text that is too long."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _padded(text: str, column: Column, width: int) -> str:
    escaped = shortened(text, width).replace("|", "\\|")
    return escaped.rjust(width) if column.is_right else escaped.ljust(width)


def _kept(columns: Sequence[Column], width: int, gap: int, *, least: bool = True) -> list[Column]:
    """Leave out columns until the others fit, or only those that stay are left."""
    kept = list(columns)

    def needed() -> int:
        widths = (column.least_width if least else column.width for column in kept)
        return sum(widths) + gap * (len(kept) - 1)

    while needed() > width and (droppable := [column for column in kept if column.rank]):
        # Of equal ranks the last one.
        kept.remove(max(reversed(droppable), key=lambda column: column.rank))
    return kept


def _widths(columns: Sequence[Column], width: int) -> list[int]:
    """Give titles a line of their own where there is room, and squeeze the widest where there is none at all."""
    widths = [column.least_width for column in columns]
    spare = width - sum(widths) - _GAP * (len(widths) - 1)
    for index, column in enumerate(columns):
        more = column.width - widths[index]
        if more <= spare:
            widths[index] += more
            spare -= more
    while spare < 0 and max(widths) > _LEAST:
        widest = widths.index(max(widths))
        widths[widest] -= 1
        spare += 1
    return widths


def _folded(title: str, width: int) -> list[str]:
    """Break a title after its hyphens and underscores."""
    if cell_len(title) <= width:
        return [title]
    lines = [""]
    for part in _PART.findall(title):
        if lines[-1] and cell_len(lines[-1] + part) > width:
            lines.append("")
        lines[-1] += part
    return lines
