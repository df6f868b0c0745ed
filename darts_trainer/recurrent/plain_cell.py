"""The recurrent cell of a search as the paper writes it, edge by edge: the reference that `fused_cell` is tested with.

Shape suffixes: t steps, b batch, h hidden units, g gates and candidates (2H), n nodes that compute, j sources,
f activation functions.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from cell_networks.activations import FUNCTIONS

NORM_EPSILON = 1e-5
"""Of batch norm, as in torch."""


def outputs(
    x_tbh: Tensor,
    state_bh: Tensor,
    input_weight_hg: Tensor,
    node_weight_nhg: Tensor,
    mixture_njf: Tensor,
    activations: Sequence[str],
    *,
    x_mask_bh: Tensor | None = None,
    state_mask_bh: Tensor | None = None,
    normalised: bool = True,
) -> Tensor:
    """Compute a cell's outputs, (T, B, H), on a sequence (arXiv 1806.09055, sections 2.1 and 3.1.2).

    Node 0 is ``h + σ(a)(tanh(b) - h)`` with ``[a b] = [x h] W0`` and h the output before; node i is the sum over all
    earlier nodes j and functions f of ``p (s_j + σ(a)(f(b) - s_j))`` with ``[a b] = s_j W_i``; the output is the mean
    of nodes 1 to N.

    Args:
        x_tbh: the inputs.
        state_bh: the output before the first step.
        input_weight_hg: W0, (2H, 2H); the rows of x, then those of h.
        node_weight_nhg: W1 to WN, (N, H, 2H).
        mixture_njf: p of the edge from node j to node n + 1, (N, N, F); what is no edge counts nothing.
        activations: the functions f.
        x_mask_bh: what inputs are multiplied by, the same in each step; None for nothing.
        state_mask_bh: the same for states, wherever one meets a matrix.
        normalised: batch norm, by the batch's own statistics at each step, after node 0 and each sum.
    """

    def masked(state_bh: Tensor) -> Tensor:
        return state_bh if state_mask_bh is None else state_bh * state_mask_bh

    def norm(sum_bh: Tensor) -> Tensor:
        return batch_norm(sum_bh) if normalised else sum_bh

    found = []
    for x_bh in x_tbh:
        x_bh = x_bh if x_mask_bh is None else x_bh * x_mask_bh
        gate_bh, candidate_bh = (torch.cat([x_bh, masked(state_bh)], dim=1) @ input_weight_hg).chunk(2, dim=1)
        nodes = [norm(state_bh + gate_bh.sigmoid() * (candidate_bh.tanh() - state_bh))]
        for node, weight_hg in enumerate(node_weight_nhg):
            sum_bh = torch.zeros_like(state_bh)
            for source in range(node + 1):
                gate_bh, candidate_bh = (masked(nodes[source]) @ weight_hg).chunk(2, dim=1)
                for weight, name in zip(mixture_njf[node, source], activations, strict=True):
                    changed_bh = FUNCTIONS[name](candidate_bh) - nodes[source]
                    sum_bh = sum_bh + weight * (nodes[source] + gate_bh.sigmoid() * changed_bh)
            nodes.append(norm(sum_bh))
        state_bh = torch.stack(nodes[1:]).mean(dim=0)
        found.append(state_bh)
    return torch.stack(found)


def batch_norm(x_bh: Tensor) -> Tensor:
    """Bring each unit to mean 0 and variance 1 over the batch; nothing is learnt and no statistics are kept."""
    centred_bh = x_bh - x_bh.mean(dim=0)
    return centred_bh * (centred_bh.square().mean(dim=0) + NORM_EPSILON).rsqrt()
