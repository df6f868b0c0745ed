"""``katib-nas export``: a trained network for other programs."""

import argparse
from pathlib import Path
from typing import Any

from katib_local.models import programs, trained
from katib_suggestion.user_paths import user_path

FILES = {"onnx": "model.onnx", "pt2": "model.pt2"}
CARD = "model-card.md"

_EPILOG = """\
The file is checked by running it beside the network. model-card.md, beside it, says what the network is, what it was
trained on, how good it is, what it costs on this machine, how to run it, and which search it comes from.

exit codes:
    0  done
    2  wrong use of a flag, there is no trained network, or the file does not compute what the network does
    5  the machine gave out: disk, permissions
"""


def add_to(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the command to those of ``katib-nas``."""
    parser = commands.add_parser(
        "export",
        help=export.__doc__,
        description=export.__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=export)
    what = (
        "folder of a training, or of the run or the trial that it is of; a run's name below runs/ (default: the newest "
        "run there)"
    )
    parser.add_argument("run", nargs="?", type=user_path, metavar="RUN", help=what)
    forms = "onnx, which any ONNX runtime reads, or pt2, a program of torch.export"
    parser.add_argument("--to", required=True, choices=tuple(FILES), help=forms)
    folder = "where the file and its card go (default: the folder of the training)"
    parser.add_argument("-o", "--output-dir", type=user_path, metavar="D", help=folder)


def export(arguments: argparse.Namespace) -> int:
    """Write a trained network as a file that is checked by running it, and its model card."""
    folder = trained.find(arguments.run)
    output: Path = arguments.output_dir or folder
    flags = [
        str(folder), f"--to={arguments.to}", f"--output={output / FILES[arguments.to]}", f"--card={output / CARD}"
    ]  # fmt: skip
    return programs.become(programs.command(trained.exporter_of(folder), flags))
