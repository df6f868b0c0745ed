"""Export a trained macro network: ``python -m enas_trainer.export DIR --output model.onnx``.

The graph has one input, ``images``: uint8, 0 to 255, (B, C, H, W) for any B; the normalisation is inside. Its output is
``logits``, (B, K). Where the classes have names, the file's metadata have them as ``class_names``, a list in JSON. The
file is run beside the network, on random images, and a difference is an error; an ONNX file is run where onnxruntime
is installed.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from katib_suggestion import extras

with extras.needed("trainer", __name__):
    from enas_trainer import predictor
    from trial_runtime.trained import export_command, graph
    from trial_runtime.trained.graph import Graph


def load(folder: Path) -> Graph:
    """Return the graph of the network in a folder.

    Raises:
        SavedNetworkError: there is none.
    """
    return graph.of_pictures(predictor.load(folder))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    return export_command.run("enas_trainer.export", load, argv)


if __name__ == "__main__":
    sys.exit(main())
