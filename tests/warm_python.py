"""Python programs that start at once: forked from a process that has imported what takes seconds, and done nothing else.

That process has started no thread of torch, TensorFlow or gRPC, so what runs in a child of it is what would run in an
interpreter of its own after the same imports. It is multiprocessing's fork server; the first program starts it, and it
ends with the session.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path

_SERVER = multiprocessing.get_context("forkserver")


class WarmPython:
    """An interpreter that has some libraries already.

    They must be libraries that the session's tests have imported themselves: TensorFlow and torch do not go into one
    process, and there is one fork server. Without any, or where they were not, a program gets an interpreter of its own.

    Args:
        libraries: what the programs import and takes long.
    """

    def __init__(self, *libraries: str) -> None:
        self._libraries = libraries

    def run(
        self,
        *arguments: object,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 100,
    ) -> subprocess.CompletedProcess[str]:
        """Do what ``subprocess.run([sys.executable, *arguments], …)`` does; both streams are captured as text."""
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            process = self.start(*arguments, cwd=cwd, env=env, stdout=out, stderr=err)
            try:
                code = process.wait(timeout)
            finally:
                process.kill()
            return subprocess.CompletedProcess(arguments, code, out.read_text(), err.read_text())

    def start(
        self,
        *arguments: object,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdout: Path = Path(os.devnull),
        stderr: Path = Path(os.devnull),
    ) -> "subprocess.Popen[str] | Program":
        """Do what ``subprocess.Popen([sys.executable, *arguments], …)`` does; both streams are appended to files."""
        words, environment = [str(one) for one in arguments], os.environ if env is None else env
        if not any(library in sys.modules for library in self._libraries):
            with stdout.open("a") as out, stderr.open("a") as err:
                command = [sys.executable, *words]
                return subprocess.Popen(command, cwd=cwd, env=environment, stdout=out, stderr=err, text=True)
        with _one_thread():
            _SERVER.set_forkserver_preload([*self._libraries])
            forkserver.ensure_running()
        process = _Warm(words, environment, Path.cwd() if cwd is None else cwd, (stdout, stderr))
        process.start()
        return process


class Program(BaseProcess):
    """A process that runs a Python program, with the methods of `subprocess.Popen` that are of use to tests.

    Args:
        words: what the interpreter would be given.
        environment: all of its variables.
        cwd: where it runs.
        streams: files to which it appends what it writes to standard output and to standard error; they are those of
            the process that it is forked from where there are none.
    """

    def __init__(
        self, words: Sequence[str], environment: Mapping[str, str], cwd: Path, streams: Sequence[Path] = ()
    ) -> None:
        super().__init__()
        self._words, self._environment, self._folder, self._streams = [*words], dict(environment), cwd, streams

    def run(self) -> None:
        """Become the program, in the child."""
        for number, path in enumerate(self._streams, start=1):
            os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), number)
        os.chdir(self._folder)
        os.environ.clear()
        os.environ.update(self._environment)
        first, *rest = self._words
        if first == "-m":
            sys.argv, sys.path[0] = rest, os.getcwd()
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


COLD = WarmPython()
with_tensorflow = WarmPython("tensorflow")
with_torch = WarmPython("torch", "torchvision", "torch.distributed.run")
