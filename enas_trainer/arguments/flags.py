"""What every trial of ENAS is told on its command line beside its architecture and its data."""

import argparse
import os

import torch

from trial_runtime import command_line, from_runner
from trial_runtime.devices import devices
from trial_runtime.devices.precision import PRECISIONS


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add ``--num_gpus``, ``--precision`` and ``--shared-weights``."""
    gpus = "processes to train in, each on a GPU of its own; 0 computes on the CPU (default: %(default)s)"
    parser.add_argument("--num_gpus", type=command_line.integer(0), default=1, help=gpus)
    parser.add_argument("--precision", choices=PRECISIONS, default=PRECISIONS[0], help="default: %(default)s")
    parser.add_argument(
        "--shared-weights",
        type=from_runner.place,
        metavar="DIR",
        default=os.environ.get("KATIB_NAS_SHARED_WEIGHTS") or None,
        help="begin with weights that earlier trials left in this folder, and leave them there for later ones "
        "(without it: $KATIB_NAS_SHARED_WEIGHTS, else every trial begins afresh)",
    )


def device(arguments: argparse.Namespace) -> torch.device:
    """Return where a trial computes: ``--device``, unless no GPU was asked for."""
    found: torch.device = arguments.device if arguments.num_gpus else devices.resolve("cpu")
    return found
