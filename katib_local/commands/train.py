"""``katib-nas train``: train what a search found longer, and keep it."""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from katib_local.commands.pass_on import PassingOn, positive
from katib_local.errors import UsageError
from katib_local.models import found, origin, programs
from katib_local.models.found import Chosen, ToTrain
from katib_local.showing import display
from katib_suggestion.files.user_paths import user_path

EPILOG = """\
All other flags are those of the program that trains networks of that kind, such as --num-epochs, --dataset,
--train-portion, --precision, --device, --fresh: see python -m enas_trainer.retrain --help for architectures, and
python -m darts_trainer.retrain --help for genotypes. Data that are not named are those of the trial. The same command
goes on with a training that was killed.

exit codes: those of that program, 0 done, 2 wrong input, 3 the machine gave out, 4 diverged; and of this one
    2  wrong use of a flag, or there is no such run
    3  what is named is neither genotype nor architecture
    6  the cluster cannot be reached, or refuses
"""


def add_to(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the command to those of ``katib-nas``."""
    parser = commands.add_parser(
        "train",
        help=train.__doc__,
        description=train.__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    assert isinstance(parser, PassingOn)
    parser.passes_on = True
    parser.set_defaults(command=train)
    what = (
        "folder of a run, or its name below runs/ (default: the newest there); of a trial or a search; a file; a "
        "genotype or an architecture as text"
    )
    parser.add_argument("run", nargs="?", metavar="RUN", help=what)
    add_cluster_arguments(parser)
    folder = f"folder of the training (default: {found.FOLDER} in that of RUN; of a cluster's: NAME-{found.FOLDER})"
    parser.add_argument("--output-dir", type=user_path, metavar="D", help=folder)
    gpus = "train in N processes, each on a GPU of its own (default: %(default)s)"
    parser.add_argument("--num-gpus", type=positive, default=1, metavar="N", help=gpus)


def add_cluster_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags that name an Experiment on a cluster."""
    parser.add_argument("--experiment", metavar="NAME", help="an Experiment on a cluster in place of a run")
    parser.add_argument("--namespace", default="default", help="where it is (default: %(default)s)")
    parser.add_argument("--context", metavar="NAME", help="context of the kubeconfig (default: the current one)")


def train(arguments: argparse.Namespace) -> int:
    """Train the best network of a search longer, from nothing, and keep it."""
    if arguments.experiment is None:
        what = found.named(arguments.run)
    elif arguments.run is None:
        what = found.on_cluster(arguments.experiment, arguments.namespace, arguments.context)
    else:
        raise UsageError("RUN and --experiment are not allowed together")
    if isinstance(what, Chosen):
        return _show(what)
    folder: Path = arguments.output_dir or what.folder
    origin.write(folder, what.origin, is_fresh="--fresh" in arguments.others)
    return programs.become(command(what, folder, arguments.others, arguments.num_gpus))


def command(what: ToTrain, folder: Path, others: Sequence[str], num_processes: int = 1) -> list[str]:
    """Return the command of the training; of a flag that is given twice the later counts."""
    flags = [*what.data, *what.recipe.flags, f"--output-dir={folder}", *others]
    return programs.command(what.recipe.program, flags, num_processes)


def _show(chosen: Chosen) -> int:
    """Print what to run: what plain parameters mean, only the trial's own program knows."""
    console = Console()
    values = shlex.join(f"{name}={value}" for name, value in chosen.trial.assignments.items())
    display.write(Console(stderr=True), f"{chosen.trial.name} is the best trial, with {values}; its command:")
    display.write(console, chosen.command)
    return 0
