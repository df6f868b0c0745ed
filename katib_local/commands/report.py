"""``katib-nas report``: an experiment as a page to look at."""

import argparse
import webbrowser
from pathlib import Path

from rich.console import Console

from katib_local.errors import UsageError
from katib_local.record import run_folder
from katib_local.record.run_folder import REPORT
from katib_local.report.model import Report
from katib_suggestion.files.user_paths import user_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    parser.add_argument(
        "run_dir",
        nargs="?",
        type=user_path,
        metavar="RUN_DIR",
        help="folder of a run, or its name below runs/ (default: the newest there), or of a search of cells or a "
        "training that was started by hand; the page is its report.html",
    )
    parser.add_argument("--experiment", metavar="NAME", help="an Experiment on a cluster in place of a run")
    parser.add_argument("--namespace", default="default", help="where it is (default: %(default)s)")
    parser.add_argument("--context", metavar="NAME", help="context of the kubeconfig (default: the current one)")
    parser.add_argument(
        "--output",
        type=user_path,
        metavar="FILE",
        help="file of the page (of a cluster's experiment: NAME-report.html)",
    )
    parser.add_argument("--open", action="store_true", help="open the page in a browser")


def report(arguments: argparse.Namespace) -> int:
    """Write a page with an experiment's plots, trials and best architecture.

    Raises:
        UsageError: a run and a cluster's experiment are both named.
        RunFolderError: there is no such run.
        ClusterError: the cluster cannot be reached, or has no such Experiment.
        OSError: the page cannot be written.
    """
    # Only this command draws.
    from katib_local.report import page

    read, path = _read(arguments)
    page.write(read, path)
    Console().print(str(path), markup=False, highlight=False, soft_wrap=True)
    if arguments.open:
        webbrowser.open(path.absolute().as_uri())
    return 0


def _read(arguments: argparse.Namespace) -> tuple[Report, Path]:
    if arguments.experiment is not None:
        if arguments.run_dir is not None:
            raise UsageError("RUN_DIR and --experiment are not allowed together")
        # The client takes a second to import.
        from katib_local.report import read_cluster

        read = read_cluster.read(arguments.experiment, arguments.namespace, arguments.context)
        return read, arguments.output or Path(f"{arguments.experiment}-report.html")
    from katib_local.report import read_folder, read_run

    by_hand: Path | None = arguments.run_dir
    if by_hand is not None and read_folder.record_of(by_hand) is not None:
        return read_folder.read(by_hand), arguments.output or by_hand / REPORT
    folder = run_folder.newest(arguments.run_dir)
    return read_run.read(folder), arguments.output or folder.report
