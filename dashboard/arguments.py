"""The command line of the dashboard."""

import argparse
import ipaddress

from katib_local.errors import UsageError
from katib_local.record.run_folder import RUNS
from katib_suggestion.files.user_paths import user_path

LOOPBACK = "127.0.0.1"
DB_MANAGER = "katib-db-manager.kubeflow:6789"

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
    cluster = made.add_argument_group("of a cluster")
    cluster.add_argument("--cluster", action="store_true", help="show a cluster's Experiments in the place of runs")
    cluster.add_argument("--context", metavar="NAME", help="context of the kubeconfig (default: the current one)")
    cluster.add_argument("--namespace", metavar="NS", help="whose list comes first (default: it is asked for)")
    cluster.add_argument(
        "--db-manager",
        default=DB_MANAGER,
        metavar="HOST:PORT",
        help="Katib's DB manager, for curves over time (default: %(default)s)",
    )
    cluster.add_argument(
        "--review",
        action="store_true",
        help="ask the cluster what the user of each request may see; without it pages show what the kubeconfig's may, "
        "on this machine alone",
    )
    cluster.add_argument(
        "--user-header",
        default="kubeflow-userid",
        metavar="NAME",
        help="of a request, in which the gateway names its user (default: %(default)s)",
    )
    cluster.add_argument(
        "--groups-header",
        default="kubeflow-groups",
        metavar="NAME",
        help="the same for the user's groups (default: %(default)s)",
    )
    cluster.add_argument(
        "--user", metavar="NAME", help="whose all requests are, in the place of a header; on this machine alone"
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


def check(given: argparse.Namespace) -> None:
    """Refuse flags that would show to others what is not theirs to see.

    Raises:
        UsageError: naming the flag.
    """
    if given.review and not given.cluster:
        raise UsageError("--review: it is of a cluster: --cluster is missing")
    if given.user is not None and not given.review:
        raise UsageError("--user: it is for --review, which is missing")
    if is_loopback(given.host):
        return
    if not given.review:
        raise UsageError(f"--host: {given.host} is not allowed without --review: others would see all; use {LOOPBACK}")
    if given.user is not None:
        raise UsageError(f"--host: {given.host} is not allowed with --user: all others would be taken for that user")


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
