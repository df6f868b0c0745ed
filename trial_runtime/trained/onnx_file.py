"""Trained networks as ONNX files, and ONNX Runtime, which runs them."""

import logging
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from trial_runtime.command_line import CommandLineError
from trial_runtime.trained.graph import Graph, Run

RUNTIME = "onnxruntime"
WRITERS = ("onnx", "onnxscript")
"""Packages."""


def write(graph: Graph) -> bytes:
    """Return a network as an ONNX file, checked against the standard.

    Raises:
        CommandLineError: onnx or onnxscript is not installed.
    """
    require(*WRITERS)
    import onnx

    for name in ("onnx_ir", "onnxscript"):  # they tell each step of their own
        logging.getLogger(name).setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # Inputs of one batch share its axis, which has a name already.
        warnings.filterwarnings("ignore", "# The axis name", UserWarning)
        program = torch.onnx.export(
            graph.network,
            graph.examples(2),
            dynamo=True,
            input_names=[*graph.inputs],
            output_names=[*graph.outputs],
            dynamic_shapes=graph.dynamic_shapes(),
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    if graph.metadata:
        onnx.helper.set_model_props(model, dict(graph.metadata))
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def session(file: bytes, *, num_threads: int = 0) -> Any:
    """Return a session of ONNX Runtime on the CPU.

    Args:
        file: as `write` returned it.
        num_threads: 0 for as many as it likes.

    Raises:
        CommandLineError: onnxruntime is not installed.
    """
    require(RUNTIME)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = num_threads
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def runner(file: bytes, graph: Graph) -> Run:
    """Return what runs a file.

    Raises:
        CommandLineError: onnxruntime is not installed.
    """
    opened = session(file)

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        given = {name: tensor.numpy() for name, tensor in zip(graph.inputs, inputs, strict=True)}
        return [torch.from_numpy(found) for found in opened.run([*graph.outputs], given)]

    return run


def is_runnable() -> bool:
    """Whether ONNX Runtime is installed."""
    return find_spec(RUNTIME) is not None


def is_measurable() -> bool:
    """Whether all is installed that writes a file and runs it."""
    return all(find_spec(name) is not None for name in (*WRITERS, RUNTIME))


def require(*names: str) -> None:
    """Refuse to go on without some packages.

    Raises:
        CommandLineError: one is not installed.
    """
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        extra = "latency" if RUNTIME in missing else "onnx"
        raise CommandLineError(f"{' and '.join(missing)} must be installed: pip install 'katib-nas[{extra}]'")
