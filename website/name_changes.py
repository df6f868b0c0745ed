"""Which public names have changed since a release without a word in CHANGELOG.

Only what stands above the release's heading counts, and there what is in backquotes. A name that is gone or has changed
must be named. So must a new one; but of a new Python name, field or column it is enough to name the module or the file
that has it, and of a whole new command, module or file nothing but that.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

LISTINGS = "tests/data/*/public-names.txt"
"""One a release, see `website.public_names`."""

_OF_ITS_OWNER = {"python", "field", "column"}
_BACKQUOTED = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class _Name:
    kind: str
    owner: str
    name: str

    @classmethod
    def of(cls, line: str) -> "_Name":
        kind, owner, name, *_ = line.split(": ", 3)
        return cls(kind, owner, name)

    @property
    def short(self) -> str:
        """The last part of a field's path or of a class's member."""
        return self.name.rpartition(".")[2]


def latest(root: Path) -> Path:
    """Return the listing of the latest release."""
    return max(root.glob(LISTINGS), key=lambda path: [int(part) for part in path.parent.name.split(".")])


def unmentioned(before: Iterable[str], now: Iterable[str], changelog: str, release: str) -> list[str]:
    """Return the lines that changed and are not in CHANGELOG, each with ``-`` or ``+`` before it.

    Args:
        before: the lines of a release.
        now: those of the code.
        changelog: the text of CHANGELOG.md.
        release: the version, whose heading begins ``## VERSION``.

    Raises:
        ValueError: the text has no such heading.
    """
    unreleased, heading, _ = changelog.partition(f"\n## {release}")
    if not heading:
        raise ValueError(f"CHANGELOG.md has no heading ## {release}")
    named = _BACKQUOTED.findall(unreleased)
    old, new = set(before), set(now)
    owners_then, owners_now = ({(one.kind, one.owner) for one in map(_Name.of, lines)} for lines in (old, new))
    names_then = {_Name.of(line) for line in old}

    def is_told(line: str) -> bool:
        one = _Name.of(line)
        is_whole = (one.kind, one.owner) not in owners_then & owners_now
        is_new = one not in names_then
        by_owner = is_whole or (is_new and one.kind in _OF_ITS_OWNER)
        return _is_named(one.short, named) or (by_owner and _is_named(one.owner, named))

    changed = [*(f"- {line}" for line in old - new), *(f"+ {line}" for line in new - old)]
    return sorted((line for line in changed if not is_told(line[2:])), key=lambda line: (line[2:], line[0]))


def _is_named(text: str, named: Iterable[str]) -> bool:
    """Whether a text stands in one of these as a whole word."""
    word = re.compile(rf"(?<![\w-]){re.escape(text)}(?![\w-])")
    return any(word.search(one) for one in named)
