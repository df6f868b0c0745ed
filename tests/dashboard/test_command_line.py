"""``katib-nas dashboard``, from its start to its end."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

KATIB_NAS = Path(sys.executable).with_name("katib-nas")


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_in_the_place_of_the_command_until_it_is_ended(tmp_path: Path, end: signal.Signals) -> None:
    # A folder of the user's with the same name is none of ours.
    (tmp_path / "dashboard").mkdir()
    (tmp_path / "dashboard/__init__.py").write_text("raise SystemExit('not this one')")
    with subprocess.Popen([KATIB_NAS, "dashboard", "--port", "0"], stdout=subprocess.PIPE, cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"http://127.0.0.1:")
        process.send_signal(end)
        assert process.wait(30) == 0


def test_an_end_does_not_wait_for_who_follows(start_dashboard: Callable[..., Any], tmp_path: Path) -> None:
    with start_dashboard("--runs", str(tmp_path)) as server:
        port = int(server.address.rstrip("/").rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as follower:
            follower.sendall(b"GET /runs/-/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"200" in follower.recv(4096)
            server.process.send_signal(signal.SIGINT)
            assert server.process.wait(30) == 0


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--port", "x"], 2, "argument --port: 'x' is not allowed"),
        (["--nonsense"], 2, "unrecognized arguments: --nonsense"),
        (["--host", "0.0.0.0"], 2, "--host: 0.0.0.0 is not allowed without --review"),
        (["--host", "0.0.0.0", "--cluster"], 2, "--host: 0.0.0.0 is not allowed without --review"),
        (["--host", "0.0.0.0", "--cluster", "--review", "--user", "me"], 2, "is not allowed with --user"),
        (["--review"], 2, "--cluster is missing"),
        (["--cluster", "--user", "me"], 2, "it is for --review"),
    ],
)
def test_mistakes_are_one_line(flags: list[str], code: int, message: str) -> None:
    done = subprocess.run([KATIB_NAS, "dashboard", *flags], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [KATIB_NAS, "dashboard", "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 5
    assert f"127.0.0.1:{port} cannot be listened at" in done.stderr
    assert done.stderr.count("\n") == 1


def test_where_there_are_no_runs_it_says_what_makes_one(start_dashboard: Callable[..., Any], tmp_path: Path) -> None:
    with start_dashboard("--runs", str(tmp_path / "none")) as server:
        assert "katib-nas run makes one" in server.get("/runs/")[2]
