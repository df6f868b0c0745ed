"""Python programs that start at once, forked from a process that has imported what takes seconds, and has done no more.

That process has started no thread of torch, TensorFlow or gRPC, so what runs in a child of it is what would run in an
interpreter of its own after the same imports. It is multiprocessing's fork server; the first program starts it, and it
ends with the session.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

_SERVER = multiprocessing.get_context("forkserver")


class WarmPython:
    """An interpreter that has some libraries already.

    They must be libraries that the session's tests have imported themselves: TensorFlow and torch do not go into one
    process, and there is one fork server. Where they were not, a program gets an interpreter of its own.

    Args:
        libraries: what the programs import and takes long.
    """

    def __init__(self, *libraries: str) -> None:
        self._libraries = libraries

    def run(
        self, *arguments: object, cwd: Path | None = None, env: Mapping[str, str] | None = None, timeout: float = 100
    ) -> subprocess.CompletedProcess[str]:
        """Do what ``subprocess.run([sys.executable, *arguments], …)`` does; both streams are captured as text."""
        (out, out_writer), (err, err_writer) = os.pipe(), os.pipe()
        process = self.start(*arguments, cwd=cwd, env=env, stdout=out_writer, stderr=err_writer)
        for writer in (out_writer, err_writer):
            os.close(writer)
        with ThreadPoolExecutor() as pool:
            texts = pool.map(_text, (out, err))
            try:
                return subprocess.CompletedProcess(arguments, process.wait(timeout), *texts)
            finally:
                process.kill()

    def start(
        self,
        *arguments: object,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdout: int = subprocess.DEVNULL,
        stderr: int = subprocess.DEVNULL,
    ) -> "subprocess.Popen[bytes] | Program":
        """Do what ``subprocess.Popen([sys.executable, *arguments], …)`` does, with descriptors of files as streams."""
        words, environment = [str(one) for one in arguments], os.environ if env is None else env
        if not any(library in sys.modules for library in self._libraries):
            return subprocess.Popen([sys.executable, *words], cwd=cwd, env=environment, stdout=stdout, stderr=stderr)
        with _one_thread():
            _SERVER.set_forkserver_preload([*self._libraries])
            forkserver.ensure_running()
        streams = [_for_a_child(number) for number in (stdout, stderr)]
        process = _Warm(words, environment, Path.cwd() if cwd is None else cwd, streams)
        process.start()
        for stream in streams:
            stream.close()
        return process


class Program(BaseProcess):
    """A process that runs a Python program, with the methods of `subprocess.Popen` that are of use to tests.

    Args:
        words: what the interpreter would be given.
        environment: all of its variables.
        cwd: where it runs.
        streams: standard output and standard error; none if they are those of the process that it is forked from.
    """

    def __init__(
        self, words: Sequence[str], environment: Mapping[str, str], cwd: Path, streams: Sequence[Connection] = ()
    ) -> None:
        super().__init__()
        self._words, self._environment, self._folder, self._streams = [*words], dict(environment), cwd, streams

    def run(self) -> None:
        """Become the program, in the child."""
        for number, stream in enumerate(self._streams, start=1):
            os.dup2(stream.fileno(), number)
            stream.close()
        if self._streams:  # Python's own may take a pipe for the file that the server began with, in which one can seek
            sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
            sys.stderr = open(2, "w", closefd=False, buffering=1, errors="backslashreplace")  # noqa: SIM115
        os.chdir(self._folder)
        os.environ.clear()
        os.environ.update(self._environment)
        first, *rest = self._words
        if first == "-m":
            sys.argv, sys.path[0] = rest, str(self._folder)
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        elif first == "-c":
            sys.argv, sys.path[0] = ["-c", *rest[1:]], ""
            exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
        else:
            sys.argv, sys.path[0] = self._words, str(Path(first).parent)
            runpy.run_path(first, run_name="__main__")

    @property
    def returncode(self) -> int | None:
        return self.exitcode

    def poll(self) -> int | None:
        return self.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self.join(timeout)
        if self.exitcode is None:
            raise subprocess.TimeoutExpired(self._words, timeout or 0)
        return self.exitcode

    def send_signal(self, number: int) -> None:
        if self.exitcode is None:
            assert self.pid is not None
            os.kill(self.pid, number)


class _Warm(Program, _SERVER.Process):  # type: ignore[name-defined,misc]
    """A program that is forked from the server."""


@contextmanager
def _one_thread() -> Iterator[None]:
    """Libraries make threads when they are imported, unless the environment says that one is enough."""
    before = os.environ.copy()
    os.environ["OMP_NUM_THREADS"] = "1"
    yield
    os.environ.clear()
    os.environ.update(before)


def _text(descriptor: int) -> str:
    with os.fdopen(descriptor) as file:
        return file.read()


def _for_a_child(descriptor: int) -> Connection:
    """What multiprocessing hands to a child, of a file that stays the caller's."""
    if descriptor == subprocess.DEVNULL:
        return Connection(os.open(os.devnull, os.O_WRONLY), readable=False)
    return Connection(os.dup(descriptor), readable=False)


COLD = WarmPython()
with_tensorflow = WarmPython("tensorflow")
with_torch = WarmPython("torch", "torchvision", "torch.distributed.run")
