"""Export a trained network: ``python -m darts_trainer.export DIR --output model.onnx``.

The graph of a network of pictures has one input, ``images``: uint8, 0 to 255, (B, C, H, W) for any B; the normalisation
is inside. Its output is ``logits``, (B, K). Where the classes have names, the file's metadata have them as
``class_names``, a list in JSON.

That of a language model takes one step of B texts. Its inputs are ``words``, int64, (B,): the places of words in the
vocabulary of ``network.json``; and ``state``, float32, (L, B, H): zeros before a text. Its outputs are ``logits`` of
the next word, (B, V), and ``next_state``, which goes with that word.

The file is run beside the network, on random images or texts, and a difference is an error. An ONNX file is run where
onnxruntime is installed.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from katib_suggestion import extras

with extras.needed("trainer", __name__):
    from darts_trainer import predictor, text_predictor
    from darts_trainer.predictor import Predictor
    from darts_trainer.text_predictor import TextPredictor
    from trial_runtime.trained import export_command, graph, onnx_file
    from trial_runtime.trained.graph import TOLERANCE, ExportError, Graph

__all__ = ["TOLERANCE", "ExportError", "export", "largest_difference", "main"]


def export(trained: Predictor | TextPredictor) -> bytes:
    """Return a trained network as an ONNX file, checked against the standard.

    Raises:
        CommandLineError: onnx or onnxscript is not installed.
    """
    return onnx_file.write(graph_of(trained))


def largest_difference(trained: Predictor | TextPredictor, file: bytes) -> float:
    """Run an exported file by onnxruntime; return how far a logit is from the network's, in relation to the largest.

    Random images, or texts, of several batch sizes are read by both.
    """
    exported = graph_of(trained)
    return exported.largest_difference(onnx_file.runner(file, exported))


def graph_of(trained: Predictor | TextPredictor) -> Graph:
    """Return what an export needs to know of a network."""
    return of_text(trained) if isinstance(trained, TextPredictor) else graph.of_pictures(trained)


def of_text(trained: TextPredictor) -> Graph:
    """Return the graph of a step of a language model; see the module."""
    return graph.of_words(*trained.model.step())


def load(folder: Path) -> Graph:
    """Return the graph of the network in a folder.

    Raises:
        SavedNetworkError: there is none.
    """
    return graph_of(text_predictor.load(folder) if text_predictor.is_text(folder) else predictor.load(folder))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    return export_command.run("darts_trainer.export", load, argv)


if __name__ == "__main__":
    sys.exit(main())
