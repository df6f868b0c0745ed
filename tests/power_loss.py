"""What a loss of power may leave of a folder, at each instant at which a program touches it.

A model of a disk (after Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014). What is sure to be there
is what was synchronised: of a file its content, of a folder the names in it. All else may be there or not: the names as
they were or as they are, and of a content that was not synchronised any prefix. One file at a time is cut at every
place that `prefixes` names, while the others are there whole, or not at all.
"""

import os
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

Inode = int
Files = dict[str, bytes]
"""By their paths in the folder; those that end with a slash are empty folders."""

_TOUCHING = ("fsync", "rename", "replace", "unlink", "remove", "rmdir", "mkdir")


_SHORT = 1024
"""Bytes of a file that is cut at each of them."""
_NUM_DRAWN = 100
_PAGE = 4096
_SIGNATURE = re.compile(rb"PK[\1-\6]{2}|SQLite format|\x57\xfb\x80\x8b\x24\x75\x47\xdb")
"""Where a part of an archive, or a database, begins; where an index of TensorFlow ends."""


def prefixes(content: bytes) -> Sequence[int]:
    """To how many bytes a content may be cut: to any number of a short one.

    Of a long one those about its ends, its pages and the parts of its format, and a hundred that are drawn.
    """
    length = len(content)
    if length <= _SHORT:
        return range(length + 1)
    places = [*range(0, length, _PAGE), *(found.start() for found in _SIGNATURE.finditer(content))]
    near = {place + off for place in places for off in (-1, 0, 1)}
    drawn = random.Random(length).sample(range(length), _NUM_DRAWN)
    return sorted(one for one in {*near, *drawn, *range(64), *range(length - 64, length + 1)} if 0 <= one <= length)


Names = Mapping[Inode, Mapping[str, Inode]]


@dataclass(frozen=True, slots=True)
class _Instant:
    """What there is, and what of it is sure."""

    root: Inode
    names: Sequence[Names]
    """Of the folders, as they were and as they are."""
    contents: Mapping[Inode, bytes]
    sure: Mapping[Inode, bytes]

    def states(self) -> Iterator[Files]:
        """What may be left, some of it twice."""
        unsure = {inode: content for inode, content in self.contents.items() if self.sure.get(inode) != content}
        for names in self.names:
            for others in (dict.fromkeys(unsure, b""), unsure):
                yield dict(self._left(names, self.root, others))
                for inode, content in unsure.items():
                    for length in prefixes(content):
                        yield dict(self._left(names, self.root, {**others, inode: content[:length]}))

    def _left(self, names: Names, folder: Inode, unsure: Mapping[Inode, bytes]) -> Iterator[tuple[str, bytes]]:
        for name, inode in names.get(folder, {}).items():
            if inode in self.contents or inode in self.sure:
                yield name, unsure.get(inode, self.sure.get(inode, b""))
            else:
                inner = dict(self._left(names, inode, unsure))
                yield from {f"{name}/{path}": content for path, content in inner.items()}.items()
                if not inner:
                    yield f"{name}/", b""


@dataclass
class Disk:
    """The disk of a folder without links.

    Args:
        root: the folder; what is in it to begin with is on the disk.
    """

    root: Path
    instants: list[_Instant] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._contents: dict[Inode, bytes] = {}
        self._names: dict[Inode, dict[str, Inode]] = {}
        self._open = ExitStack()  # an inode that is open is not given to another file
        for path in (self.root, *self.root.rglob("*")):
            self._synchronise(os.open(path, os.O_RDONLY))

    def states(self, since: int = 0, until: int | None = None) -> list[Files]:
        """What may be left at any instant from a number on, to before another, each state once."""
        found = {tuple(state.items()) for one in self.instants[since:until] for state in one.states()}
        return [dict(state) for state in sorted(found)]

    @property
    def in_the_end(self) -> list[Files]:
        """What may be left of the latest instant."""
        return self.states(len(self.instants) - 1)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Within, what this process does to the folder is followed."""
        with ExitStack() as patches, self._open:
            for name in _TOUCHING:
                patches.enter_context(mock.patch.object(os, name, self._followed(getattr(os, name), name)))
            yield
            self._remember()

    def _followed(self, call: Callable[..., Any], name: str) -> Callable[..., Any]:
        def followed(*arguments: Any, **others: Any) -> Any:
            self._remember()
            done = call(*arguments, **others)
            if name == "fsync":
                self._synchronise(os.dup(arguments[0]))
            return done

        return followed

    def _synchronise(self, descriptor: int) -> None:
        self._open.callback(os.close, descriptor)
        path, inode = Path(f"/proc/self/fd/{descriptor}").readlink(), os.fstat(descriptor).st_ino
        if path.is_dir():
            self._names[inode] = {one.name: one.stat().st_ino for one in path.iterdir()}
        else:
            self._contents[inode] = path.read_bytes()

    def _remember(self) -> None:
        paths = {path.stat().st_ino: path for path in (self.root, *self.root.rglob("*"))}
        folders = {inode: path for inode, path in paths.items() if path.is_dir()}
        now = {inode: {one.name: one.stat().st_ino for one in path.iterdir()} for inode, path in folders.items()}
        contents = {inode: path.read_bytes() for inode, path in paths.items() if path.is_file()}
        root = self.root.stat().st_ino
        self.instants.append(_Instant(root, (dict(self._names), self._names | now), contents, dict(self._contents)))


def written_out(files: Files, folder: Path) -> Path:
    """Write a state into a folder that is not there, and return it."""
    folder.mkdir()
    for name, content in files.items():
        path = folder / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_bytes(content)
    return folder
