"""What real processes ask of the system for their files, and whether a loss of power could tear what they publish.

strace tells, where it is installed and may trace. Elsewhere Python's own functions are watched instead
(`tests/patched_calls`), which do not see what libraries do, such as SQLite; `Watch.way` says which of both it was.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

STRACE, PATCHED = "strace", "patched functions of Python"

_CALLS = "write,pwrite64,writev,ftruncate,openat,fsync,fdatasync,/^rename,/^unlink,rmdir,/^mkdir"
_LINE = re.compile(r"(?P<thread>\d+) +(?:(?P<name>\w+)\(|<\.\.\. (?P<resumed>\w+) resumed>)(?P<rest>.*)")
_RESULT = re.compile(r"\) += (?P<result>-?\d+)[^)]*(?:\([^()]*\))?$")
_DESCRIPTOR = re.compile(r"\d+<([^>]*)>")
_NAME = re.compile(r'(?:(?:AT_FDCWD|\d+)<(?P<folder>[^>]*)>, )?"(?P<name>(?:[^"\\]|\\.)*)"')
_KINDS = {"mkdir": "make", "mkdirat": "make", "rmdir": "remove", "unlink": "remove", "unlinkat": "remove"}


@dataclass(frozen=True, slots=True)
class Call:
    """A call that succeeded; it is a write, a synchronise, a rename, a make (of a folder) or a remove."""

    thread: str
    kind: str
    path: Path
    new: Path | None = None


class Watch:
    """Watches a command and all that it starts.

    Args:
        log: file for what is seen.
    """

    def __init__(self, log: Path) -> None:
        self.way = STRACE if may_trace() else PATCHED
        self._log = log

    def command(self, *arguments: object) -> list[str]:
        """Return the command line of a Python program to be watched; the process is the program's own."""
        python = [sys.executable, *map(str, arguments)]
        return [*_strace(self._log), *python] if self.way == STRACE else python

    def environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the variables that it needs."""
        if self.way == STRACE:
            return dict(environment)
        folder = Path(__file__).with_name("patched_calls")
        python_path = os.pathsep.join(filter(None, [str(folder), environment.get("PYTHONPATH", "")]))
        return {**environment, "PYTHONPATH": python_path, "KATIB_NAS_TEST_CALLS": str(self._log)}

    def calls(self, folder: Path, process: int) -> list[Call]:
        """Return what was done below a folder, once the process has ended."""
        if self.way == STRACE:
            deadline = time.monotonic() + 30
            while not re.search(rf"^{process} +\+\+\+ ", self._log.read_text(errors="replace"), re.MULTILINE):
                assert time.monotonic() < deadline, "strace does not end"
                time.sleep(0.05)
            found = list(_of_strace(self._log.read_text(errors="replace").splitlines()))
        else:
            found = list(_of_patched(self._log.read_text().splitlines()))
        return [call for call in found if call.path.is_relative_to(folder)]


@cache
def may_trace() -> bool:
    """Whether strace is there, and may trace."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run([*_strace(Path(os.devnull)), "true"], capture_output=True, check=False).returncode == 0


def _strace(log: Path) -> list[str]:
    # The grandchild traces, so that signals meet the program.
    return ["strace", "-D", "-f", "-q", "-y", "-s0", "--seccomp-bpf", f"-etrace={_CALLS}", "-o", str(log)]


def _of_strace(lines: Sequence[str]) -> Iterator[Call]:
    begun: dict[str, str] = {}
    for line in lines:
        found = _LINE.match(line)
        if found is None:
            continue
        thread, rest = found["thread"], found["rest"]
        if rest.endswith("<unfinished ...>"):
            begun[thread] = rest.removesuffix("<unfinished ...>")
            continue
        if found["resumed"]:
            rest = begun.pop(thread, "") + rest
        ended = _RESULT.search(rest)
        if ended is not None and ended["result"] != "-1":
            yield from _call(thread, found["name"] or found["resumed"], rest[: ended.start()])


def _call(thread: str, name: str, arguments: str) -> Iterator[Call]:
    paths = [Path(one["folder"] or "/") / one["name"] for one in _NAME.finditer(arguments)]
    of_descriptor = _DESCRIPTOR.match(arguments)
    if name in ("fsync", "fdatasync") and of_descriptor:
        yield Call(thread, "synchronise", Path(of_descriptor[1]))
    elif name in ("write", "pwrite64", "writev", "ftruncate") and of_descriptor:
        yield Call(thread, "write", Path(of_descriptor[1]))
    elif name == "openat" and paths and "O_CREAT" in arguments:
        yield Call(thread, "write", paths[0])
    elif name.startswith("rename"):
        yield Call(thread, "rename", *paths)
    elif name in _KINDS:
        yield Call(thread, _KINDS[name], paths[0])


def _of_patched(lines: Sequence[str]) -> Iterator[Call]:
    for line in lines:
        thread, kind, *paths = json.loads(line)
        yield Call(thread, kind, *map(Path, paths))


def torn(calls: Sequence[Call]) -> list[str]:
    """Say what of the published a loss of power could tear, or take back: none, if all is well.

    What is renamed is published, and so is what a transaction of SQLite leaves when it removes its journal. It must
    have been synchronised, with all that is in it, and the next that its thread does must synchronise the folder that
    holds the name. What is renamed within a folder that is renamed later is no more than a draft.
    """
    complaints: list[str] = []
    drafts = {call.path for call in calls if call.kind == "rename"}
    dirty: set[Path] = set()
    """Files that were written, and folders in which a name is new, not synchronised since."""
    made: set[Path] = set()
    due: dict[str, Call] = {}
    """What each thread has published, and not yet synchronised the folder of."""
    for call in calls:
        published = _published(call)
        if (before := due.pop(call.thread, None)) is not None:
            folder = _published(before).parent
            if (call.kind, call.path) != ("synchronise", folder):
                complaints.append(f"{folder} is not synchronised after {before.kind} {before.path}")
        if published is not None and not drafts & set(published.parents):
            source = call.path if call.kind == "rename" else published
            complaints += [f"{one} is not synchronised before {call.kind} {call.path}" for one in _below(dirty, source)]
            complaints += [
                f"{one} was made, and {one.parent} not synchronised" for one in made & set(published.parents)
            ]
            due[call.thread] = call
        if call.kind == "synchronise":
            dirty.discard(call.path)
            made -= {one for one in made if one.parent == call.path}
        elif call.kind == "rename":
            dirty = {call.new / one.relative_to(call.path) if one in _below(dirty, call.path) else one for one in dirty}
            dirty.add(call.new.parent)
        elif call.kind == "write":
            dirty.add(call.path)
        else:
            dirty.add(call.path.parent)
            (dirty.discard if call.kind == "remove" else made.add)(call.path)
    return complaints + [f"{_published(one).parent} is not synchronised in the end" for one in due.values()]


def _published(call: Call) -> Path | None:
    if call.kind == "rename":
        return call.new
    if call.kind == "remove" and call.path.name.endswith("-journal"):
        return call.path.with_name(call.path.name.removesuffix("-journal"))
    return None


def _below(paths: set[Path], folder: Path) -> set[Path]:
    return {one for one in paths if one.is_relative_to(folder)}


def in_place(calls: Sequence[Call], folder: Path) -> set[str]:
    """Names of the files below a folder that were not published, but written where they are."""
    published = {call.new for call in calls if call.kind == "rename"}
    files = {path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}
    return {path.name for path in files if not published & {path, *path.parents}}
