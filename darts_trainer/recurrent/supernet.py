"""The supernet of text: a language model whose cells mix, on each edge between nodes, all activation functions.

Shape suffixes: t steps, b batch, h hidden units, l layers, e edges, o operations, n nodes that compute, j sources,
f activation functions.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from cell_networks.language_model import NO_MASKS, LanguageModel, Masks, Read
from darts_genotype.primitives import NONE
from darts_trainer.recurrent import fused_cell, plain_cell

_ALPHA_SCALE = 1e-3
"""Standard deviation of the first alphas: all operations are nearly equal at the start."""


class MixtureCell(nn.Module):
    """A cell with an edge between any two nodes, each a mixture.

    Args:
        num_nodes: nodes beside node 0.
        hidden_size: units of inputs, states and outputs.
        activations: the functions that are mixed.
        normalised: see `plain_cell.outputs`.
        plain: compute as the paper writes it, which is slow.
        compiled: see `fused_cell.outputs`.
    """

    def __init__(
        self,
        num_nodes: int,
        hidden_size: int,
        activations: Sequence[str],
        *,
        normalised: bool = True,
        plain: bool = False,
        compiled: bool = False,
    ) -> None:
        super().__init__()
        assert not (plain and compiled)
        self.input_weight_hg = nn.Parameter(torch.empty(2 * hidden_size, 2 * hidden_size))
        self.node_weight_nhg = nn.Parameter(torch.empty(num_nodes, hidden_size, 2 * hidden_size))
        self._activations = tuple(activations)
        self._normalised = normalised
        self._plain = plain
        self._compiled = compiled

    def forward(
        self,
        x_tbh: Tensor,
        state_bh: Tensor,
        x_mask_bh: Tensor | None,
        state_mask_bh: Tensor | None,
        mixture_njf: Tensor,
    ) -> Tensor:
        """Compute the outputs, (T, B, H); see `plain_cell.outputs`."""
        form = plain_cell.outputs if self._plain else partial(fused_cell.outputs, compiled=self._compiled)
        return form(
            x_tbh,
            state_bh,
            self.input_weight_hg,
            self.node_weight_nhg,
            mixture_njf,
            self._activations,
            x_mask_bh=x_mask_bh,
            state_mask_bh=state_mask_bh,
            normalised=self._normalised,
        )


class RecurrentSupernet(nn.Module):
    """A language model of mixture cells, and the alphas that all of them share (arXiv 1806.09055, section 3.1.2).

    Args:
        primitives: what each edge chooses from: activation functions, and ``none``.
        vocabulary_size: words.
        num_nodes: nodes of a cell beside node 0.
        hidden_size: units of words' vectors and of states.
        num_layers: cells, one above the other.
        generator: on the CPU; draws weights and alphas. The same one gives the same network in every form.
        precision: that the passes compute in; see `trial_runtime.devices.precision`.
        normalised: see `MixtureCell`.
        plain: likewise.
        compiled: likewise.
    """

    def __init__(
        self,
        primitives: Sequence[str],
        *,
        vocabulary_size: int,
        num_nodes: int,
        hidden_size: int,
        num_layers: int = 1,
        generator: torch.Generator,
        precision: str = "fp32",
        normalised: bool = True,
        plain: bool = False,
        compiled: bool = False,
    ) -> None:
        super().__init__()
        self.primitives = tuple(primitives)
        """The operations of each edge, in the order of the alphas' columns."""
        self.num_nodes = num_nodes
        """Nodes of a cell beside node 0."""
        activations = [primitive for primitive in primitives if primitive != NONE]
        cells = [
            MixtureCell(num_nodes, hidden_size, activations, normalised=normalised, plain=plain, compiled=compiled)
            for _ in range(num_layers)
        ]
        self.model = LanguageModel(cells, vocabulary_size, hidden_size, generator=generator, precision=precision)
        self.alpha_eo = nn.Parameter(_ALPHA_SCALE * torch.randn(len(self.edges), len(primitives), generator=generator))
        self._columns = [column for column, primitive in enumerate(primitives) if primitive != NONE]

    @property
    def edges(self) -> list[tuple[int, int]]:
        """The nodes that each edge comes from and leads to, in the order of the alphas' rows."""
        return [(source, node) for node in range(1, self.num_nodes + 1) for source in range(node)]

    def mixture(self) -> Tensor:
        """Weights of the primitives on each edge, (E, O): softmax of the alphas. Edges do not compete."""
        return self.alpha_eo.softmax(dim=-1)

    def alphas(self) -> list[nn.Parameter]:
        """The parameters that say which function counts how much."""
        return [self.alpha_eo]

    def weights(self) -> list[nn.Parameter]:
        """All other parameters, embedding and decoder among them."""
        return list(self.model.parameters())

    def forward(self, words_tb: Tensor, state_lbh: Tensor, masks: Masks = NO_MASKS) -> Read:
        """Read on in a text; see `LanguageModel`."""
        return self.model(words_tb, state_lbh, masks, self._by_nodes(self.mixture()[:, self._columns]))  # type: ignore[no-any-return]

    def _by_nodes(self, weight_ef: Tensor) -> Tensor:
        """Lay the edges' weights out as (N, N, F): by the node that an edge leads to, and the one it comes from."""
        rows = []
        for node, weight_jf in enumerate(weight_ef.split_with_sizes([node + 1 for node in range(self.num_nodes)])):
            rows.append(nn.functional.pad(weight_jf, (0, 0, 0, self.num_nodes - node - 1)))
        return torch.stack(rows)
