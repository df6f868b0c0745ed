"""What a loss of power may leave of a folder, at each instant at which a program touches it.

A model of a disk (after Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014). What is sure to be there
is what was synchronised: of a file its content, of a folder the names in it. All else may be there or not: the names as
they were or as they are, and of a content that was not synchronised any prefix.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

Inode = int
Files = dict[str, bytes]
"""By their paths in the folder; those that end with a slash are empty folders."""

_TOUCHING = ("fsync", "rename", "replace", "unlink", "remove", "rmdir", "mkdir")


@dataclass
class Disk:
    """The disk of a folder without links.

    Args:
        root: the folder; what is in it to begin with is on the disk.
    """

    root: Path
    instants: list[list[Files]] = field(default_factory=list)
    """What may be left at each, once."""

    def __post_init__(self) -> None:
        self._contents: dict[Inode, bytes] = {}
        self._names: dict[Inode, dict[str, Inode]] = {}
        self._open = ExitStack()  # an inode that is open is not given to another file
        for path in (self.root, *self.root.rglob("*")):
            self._synchronise(os.open(path, os.O_RDONLY))

    def states(self, since: int = 0) -> list[Files]:
        """What may be left at any instant from a number on, each state once."""
        return [dict(state) for state in {tuple(state.items()) for one in self.instants[since:] for state in one}]

    @property
    def in_the_end(self) -> list[Files]:
        """What may be left of the latest instant."""
        return self.instants[-1]

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
        self.instants.append([])
        for names in (self._names, self._names | now):
            for share in (0.0, 0.5, 1.0):
                left = dict(self._left(names, self.root.stat().st_ino, contents, share))
                if left not in self.instants[-1]:
                    self.instants[-1].append(left)

    def _left(
        self, names: dict[Inode, dict[str, Inode]], folder: Inode, contents: dict[Inode, bytes], share: float
    ) -> Iterator[tuple[str, bytes]]:
        for name, inode in names.get(folder, {}).items():
            if inode in contents or inode in self._contents:
                content = contents.get(inode, b"")
                sure = self._contents.get(inode, b"")
                yield name, sure if sure == content or inode not in contents else content[: int(share * len(content))]
            else:
                inner = dict(self._left(names, inode, contents, share))
                yield from {f"{name}/{path}": content for path, content in inner.items()}.items()
                if not inner:
                    yield f"{name}/", b""


def written_out(files: Files, folder: Path) -> Path:
    """Write a state into a folder that is not there, and return it."""
    folder.mkdir()
    for name, content in files.items():
        path = folder / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_bytes(content)
    return folder
