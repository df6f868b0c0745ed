"""From the alphas of a recurrent cell to its genotype: the rule of the paper (arXiv 1806.09055, section 2.4)."""

from collections.abc import Sequence
from itertools import islice

from torch import Tensor

from darts_genotype.primitives import NONE
from darts_genotype.recurrent import RecurrentGenotype


def derive(weight_eo: Tensor, primitives: Sequence[str], num_nodes: int) -> RecurrentGenotype:
    """Keep of each node the strongest incoming edge with its strongest function; the output is the mean of all nodes.

    An edge is as strong as its strongest operation other than ``none``, by its weight in the mixture. Between equals
    the earlier source and the earlier function go first.

    Args:
        weight_eo: softmax of the alphas, (E, O); edges node by node, sources ascending.
        primitives: names of the operations, in the order of the last dimension.
        num_nodes: nodes beside node 0.
    """
    rows = iter(weight_eo.tolist())
    candidates = [index for index, primitive in enumerate(primitives) if primitive != NONE]
    nodes = []
    for node in range(1, num_nodes + 1):
        choices = [
            (row[index], primitives[index], source)
            for source, row in enumerate(islice(rows, node))
            for index in candidates
        ]
        _, activation, source = max(choices, key=lambda choice: choice[0])  # the first of equals
        nodes.append((activation, source))
    assert next(rows, None) is None, weight_eo.shape
    return RecurrentGenotype.of(*nodes)
