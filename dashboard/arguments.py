"""The command line of the dashboard."""

import argparse
import ipaddress

from katib_local.errors import UsageError
from katib_local.record.run_folder import RUNS
from katib_suggestion.user_paths import user_path

LOOPBACK = "127.0.0.1"

_EPILOG = """\
exit codes:
    0  it was ended, by Ctrl-C or SIGTERM
    2  wrong use of a flag
    5  the machine gave out: the port is taken
    6  the cluster cannot be reached
"""


def parser() -> argparse.ArgumentParser:
    """Make the parser."""
    made = _Parser(
        prog="katib-nas dashboard",
        description="Serve pages that follow experiments: the runs on this machine, or a cluster's.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "--runs",
        type=user_path,
        default=RUNS,
        metavar="DIR",
        help="folder that runs are kept in (default: %(default)s)",
    )
    made.add_argument("--host", default=LOOPBACK, metavar="ADDRESS", help="to listen at (default: %(default)s)")
    made.add_argument(
        "--port",
        type=_port,
        default=8080,
        metavar="N",
        help="to listen at; 0 for any that is free (default: %(default)s)",
    )
    made.add_argument("--open", action="store_true", help="open the page in a browser")
    return made


def is_loopback(host: str) -> bool:
    """Tell whether an address can be reached from this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise UsageError(f"{message} (see {self.prog} --help)")


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: it must be an integer from 0 to 65535")
    return int(text)
