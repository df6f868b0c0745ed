"""Export a trained network to ONNX: ``python -m darts_trainer.export DIR --output model.onnx``.

The graph has one input, ``images``: uint8, 0 to 255, (B, C, H, W) for any B; the normalisation is inside. Its output is
``logits``, (B, K). Where onnxruntime is installed it runs the graph beside the network on random images, and a
difference is an error.
"""

import logging
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from darts_trainer import predictor
from darts_trainer.predictor import Predictor
from katib_suggestion.user_paths import user_path
from trial_runtime import artifacts, command_line
from trial_runtime.command_line import CommandLineError

TOLERANCE = 1e-3
"""Largest difference of a logit, in relation to the largest one: both add up in float32, in different orders."""

_CHECKED_BATCHES = (1, 5)

logger = logging.getLogger(__name__)


class ExportError(ValueError):
    """The exported graph does not compute what the network does."""


def export(trained: Predictor) -> bytes:
    """Return a trained network as an ONNX file, checked against the standard.

    Raises:
        CommandLineError: onnx or onnxscript is not installed.
    """
    missing = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
    if missing:
        raise CommandLineError(
            f"{' and '.join(missing)} must be installed for an export: pip install 'katib-nas[onnx]'"
        )
    import onnx

    for name in ("onnx_ir", "onnxscript"):  # they tell each step of their own
        logging.getLogger(name).setLevel(logging.WARNING)
    example_bchw = torch.zeros(2, *trained.image_shape, dtype=torch.uint8)
    program = torch.onnx.export(
        trained,
        (example_bchw,),
        dynamo=True,
        input_names=["images"],
        output_names=["logits"],
        dynamic_shapes={"images_bchw": {0: torch.export.Dim("batch")}},
        verbose=False,
    )
    assert program is not None
    onnx.checker.check_model(program.model_proto, full_check=True)
    return program.model_proto.SerializeToString()


def largest_difference(trained: Predictor, file: bytes) -> float:
    """Run an exported file by onnxruntime; return how far a logit is from the network's, in relation to the largest.

    Random images of several batch sizes are classified by both.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    differences = []
    for size in _CHECKED_BATCHES:
        images_bchw = torch.randint(256, (size, *trained.image_shape), generator=generator, dtype=torch.uint8)
        with torch.no_grad():
            expected_bk: Tensor = trained(images_bchw)
        (found_bk,) = session.run(["logits"], {"images": images_bchw.numpy()})
        difference = (torch.from_numpy(found_bk) - expected_bk).abs().max() / expected_bk.abs().max()
        differences.append(float(difference))
    return max(differences)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""

    def run() -> None:
        parser = command_line.Parser(prog="darts_trainer.export", description="Export a trained network to ONNX.")
        parser.add_argument("folder", type=user_path, metavar="DIR", help="output folder of darts_trainer.retrain")
        parser.add_argument("-o", "--output", type=user_path, default=Path("model.onnx"), help="default: %(default)s")
        arguments = parser.parse_args(argv)
        trained = predictor.load(arguments.folder)
        file = export(trained)
        if find_spec("onnxruntime") is None:
            logger.warning("onnxruntime is not installed: the graph is checked against the standard, but was not run")
        elif (difference := largest_difference(trained, file)) > TOLERANCE:
            raise ExportError(f"the exported graph differs from the network by {difference:g} of its largest logit")
        else:
            logger.info("run by onnxruntime: within %.1g of the network's largest logit", difference)
        artifacts.write_bytes(arguments.output, file)
        logger.info("wrote %s: %d bytes", arguments.output, len(file))

    return command_line.run(run)


if __name__ == "__main__":
    sys.exit(main())
