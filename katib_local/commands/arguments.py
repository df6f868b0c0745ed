"""The command line of ``katib-nas``: its flags, and what its exit codes mean."""

import argparse
from collections.abc import Callable
from importlib.metadata import version

from katib_cluster import register
from katib_local.commands import architecture, dashboard, export, flatten, genotype, report, runs, train
from katib_local.commands.pass_on import PassingOn
from katib_local.manifest import manifest
from katib_local.record.dataset_paths import located
from katib_local.record.options import Options, absolute, image_target, is_address
from katib_suggestion.files.user_paths import user_path

EXIT_SUCCEEDED = 0
EXIT_EXPERIMENT_FAILED = 1
EXIT_USAGE = 2
EXIT_REFUSED = 3
EXIT_SERVICE = 4
EXIT_MACHINE = 5
EXIT_CLUSTER = 6
EXIT_INTERRUPTED = 130

_EPILOG = """\
exit codes:
    0  the experiment succeeded, or the manifest is valid
    1  the experiment failed: maxFailedTrialCount was reached, or no trial has succeeded with an
       objective that is neither NaN nor empty, or none is within the search's budget
    2  wrong use: a flag, or a run folder that cannot be used
    3  the manifest is refused, by this program or by the suggestion service; or a genotype or an
       architecture is none
    4  the suggestion service does not start, does not answer, or answers what Katib would not take
    5  the machine gave out: disk, permissions, processes
    6  the cluster cannot be reached, or refuses
  130  interrupted by Ctrl-C or SIGTERM; --resume goes on
"""


_ARGUMENTS = {"register": register.add_arguments, "report": report.add_arguments}
"""Commands that take other arguments than a manifest, and what adds them."""


def options_of(arguments: argparse.Namespace) -> Options:
    """Gather the options of a parsed command line."""
    return Options(
        manifest=None if arguments.manifest == manifest.STANDARD_INPUT else absolute(arguments.manifest),
        dataset=arguments.dataset and located(arguments.dataset, arguments.data_dir),
        data_dir=absolute(arguments.data_dir),
        image_size=arguments.image_size,
        max_images=getattr(arguments, "max_images", None),
        shared_weights=absolute(getattr(arguments, "shared_weights", None)),
        images=dict(arguments.image),
        suggestion=arguments.suggestion,
        seed=getattr(arguments, "seed", None),
        parallel=getattr(arguments, "parallel", None),
    )


def parser(*commands: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
    """Make the parser; the namespace's ``command`` is the function of the command that was given.

    Args:
        commands: the functions ``run``, ``validate``, ``report`` and ``register``; their names, and their docstrings'
            first lines, are those of the commands.
    """
    parser = PassingOn(
        prog="katib-nas",
        description="Run a Katib Experiment on this machine: the same manifest as on a cluster, without one; look "
        "at what it found; or register the suggestion services on a cluster.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"katib-nas {version('katib-nas')}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in commands:
        summary = (command.__doc__ or "").partition("\n")[0]
        subparser = subparsers.add_parser(
            command.__name__,
            help=summary,
            description=summary,
            epilog=register.EPILOG if command.__name__ == "register" else _EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        subparser.set_defaults(command=command)
        if command.__name__ in _ARGUMENTS:
            _ARGUMENTS[command.__name__](subparser)
            continue
        subparser.add_argument(
            "manifest",
            type=manifest.find,
            metavar="MANIFEST",
            help="an Experiment, kubeflow.org/v1beta1; - for standard input; or an example's name, such as enas-digits",
        )
        _add_shared_arguments(subparser)
        if command.__name__ == "run":
            _add_run_arguments(subparser)
    runs.add_to(subparsers)
    dashboard.add_to(subparsers)
    architecture.add_to(subparsers)
    flatten.add_to(subparsers)
    genotype.add_to(subparsers)
    train.add_to(subparsers)
    export.add_to(subparsers)
    return parser


def _add_shared_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--suggestion", type=_address, metavar="HOST:PORT", help="use this suggestion service instead of starting one"
    )
    parser.add_argument(
        "--image",
        type=_image,
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="run the programs of folder DIR, or of an image that is known, for container image NAME; can be given "
        "several times",
    )
    datasets = "cifar10, cifar100, svhn, fashion-mnist, digits, imagefolder:PATH, npz:PATH, fake"
    texts = "text:DIR, python-docs, grammar"
    said = f"data set of the trials, whatever their command says: {datasets}; of text {texts}"
    parser.add_argument("--dataset", help=said)
    parser.add_argument("--data-dir", type=user_path, metavar="D", help="folder of the trials' data")
    parser.add_argument("--image-size", metavar="N", help="N or HxW pixels that the trials bring their images to")


def _add_run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output-dir",
        type=user_path,
        metavar="D",
        help="folder of the run (default: runs/EXPERIMENT-TIME; with --resume the experiment's newest there)",
    )
    parser.add_argument("--max-images", type=_positive, metavar="N", help="training images that a trial uses")
    parser.add_argument(
        "--shared-weights", type=user_path, metavar="D", help="folder of weights that ENAS trials share"
    )
    parser.add_argument("--parallel", type=_positive, metavar="N", help="trials at a time, for parallelTrialCount")
    parser.add_argument("--resume", action="store_true", help="go on with a run; its finished trials are kept")
    parser.add_argument(
        "--seed", type=_seed, metavar="N", help="makes a run repeatable: what an ENAS search draws, and each trial"
    )


def _address(text: str) -> str:
    if not is_address(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: it must be HOST:PORT")
    return text


def _image(text: str) -> tuple[str, str]:
    name, separator, target = text.partition("=")
    try:
        return name, image_target(target if name and separator else "")
    except ValueError as error:
        allowed = "it must be NAME=DIR, and DIR a folder, or NAME=KNOWN-IMAGE, such as katib-nas/enas-trainer"
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: {allowed}") from error


def _positive(text: str) -> int:
    return _integer(text, minimum=1)


def _seed(text: str) -> int:
    return _integer(text, minimum=0)


def _integer(text: str, minimum: int) -> int:
    if not text.isascii() or not text.isdigit() or not minimum <= int(text) < 2**31:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not allowed: it must be an integer from {minimum} to {2**31 - 1}"
        )
    return int(text)
