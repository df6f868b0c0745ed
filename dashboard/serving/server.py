"""The HTTP server, at an address of its own."""

import logging
import signal
import socket
import sys
import webbrowser
from types import FrameType
from typing import NoReturn

import uvicorn
from starlette.applications import Starlette

from dashboard.serving.patience import ImpatientProtocol

logger = logging.getLogger(__name__)

_BACKLOG = 128
_GRACE_S = 2
"""How long answers may go on once the server is to end; those that follow something would not end by themselves."""


def listen(host: str, port: int) -> socket.socket:
    """Take an address.

    Raises:
        OSError: another program has it, or this machine has no such address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        raise OSError(error.errno, f"{host}:{port} cannot be listened at: {error.strerror}") from error
    return made


def address(taken: socket.socket) -> str:
    """Name the address of a server as a browser takes it."""
    host, port = taken.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def serve(app: Starlette, taken: socket.socket, *, shall_open: bool) -> None:
    """Say where, and serve until SIGINT or SIGTERM.

    Args:
        app: what answers.
        taken: the address.
        shall_open: whether a browser is opened.
    """
    config = uvicorn.Config(
        app,
        http=ImpatientProtocol,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
        lifespan="on",
    )
    server = uvicorn.Server(config)
    app.state.is_ending = lambda: server.should_exit
    # The server gives back a signal that it got, once it has ended. Until it takes them, these do: also where a shell
    # has started this in the background, with SIGINT ignored.
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sys.stdout.write(f"{address(taken)}\n")
        sys.stdout.flush()
        if shall_open:
            # It listens already; the browser waits until it answers.
            webbrowser.open(address(taken))
        server.run(sockets=[taken])
    except KeyboardInterrupt:
        logger.info("ended")


def _end(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
