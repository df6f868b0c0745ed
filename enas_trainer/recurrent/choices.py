"""Plain choices of a recurrent cell as the two texts of a trial; see `enas_trainer.arguments.choices`.

| name | what |
|---|---|
| ``input_sizes``, ``output_sizes`` | as in nn_config: words of the vocabulary |
| ``node_1_source`` | the node that node 1 computes from |
| ``node_1_activation`` | its function: ``tanh``, ``relu``, ``sigmoid`` or ``identity`` |

and so on for each node.
"""

from collections.abc import Mapping

from darts_genotype.activations import ACTIVATIONS
from enas_trainer.architecture import fields
from enas_trainer.architecture.fields import InvalidNetwork
from enas_trainer.architecture.search_for import NAME, RECURRENT
from katib_suggestion.parsing import assignment
from katib_suggestion.parsing.assignment import JSON

FIRST = "node_1_source"
"""Stands among the choices of every such architecture."""

_SIZES = ("input_sizes", "output_sizes")


def read(chosen: Mapping[str, JSON]) -> tuple[str, str]:
    """Return ``architecture`` and ``nn_config`` of the same network.

    Raises:
        InvalidNetwork: a choice is missing, or none of what there is; or nothing reads it.
    """
    num_nodes = next(node for node in range(len(chosen) + 1) if f"node_{node + 1}_source" not in chosen)
    nodes = range(1, num_nodes + 1)
    known = {
        NAME,
        "num_layers",
        *_SIZES,
        *(f"node_{node}_{what}" for node in nodes for what in ("source", "activation")),
    }
    for name, value in chosen.items():
        if name not in known:
            raise InvalidNetwork(f"choices.{name}", value, "nothing reads it: see the names of a cell's choices")
    row = [number for node in nodes for number in (_source(chosen, node), _function(chosen, node))]
    config: JSON = {
        "num_layers": chosen.get("num_layers", 1),
        **{name: fields.given(chosen, name, "choices") for name in _SIZES},
        NAME: RECURRENT,
        "num_nodes": num_nodes,
        "embedding": {
            str(number): {"opt_id": number, "opt_type": name, "opt_params": {}}
            for number, name in enumerate(ACTIVATIONS)
        },
    }
    return assignment.encode([row]), assignment.encode(config)


def _source(chosen: Mapping[str, JSON], node: int) -> int:
    name = f"node_{node}_source"
    earlier = [str(number) for number in range(node)]
    return int(fields.choice(str(fields.given(chosen, name, "choices")), f"choices.{name}", earlier))


def _function(chosen: Mapping[str, JSON], node: int) -> int:
    name = f"node_{node}_activation"
    value = fields.choice(fields.given(chosen, name, "choices"), f"choices.{name}", ACTIVATIONS)
    return ACTIVATIONS.index(value)
