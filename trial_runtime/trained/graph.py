"""A trained network as other programs run it: its inputs and outputs by name, and whether they compute the same.

Shape suffixes: b batch.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from trial_runtime.trained.classifier import Predictor

TOLERANCE = 1e-3
"""Largest difference of an output, in relation to the largest one: both add up in float32, in different orders."""

_CHECKED_BATCHES = (1, 5)

Run = Callable[[Sequence[Tensor]], Sequence[Tensor]]
"""Computes the outputs of some inputs, both in the order of the graph's."""


class ExportError(ValueError):
    """The exported graph does not compute what the network does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Graph:
    """A network with what an export needs to know of it."""

    network: nn.Module
    """In evaluation mode; on the CPU."""
    inputs: Mapping[str, int]
    """What it takes, by name, in this order: the axis of the batch, which may have any size."""
    outputs: tuple[str, ...]
    """What it gives."""
    draw: Callable[[int, torch.Generator], tuple[Tensor, ...]]
    """Draws inputs of a batch of that size."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What a file shall hold beside, by name."""

    def examples(self, batch_size: int, seed: int = 0) -> tuple[Tensor, ...]:
        """Return random inputs, the same each time."""
        return self.draw(batch_size, torch.Generator().manual_seed(seed))

    def dynamic_shapes(self) -> tuple[dict[int, torch.export.Dim], ...]:
        """Return which axes of the inputs may have any size, as torch's exporters take it."""
        batch = torch.export.Dim("batch")
        return tuple({axis: batch} for axis in self.inputs.values())

    @torch.no_grad()
    def run(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        """Compute the outputs by the network itself."""
        found = self.network(*inputs)
        return [found] if isinstance(found, Tensor) else list(found)

    def largest_difference(self, run: Run) -> float:
        """Return how far an exported file's outputs are from the network's, in relation to the largest of each.

        Args:
            run: runs the file; it gets random inputs of several batch sizes.
        """
        found = []
        for size in _CHECKED_BATCHES:
            inputs = self.examples(size)
            for given, expected in zip(run(inputs), self.run(inputs), strict=True):
                found.append((given - expected).abs().max() / expected.abs().max())
        return float(torch.stack(found).max())  # not a number if one is none

    def check(self, run: Run) -> float:
        """Return the largest difference.

        Raises:
            ExportError: it is more than `TOLERANCE`.
        """
        difference = self.largest_difference(run)
        if not difference <= TOLERANCE:
            raise ExportError(f"the exported graph differs from the network by {difference:g} of its largest output")
        return difference


def of_pictures(trained: Predictor) -> Graph:
    """Return the graph of a network of pictures: ``images``, uint8, (B, C, H, W), to ``logits``, (B, K)."""

    def draw(batch_size: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        return (torch.randint(256, (batch_size, *trained.image_shape), generator=generator, dtype=torch.uint8),)

    names = {"class_names": json.dumps(trained.class_names, ensure_ascii=False)} if trained.class_names else {}
    return Graph(network=trained, inputs={"images": 0}, outputs=("logits",), draw=draw, metadata=names)


def of_words(network: nn.Module, vocabulary_size: int, state_shape: tuple[int, int]) -> Graph:
    """Return the graph of a step of a language model: ``words``, int64, (B,), and ``state``, (L, B, H), to ``logits``.

    Args:
        network: gives logits (B, V) and the next state.
        vocabulary_size: V.
        state_shape: (L, H).
    """
    num_layers, hidden_size = state_shape

    def draw(batch_size: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        words_b = torch.randint(vocabulary_size, (batch_size,), generator=generator)
        return words_b, torch.rand(num_layers, batch_size, hidden_size, generator=generator) * 2 - 1

    return Graph(network=network, inputs={"words": 0, "state": 1}, outputs=("logits", "next_state"), draw=draw)
