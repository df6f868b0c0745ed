"""The command line of the trainers' exports: a trained network as a file for other programs, and what it is."""

import argparse
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from katib_suggestion.files import durable_files
from katib_suggestion.files.user_paths import user_path
from trial_runtime import command_line, program
from trial_runtime.trained import card, latency, onnx_file, program_file
from trial_runtime.trained.graph import Graph
from trial_runtime.trained.latency import Latency

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Form:
    """A form of files."""

    default: str
    """Of a file."""
    write: Callable[[Graph], bytes]
    """Writes a network, and checks the file by running it."""


def _onnx(graph: Graph) -> bytes:
    file = onnx_file.write(graph)
    if not onnx_file.is_runnable():
        logger.warning("onnxruntime is not installed: the graph is checked against the standard, but was not run")
        return file
    difference = graph.check(onnx_file.runner(file, graph))
    logger.info("run by onnxruntime: within %.1g of the network's largest output", difference)
    return file


def _program(graph: Graph) -> bytes:
    file = program_file.write(graph)
    logger.info("run by torch: within %.1g of the network's largest output", graph.check(program_file.runner(file)))
    return file


FORMS: Mapping[str, _Form] = {
    "onnx": _Form(default="model.onnx", write=_onnx),
    "pt2": _Form(default="model.pt2", write=_program),
}
"""What ``--to`` may name."""


def run(name: str, load: Callable[[Path], Graph], argv: Sequence[str] | None) -> int:
    """Run a trainer's export; return its exit code.

    Args:
        name: of the program.
        load: reads the network of a folder.
        argv: what follows the name; None for that of this process.
    """

    def main() -> None:
        arguments = _parser(name).parse_args(argv)
        form = FORMS[arguments.to]
        output = arguments.output or Path(form.default)
        graph = load(arguments.folder)
        file = form.write(graph)
        durable_files.write(output, file)
        logger.info("wrote %s: %d bytes", output, len(file))
        if arguments.card is not None:
            card.write(arguments.card, arguments.folder, graph, output, _latencies(graph))
            logger.info("wrote %s", arguments.card)

    return program.run(main)


def _latencies(graph: Graph) -> list[Latency]:
    """Measure a network on all that is here: the CPU where it can be exported and run, and a GPU."""
    devices = [torch.device("cpu")] if onnx_file.is_measurable() else []
    if torch.cuda.is_available():
        devices.append(torch.device("cuda"))
    return [latency.measure(graph, device) for device in devices]


def _parser(program: str) -> argparse.ArgumentParser:
    parser = command_line.Parser(prog=program, description="Export a trained network.")
    parser.add_argument(
        "folder", type=user_path, metavar="DIR", help=f"output folder of {program.replace('export', 'retrain')}"
    )
    forms = "onnx, or pt2 for a program of torch.export (default: %(default)s)"
    parser.add_argument("--to", choices=tuple(FORMS), default="onnx", help=forms)
    default = ", ".join(form.default for form in FORMS.values())
    parser.add_argument("-o", "--output", type=user_path, help=f"the file (default: {default})")
    card_help = "write a model card: what it is, how good, its latency here, and how to run it"
    parser.add_argument("--card", type=user_path, metavar="FILE.md", help=card_help)
    return parser
