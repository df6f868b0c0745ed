"""Partial channel connections and edge normalisation (PC-DARTS, Xu et al., arXiv 1907.05737, sections 3.2 and 3.3).

Of the channels of an edge one in K goes through the mixture of operations; the others bypass it. Which operation is
better then shows less, so that each edge gets a weight of its own, too, which all its operations share.

Shape suffixes: b images, c channels of a node, p channels that go through the mixture, r the rest, h height, w width, e
edges of a cell, o operations, g groups of channels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class PartialEdge(nn.Module):
    """An edge whose mixture sees one in K channels (equation 2 of the paper).

    Args:
        mixed: the mixture, of that many channels; called with them and with the weights of the operations.
        k: the paper's K, above 1.
        stride: of the edge, 1 or 2.
    """

    def __init__(self, mixed: nn.Module, k: int, stride: int) -> None:
        super().__init__()
        self.mixed = mixed
        self._k = k
        self._stride = stride

    def forward(self, x_bchw: Tensor, weight_o: Tensor) -> Tensor:
        part_bphw, rest_brhw = split(x_bchw, self._k)
        return join(self.mixed(part_bphw, weight_o), bypass(rest_brhw, self._stride), self._k)


def split(x_bchw: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Take the first one in K channels apart from the rest."""
    part = x_bchw.shape[1] // k
    return x_bchw[:, :part], x_bchw[:, part:]


def bypass(rest_brhw: Tensor, stride: int) -> Tensor:
    """Bring what goes past a mixture to the size of what comes out: as it is, or the largest of each 2 x 2 pixels.

    Odd heights and widths round up, as those of the operations do.
    """
    return rest_brhw if stride == 1 else functional.max_pool2d(rest_brhw, 2, ceil_mode=True)


def join(part_bphw: Tensor, rest_brhw: Tensor, k: int) -> Tensor:
    """Put the channels together again, shuffled: so that the next edge's first one in K come from all of the groups."""
    # Channels last, where this is a copy and no more; the other layout only costs one more.
    all_bhwc = torch.cat([part_bphw, rest_brhw], dim=1).permute(0, 2, 3, 1)
    all_bhwgc = all_bhwc.unflatten(-1, (k, -1))  # type: ignore[no-untyped-call]
    shuffled_bchw: Tensor = all_bhwgc.transpose(-1, -2).flatten(-2).permute(0, 3, 1, 2)
    return shuffled_bchw


def edge_weights(beta_e: Tensor, sources: Sequence[Sequence[int]]) -> Tensor:
    """Weights of a cell's edges: the softmax of betas over the edges that lead to the same node (equation 3).

    Args:
        beta_e: node by node.
        sources: for each node, where its edges come from.
    """
    betas_by_node = beta_e.split([len(of_node) for of_node in sources])  # type: ignore[no-untyped-call]
    return torch.cat([of_node.softmax(dim=0) for of_node in betas_by_node])
