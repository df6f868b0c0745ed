"""Plain choices of two cells as the two texts of a trial; see `enas_trainer.arguments.choices`.

| name | what |
|---|---|
| ``num_layers``, ``input_sizes``, ``output_sizes`` | as in nn_config |
| ``normal_2_source_1``, ``normal_2_source_2`` | the two nodes that node 2 of the normal cell reads |
| ``normal_2_operation_1``, ``normal_2_operation_2`` | what it makes of each: ``separable_convolution/filter_size=3`` |
| ``avg_pooling-filter_size`` | the filter size of a type, where the operation does not say it |

and so on for each node, and ``reduce_…`` for the reduction cell.
"""

from collections.abc import Mapping

from darts_genotype.genotype import EDGES_PER_NODE, NUM_INPUTS
from darts_genotype.primitives import FILTER_SIZES, SKIP_CONNECTION
from enas_trainer.architecture import fields
from enas_trainer.architecture.fields import InvalidNetwork
from enas_trainer.architecture.search_for import MICRO, NAME
from katib_suggestion.parsing import assignment
from katib_suggestion.parsing.assignment import JSON

FIRST = "normal_2_source_1"
"""Stands among the choices of every such architecture."""

_SIZES = ("num_layers", "input_sizes", "output_sizes")
_KINDS = ("normal", "reduce")


def read(chosen: Mapping[str, JSON]) -> tuple[str, str]:
    """Return ``architecture`` and ``nn_config`` of the same network.

    Raises:
        InvalidNetwork: a choice is missing, or none of what there is; or nothing reads it.
    """
    num_nodes = next(node for node in range(len(chosen) + 1) if f"normal_{node + NUM_INPUTS}_source_1" not in chosen)
    nodes = range(NUM_INPUTS, NUM_INPUTS + num_nodes)
    edges = range(1, EDGES_PER_NODE + 1)
    names = [
        [(f"{kind}_{node}_source_{edge}", f"{kind}_{node}_operation_{edge}", node) for node in nodes for edge in edges]
        for kind in _KINDS
    ]
    known = {NAME, *_SIZES, *(name for cell in names for pair in cell for name in pair[:2])}
    known |= {f"{kind}-filter_size" for kind in FILTER_SIZES}
    for name, value in chosen.items():
        if name not in known:
            raise InvalidNetwork(f"choices.{name}", value, "nothing reads it: see the names of a cell's choices")
    embedding: dict[str, JSON] = {}
    rows = [
        [
            number
            for source, operation, node in cell
            for number in (_source(chosen, source, node), _operation(chosen, operation, embedding))
        ]
        for cell in names
    ]
    sizes = {name: fields.given(chosen, name, "choices") for name in _SIZES}
    config: JSON = {**sizes, NAME: MICRO, "num_nodes": num_nodes, "embedding": embedding}
    return assignment.encode(rows), assignment.encode(config)


def _source(chosen: Mapping[str, JSON], name: str, node: int) -> int:
    value = fields.given(chosen, name, "choices")
    return int(fields.choice(str(value), f"choices.{name}", [str(earlier) for earlier in range(node)]))


def _operation(chosen: Mapping[str, JSON], name: str, embedding: dict[str, JSON]) -> int:
    """Return the id of an operation, which is put into the embedding if it is not there."""
    value = fields.given(chosen, name, "choices")
    kind, *pairs = str(value).split("/")
    fields.choice(kind, f"choices.{name}", (*FILTER_SIZES, SKIP_CONNECTION))
    params: dict[str, JSON] = dict(pair.partition("=")[::2] for pair in pairs)
    if kind in FILTER_SIZES and f"{kind}-filter_size" in chosen:
        params.setdefault("filter_size", chosen[f"{kind}-filter_size"])
    wanted = {"filter_size"} if kind in FILTER_SIZES else set()
    if set(params) != wanted:
        allowed = f"{kind} has {' and '.join(wanted) or 'no parameter'}"
        raise InvalidNetwork(f"choices.{name}", value, allowed)
    for key, entry in embedding.items():
        assert isinstance(entry, dict)
        if (entry["opt_type"], entry["opt_params"]) == (kind, params):
            return int(key)
    embedding[str(len(embedding))] = {"opt_id": len(embedding), "opt_type": kind, "opt_params": params}
    return len(embedding) - 1
