"""Export a trained network to ONNX: ``python -m darts_trainer.export DIR --output model.onnx``.

The graph of a network of pictures has one input, ``images``: uint8, 0 to 255, (B, C, H, W) for any B; the normalisation
is inside. Its output is ``logits``, (B, K). Where the classes have names, the file's metadata have them as
``class_names``, a list in JSON.

That of a language model takes one step of B texts. Its inputs are ``words``, int64, (B,): the places of words in the
vocabulary of ``network.json``; and ``state``, float32, (L, B, H): zeros before a text. Its outputs are ``logits`` of
the next word, (B, V), and ``next_state``, which goes with that word.

Where onnxruntime is installed it runs the graph beside the network, on random images or texts, and a difference is an
error.
"""

import json
import logging
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from darts_trainer import predictor, text_predictor
from darts_trainer.predictor import Predictor
from darts_trainer.text_predictor import TextPredictor
from katib_suggestion import durable_files
from katib_suggestion.user_paths import user_path
from trial_runtime import command_line
from trial_runtime.command_line import CommandLineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOLERANCE = 1e-3
"""Largest difference of a logit, in relation to the largest one: both add up in float32, in different orders."""

_CHECKED_BATCHES = (1, 5)
_CHECKED_WORDS = 4

logger = logging.getLogger(__name__)


class ExportError(ValueError):
    """The exported graph does not compute what the network does."""


def export(trained: Predictor | TextPredictor) -> bytes:
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
    batch = torch.export.Dim("batch")
    inputs: dict[str, Tensor]
    if isinstance(trained, TextPredictor):
        inputs = {"words": torch.zeros(2, dtype=torch.int64), "state": trained.model.initial_state(2)}
        outputs, shapes = ["logits", "next_state"], {"words_b": {0: batch}, "state_lbh": {1: batch}}
    else:
        inputs = {"images": torch.zeros(2, *trained.image_shape, dtype=torch.uint8)}
        outputs, shapes = ["logits"], {"images_bchw": {0: batch}}
    program = torch.onnx.export(
        trained,
        tuple(inputs.values()),
        dynamo=True,
        input_names=[*inputs],
        output_names=outputs,
        dynamic_shapes=shapes,
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    if isinstance(trained, Predictor) and trained.class_names:
        onnx.helper.set_model_props(model, {"class_names": json.dumps(trained.class_names, ensure_ascii=False)})
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def largest_difference(trained: Predictor | TextPredictor, file: bytes) -> float:
    """Run an exported file by onnxruntime; return how far a logit is from the network's, in relation to the largest.

    Random images, or texts, of several batch sizes are read by both.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    found: list[float] = []
    for size in _CHECKED_BATCHES:
        if isinstance(trained, TextPredictor):
            found += _differences_on_text(trained, session, size, generator)
        else:
            found += _differences_on_images(trained, session, size, generator)
    return max(found)


@torch.no_grad()
def _differences_on_images(trained: Predictor, session: Any, size: int, generator: torch.Generator) -> list[float]:
    images_bchw = torch.randint(256, (size, *trained.image_shape), generator=generator, dtype=torch.uint8)
    (found_bk,) = session.run(["logits"], {"images": images_bchw.numpy()})
    return [_difference(found_bk, trained(images_bchw))]


@torch.no_grad()
def _differences_on_text(trained: TextPredictor, session: Any, size: int, generator: torch.Generator) -> list[float]:
    """Of each word of a text; each goes on from its own state before."""
    expected_lbh = trained.model.initial_state(size)
    found_lbh = expected_lbh.numpy()
    differences = []
    for _ in range(_CHECKED_WORDS):
        words_b = torch.randint(len(trained.vocabulary), (size,), generator=generator)
        found_bv, found_lbh = session.run(["logits", "next_state"], {"words": words_b.numpy(), "state": found_lbh})
        expected_bv, expected_lbh = trained(words_b, expected_lbh)
        differences += [_difference(found_bv, expected_bv), _difference(found_lbh, expected_lbh)]
    return differences


def _difference(found: "NDArray[Any]", expected: Tensor) -> float:
    return float((torch.from_numpy(found) - expected).abs().max() / expected.abs().max())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""

    def run() -> None:
        parser = command_line.Parser(prog="darts_trainer.export", description="Export a trained network to ONNX.")
        parser.add_argument("folder", type=user_path, metavar="DIR", help="output folder of darts_trainer.retrain")
        parser.add_argument("-o", "--output", type=user_path, default=Path("model.onnx"), help="default: %(default)s")
        arguments = parser.parse_args(argv)
        folder = arguments.folder
        trained = text_predictor.load(folder) if text_predictor.is_text(folder) else predictor.load(folder)
        file = export(trained)
        if find_spec("onnxruntime") is None:
            logger.warning("onnxruntime is not installed: the graph is checked against the standard, but was not run")
        elif (difference := largest_difference(trained, file)) > TOLERANCE:
            raise ExportError(f"the exported graph differs from the network by {difference:g} of its largest logit")
        else:
            logger.info("run by onnxruntime: within %.1g of the network's largest logit", difference)
        durable_files.write(arguments.output, file)
        logger.info("wrote %s: %d bytes", arguments.output, len(file))

    return command_line.run(run)


if __name__ == "__main__":
    sys.exit(main())
