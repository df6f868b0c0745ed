"""Plain choices of a network of layers as the two texts of a trial; see `enas_trainer.arguments.choices`.

| name | what |
|---|---|
| ``input_sizes``, ``output_sizes`` | as in nn_config |
| ``layer-2`` | the operation of layer 2: ``convolution/filter_size=3``, its type and some of its parameters |
| ``layer-2-num_filter`` | a parameter that the operation of layer 2 has beside, whatever its type |
| ``layer-2-reduction-pool_size`` | the same of one type alone |
| ``convolution-stride`` | a parameter of one type in every layer |
| ``layer-3-join-1`` | 1 where layer 1 is joined to layer 3; 0 for it is the input image |

What the operation of a layer has no such parameter for is not read: a pooling has no filters.
"""

import dataclasses
from collections.abc import Iterator, Mapping

from enas_trainer.architecture import fields
from enas_trainer.architecture.fields import InvalidNetwork
from enas_trainer.macro import operation_types
from katib_suggestion.parsing import assignment
from katib_suggestion.parsing.assignment import JSON

_SIZES = ("input_sizes", "output_sizes")


def read(chosen: Mapping[str, JSON]) -> tuple[str, str]:
    """Return ``architecture`` and ``nn_config`` of the same network.

    Raises:
        InvalidNetwork: a choice is missing, or none of what there is; or nothing reads it.
    """
    num_layers = next(layer for layer in range(len(chosen) + 1) if f"layer-{layer + 1}" not in chosen)
    if num_layers == 0:
        raise InvalidNetwork("choices.layer-1", None, "it is missing: the operation of the first layer")
    known = {*_SIZES, *_names(num_layers)}
    for name, value in chosen.items():
        if name not in known:
            raise InvalidNetwork(f"choices.{name}", value, "nothing reads it: see the names of a layer's choices")
    embedding: dict[str, JSON] = {}
    ids: dict[str, int] = {}
    rows = []
    for layer in range(1, num_layers + 1):
        kind, params = _operation(chosen, layer)
        place = ids.setdefault(f"{kind} {sorted(params.items())}", len(ids))
        embedding[str(place)] = {"opt_id": place, "opt_type": kind, "opt_params": params}
        rows.append([place, *(_join(chosen, f"layer-{layer}-join-{source}") for source in range(layer - 1))])
    sizes = {name: fields.given(chosen, name, "choices") for name in _SIZES}
    config: JSON = {"num_layers": num_layers, **sizes, "embedding": embedding}
    return assignment.encode(rows), assignment.encode(config)


def _names(num_layers: int) -> Iterator[str]:
    """Every name that something may read, but for the sizes."""
    of_types = {kind: [field.name for field in dataclasses.fields(one)] for kind, one in operation_types.TYPES.items()}
    of_one_type = [f"{kind}-{param}" for kind, params in of_types.items() for param in params]
    beside = [*of_one_type, *(param for params in of_types.values() for param in params)]
    yield from of_one_type
    for layer in range(1, num_layers + 1):
        yield f"layer-{layer}"
        yield from (f"layer-{layer}-{name}" for name in beside)
        yield from (f"layer-{layer}-join-{source}" for source in range(layer - 1))


def _operation(chosen: Mapping[str, JSON], layer: int) -> tuple[str, dict[str, JSON]]:
    """The type of a layer's operation, and its parameters from wherever they stand."""
    where = f"choices.layer-{layer}"
    kind, *pairs = str(fields.given(chosen, f"layer-{layer}", "choices")).split("/")
    fields.choice(kind, where, operation_types.TYPES)
    given: dict[str, JSON] = dict(pair.partition("=")[::2] for pair in pairs)
    params: dict[str, JSON] = {}
    for field in dataclasses.fields(operation_types.TYPES[kind]):
        places = (f"layer-{layer}-{kind}-{field.name}", f"layer-{layer}-{field.name}", f"{kind}-{field.name}")
        found = [given.pop(field.name)] if field.name in given else [chosen[one] for one in places if one in chosen]
        if not found:
            raise InvalidNetwork(where, chosen[f"layer-{layer}"], f"there must be a {field.name}: {', '.join(places)}")
        params[field.name] = found[0]
    if given:
        allowed = f"{kind} has no {', '.join(given)}"
        raise InvalidNetwork(where, chosen[f"layer-{layer}"], allowed)
    return kind, params


def _join(chosen: Mapping[str, JSON], name: str) -> int:
    return int(fields.choice(str(fields.given(chosen, name, "choices")), f"choices.{name}", ("0", "1")))
