"""The language model of a given recurrent cell.

Shape suffixes: t steps, b batch, h hidden units, g gates and candidates (2H), n nodes.
"""

import torch
from torch import Tensor, nn

from cell_networks.activations import FUNCTIONS
from cell_networks.language_model import LanguageModel
from darts_genotype.recurrent import RecurrentGenotype


class RecurrentCell(nn.Module):
    """A cell whose nodes each have one source and one function (arXiv 1806.09055, sections 2.1 and 3.1.2).

    Node 0 is ``h + σ(a)(tanh(b) - h)`` with ``[a b] = [x h] W0`` and h the output before; node i is
    ``s + σ(a)(f(b) - s)`` with s its source and ``[a b] = s W_i``. The output is the mean of some nodes.

    Args:
        genotype: sources, functions, and the nodes of the output.
        hidden_size: units of inputs, states and outputs.
    """

    def __init__(self, genotype: RecurrentGenotype, hidden_size: int) -> None:
        super().__init__()
        self._genotype = genotype
        self.input_weight_hg = nn.Parameter(torch.empty(2 * hidden_size, 2 * hidden_size))
        self.node_weight_nhg = nn.Parameter(torch.empty(genotype.num_nodes, hidden_size, 2 * hidden_size))

    def forward(
        self,
        x_tbh: Tensor,
        state_bh: Tensor,
        x_mask_bh: Tensor | None = None,
        state_mask_bh: Tensor | None = None,
    ) -> Tensor:
        """Compute the outputs, (T, B, H); see `cell_networks.language_model.Cell`."""
        size = state_bh.shape[1]
        # Of all steps at once: only what comes from the states has to wait for them.
        masked_tbh = x_tbh if x_mask_bh is None else x_tbh * x_mask_bh
        of_inputs_tbg = masked_tbh @ self.input_weight_hg[:size]
        state_weight_hg = self.input_weight_hg[size:]
        outputs = []
        for of_input_bg in of_inputs_tbg.unbind():
            product_bg = of_input_bg + _masked(state_bh, state_mask_bh) @ state_weight_hg
            nodes = [_gated(state_bh, product_bg, "tanh")]
            for (activation, source), weight_hg in zip(
                self._genotype.recurrent, self.node_weight_nhg.unbind(), strict=True
            ):
                product_bg = _masked(nodes[source], state_mask_bh) @ weight_hg
                nodes.append(_gated(nodes[source], product_bg, activation))
            state_bh = torch.stack([nodes[node] for node in self._genotype.concat]).mean(dim=0)
            outputs.append(state_bh)
        return torch.stack(outputs)


def language_model(
    genotype: RecurrentGenotype,
    vocabulary_size: int,
    hidden_size: int,
    *,
    num_layers: int = 1,
    generator: torch.Generator,
    precision: str = "fp32",
) -> LanguageModel:
    """Build the language model of a cell; see `LanguageModel`.

    Args:
        genotype: the cell, the same in each layer.
        vocabulary_size: words.
        hidden_size: units.
        num_layers: cells, one above the other.
        generator: draws the weights.
        precision: of the passes.
    """
    cells = [RecurrentCell(genotype, hidden_size) for _ in range(num_layers)]
    return LanguageModel(cells, vocabulary_size, hidden_size, generator=generator, precision=precision)


def _masked(state_bh: Tensor, mask_bh: Tensor | None) -> Tensor:
    return state_bh if mask_bh is None else state_bh * mask_bh


def _gated(state_bh: Tensor, product_bg: Tensor, activation: str) -> Tensor:
    gate_bh, candidate_bh = product_bg.to(state_bh.dtype).chunk(2, dim=1)
    return torch.lerp(state_bh, FUNCTIONS[activation](candidate_bh), gate_bh.sigmoid())
