"""Clients of the dashboard that do not say all of what they want; a second of its patience is 30 ms here."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

PROGRAM = """
import sys
from dashboard.serving import patience
patience._PATIENCE_S = 0.3
from dashboard.__main__ import main
sys.exit(main(sys.argv[1:]))
"""
HEAD = b"GET /-/health HTTP/1.1\r\nHost: localhost\r\n"
LONG_S = 20


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    command = [sys.executable, "-c", PROGRAM, "--runs", str(tmp_path_factory.mktemp("runs")), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r":(\d+)/", process.stdout.readline())
        assert found is not None
        yield int(found[1])
        process.kill()


@pytest.mark.parametrize("said", [b"", HEAD, HEAD + b"\r\n" + HEAD], ids=["nothing", "half", "one and a half"])
def test_who_does_not_say_what_it_wants_is_let_go_of(port: int, said: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(said)
        connection.settimeout(LONG_S)
        while connection.recv(65_536):
            pass


def test_who_has_asked_may_wait(port: int) -> None:
    """The pages follow what happens: every now and then there is a line, else nothing."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET /runs/-/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        connection.settimeout(LONG_S)
        assert b" 200 " in connection.recv(65_536)
        time.sleep(2)
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):
            _read(connection)


def _read(connection: socket.socket) -> None:
    while connection.recv(65_536):
        pass
