"""``katib-nas export``: a trained network for other programs."""

import argparse
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from katib_local.errors import RunFolderError, UsageError
from katib_local.models import found, origin, programs, trained
from katib_local.models.trained import CARD, MODEL, PROGRAM
from katib_suggestion.files.user_paths import user_path

FILES = {"onnx": MODEL, "pt2": PROGRAM}
MLFLOW = "mlflow"

_EPILOG = """\
The file is checked by running it beside the network. model-card.md, beside it, says what the network is, what it was
trained on, how good it is, what it costs on this machine, how to run it, and which search it comes from.

With --to mlflow an MLflow server gets a run for each trial, with parameters, metrics over time and its picture, and one
for the network that was trained, with its model, which is registered. What is there already stays as it is.

exit codes:
    0  done
    2  wrong use of a flag, there is no trained network, or the file does not compute what the network does
    5  the machine gave out: disk, permissions
    6  the MLflow server cannot be reached, or refuses
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
    forms = "onnx, which any ONNX runtime reads; pt2, a program of torch.export; or mlflow, a server's runs and models"
    parser.add_argument("--to", required=True, choices=(*FILES, MLFLOW), help=forms)
    folder = "where the file and its card go (default: the folder of the training)"
    parser.add_argument("-o", "--output-dir", type=user_path, metavar="D", help=folder)
    parser.add_argument("--uri", metavar="URI", help="of the MLflow server, such as http://localhost:5000")
    name = "of MLflow's experiment and of the registered model (default: the name of the search)"
    parser.add_argument("--name", metavar="NAME", help=name)


def export(arguments: argparse.Namespace) -> int:
    """Write a trained network as a file that is checked by running it, and its model card; or hand it to MLflow."""
    if arguments.to == MLFLOW:
        return _to_mlflow(arguments)
    if arguments.uri is not None or arguments.name is not None:
        raise UsageError(f"--uri and --name are for --to {MLFLOW}")
    folder = trained.find(arguments.run)
    return programs.become(_command(folder, arguments.to, arguments.output_dir or folder))


def _command(folder: Path, form: str, output: Path) -> list[str]:
    flags = [str(folder), f"--to={form}", f"--output={output / FILES[form]}", f"--card={output / CARD}"]
    return programs.command(trained.exporter_of(folder), flags)


def _to_mlflow(arguments: argparse.Namespace) -> int:
    from katib_local.models import mlflow_runs

    if arguments.uri is None:
        raise UsageError(f"--to {MLFLOW} needs --uri, such as http://localhost:5000")
    mlflow_runs.require()
    run = found.run_of(arguments.run)
    network: Path | None = None
    try:
        network = trained.find(arguments.run)
    except RunFolderError:
        if run is None:
            raise
    if network is not None:
        _make_model(network)
    name = arguments.name or (run and run.experiment.name) or _name_of(network)
    mlflow_runs.log(arguments.uri, name, run, network)
    return 0


def _make_model(folder: Path) -> None:
    """Write the ONNX file of a network where there is none yet."""
    if (folder / MODEL).is_file():
        return
    if find_spec("torch") is None:
        raise UsageError(f"{folder} has no {MODEL}: katib-nas export {folder} --to onnx writes it, where torch is")
    done = subprocess.run(_command(folder, "onnx", folder), check=False)
    if done.returncode != 0:
        raise RunFolderError(f"{folder} cannot be exported: exit code {done.returncode}")


def _name_of(network: Path | None) -> str:
    assert network is not None
    return str(origin.read(network).get("experiment") or network.absolute().name)
