"""The language model that a trial of a recurrent cell trains, and its weights as a bank shares them."""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn

from cell_networks.language_model import INITIAL_RANGE, LanguageModel
from cell_networks.recurrent import RecurrentCell
from enas_trainer.recurrent.config import RecurrentNetwork
from enas_trainer.sharing.shared_weights import Part
from trial_runtime.costs.network_cost import num_parameters


class Child(LanguageModel):
    """The language model of a cell.

    Args:
        asked: cell and sizes.
        hidden_size: units of the nodes.
        generator: on the CPU; draws the weights.
        precision: that passes compute in; see `trial_runtime.devices.precision`.
    """

    def __init__(
        self, asked: RecurrentNetwork, hidden_size: int, generator: torch.Generator, *, precision: str = "fp32"
    ) -> None:
        cells = [RecurrentCell(asked.genotype, hidden_size) for _ in range(asked.num_layers)]
        super().__init__(cells, asked.vocabulary_size, hidden_size, generator=generator, precision=precision)
        self._edges = asked.genotype.recurrent

    @property
    def num_parameters(self) -> int:
        """Numbers that are trained; what embeds words and what decodes them is one matrix."""
        return num_parameters(self)

    def parts(self) -> Iterator[Part]:
        """Yield all weights, as a bank holds them: a node's belong to it and its source, whatever its function."""
        yield _drawn("embedding", self.embedding_vh)
        yield Part(initialise=self._clear_bias, entries={"decoder": {"bias": self.decoder_bias_v.detach()}})
        for layer, cell in enumerate(self.cells, start=1):
            assert isinstance(cell, RecurrentCell)
            place = f"layer-{layer:03d}"
            yield _drawn(f"{place}.node-0", cell.input_weight_hg)
            for node, (edge, weight_hg) in enumerate(zip(self._edges, cell.node_weight_nhg, strict=True), start=1):
                yield _drawn(f"{place}.node-{node}.of-{edge.source}", weight_hg)

    def _clear_bias(self, _: torch.Generator) -> None:
        nn.init.zeros_(self.decoder_bias_v)


def _drawn(entry: str, weight: Tensor) -> Part:
    shared = weight.detach()
    return Part(initialise=partial(_draw, shared), entries={entry: {"weight": shared}})


def _draw(weight: Tensor, generator: torch.Generator) -> None:
    nn.init.uniform_(weight, -INITIAL_RANGE, INITIAL_RANGE, generator=generator)
