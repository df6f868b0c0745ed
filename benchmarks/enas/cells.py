"""Families of synthetic tasks over cells: three of the two cells of pictures, and three of the recurrent cell.

Each has a part that is drawn by the seed, and a best network that is known exactly. Decisions, keys and descriptions
are those of the service's own spaces.

Shape suffixes: c cell, i node, e edge of a node, s source, m operation.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.enas.families import Choices, Family
from enas_service.spaces import micro, recurrent
from enas_service.spaces.cells import CellSpace
from katib_suggestion.experiment import Experiment, Operation, Parameter, ParameterType

Floats = NDArray[np.float64]

_SIZES = Parameter(name="filter_size", type=ParameterType.CATEGORICAL, values=("3", "5"))
_THREE = Parameter(name="filter_size", type=ParameterType.CATEGORICAL, values=("3",))
_OF_PICTURES = (
    Operation(type="separable_convolution", parameters=(_SIZES,)),
    Operation(type="avg_pooling", parameters=(_THREE,)),
    Operation(type="max_pooling", parameters=(_THREE,)),
    Operation(type="skip_connection"),
)
_OF_TEXT = tuple(Operation(type=name) for name in ("tanh", "relu", "sigmoid", "identity"))


def all_families() -> dict[str, Callable[[int], Family]]:
    """By name; each is drawn by the seed."""
    return {
        "micro: operations": lambda seed: _operations(_micro(), seed),
        "micro: pairs": lambda seed: _pairs(_micro(), seed),
        "micro: loose ends": lambda seed: _loose_ends(_micro(), seed),
        "recurrent: activations": lambda seed: _operations(_recurrent(), seed),
        "recurrent: pairs": lambda seed: _pairs(_recurrent(), seed),
        "recurrent: depth": lambda seed: _depth(_recurrent(), seed),
    }


def _operations(space: CellSpace, seed: int) -> Family:
    """What a network is worth is the sum over its edges of what their operations are worth in their node."""
    random = np.random.default_rng([11, seed])
    worth_cim = random.normal(size=(len(space.cells), space.num_nodes, len(space.operations)))
    cell_c, node_i = np.ix_(range(len(space.cells)), range(space.num_nodes))

    def value(choices: Choices) -> float:
        operations_cie = _edges(space, choices)[..., 1]
        return float(worth_cim[cell_c[..., np.newaxis], node_i[..., np.newaxis], operations_cie].sum())

    return _family(space, "operations", value, best=space.num_edges * float(worth_cim.max(axis=2).sum()))


def _pairs(space: CellSpace, seed: int) -> Family:
    """The same of pairs of source and operation, each with a part of its own and one for all nodes of a cell."""
    random = np.random.default_rng([12, seed])
    sizes = space.num_inputs + space.num_nodes - 1, len(space.operations)
    common_csm = random.normal(size=(len(space.cells), *sizes))
    worth_cism = common_csm[:, np.newaxis] + random.normal(size=(len(space.cells), space.num_nodes, *sizes)) / 2

    def of_edges(choices: Choices) -> Iterator[float]:
        for (cell, node, _), (source, operation) in _each(_edges(space, choices)):
            yield worth_cism[cell, node, source, operation]

    best = sum(
        worth_cism[cell, node, : space.num_inputs + node].max()
        for cell in range(len(space.cells))
        for node in range(space.num_nodes)
    )
    return _family(space, "pairs", lambda choices: float(sum(of_edges(choices))), best=space.num_edges * float(best))


def _loose_ends(space: CellSpace, seed: int) -> Family:
    """Half is the share of inputs and nodes that are read, or not, as in a drawn network; half is of its operations."""
    random = np.random.default_rng([13, seed])
    wanted = space.draw(random)
    loose_ck, operations_cie = _is_loose(space, wanted), np.sort(_edges(space, wanted)[..., 1], axis=2)

    def value(choices: Choices) -> float:
        as_wanted = np.mean(_is_loose(space, choices) == loose_ck)
        right = np.mean(np.sort(_edges(space, choices)[..., 1], axis=2) == operations_cie)
        return float(50 * (as_wanted + right))

    return _family(space, "loose ends", value, best=100.0)


def _depth(space: CellSpace, seed: int) -> Family:
    """Half is how near the longest chain comes to a length that is drawn; half is of the activation functions."""
    random = np.random.default_rng([14, seed])
    wanted, operations_i = random.choice([2, 5, 8]), random.integers(len(space.operations), size=space.num_nodes)

    def value(choices: Choices) -> float:
        edges_i2 = _edges(space, choices)[0, :, 0]
        depths = [0]
        for source in edges_i2[:, 0]:
            depths.append(depths[source] + 1)
        missed = abs(max(depths) - wanted) / max(wanted - 1, space.num_nodes - wanted)
        return float(50 * (1 - missed + np.mean(edges_i2[:, 1] == operations_i)))

    return _family(space, "depth", value, best=100.0)


def _micro() -> CellSpace:
    return micro.of(_experiment("micro", 8, (32, 32, 3), (10,), _OF_PICTURES), None)


def _recurrent() -> CellSpace:
    return recurrent.of(_experiment("recurrent", 1, (10_000,), (10_000,), _OF_TEXT), None)


def _experiment(
    kind: str, num_layers: int, inputs: tuple[int, ...], outputs: tuple[int, ...], operations: tuple[Operation, ...]
) -> Experiment:
    return Experiment(
        name="search",
        objective=None,
        settings=(("search_for", kind),),
        num_layers=num_layers,
        input_sizes=inputs,
        output_sizes=outputs,
        operations=operations,
    )


def _family(space: CellSpace, name: str, value: Callable[[Choices], float], best: float) -> Family:
    return Family(
        name=f"{space.search_for}: {name}",
        counts=space.counts,
        attributes=space.attributes,
        described=space.described,
        value=value,
        best=best,
        matters=range(len(space.counts)),
        num_layers=space.num_layers,
        operations=_OF_PICTURES if space.search_for == "micro" else _OF_TEXT,
        cells=space,
    )


def _edges(space: CellSpace, choices: Choices) -> NDArray[Any]:
    """(C, I, E, 2), source and operation of each edge."""
    return choices.reshape(len(space.cells), space.num_nodes, space.num_edges, 2)


def _each(edges_cie2: NDArray[Any]) -> Iterator[tuple[tuple[int, ...], NDArray[Any]]]:
    for place in np.ndindex(edges_cie2.shape[:3]):
        yield place, edges_cie2[place]


def _is_loose(space: CellSpace, choices: Choices) -> NDArray[np.bool_]:
    """(C, K), whether no node of the cell reads each of its inputs and nodes."""
    is_loose_ck = np.ones((len(space.cells), space.num_inputs + space.num_nodes), dtype=np.bool_)
    for (cell, _, _), (source, _) in _each(_edges(space, choices)):
        is_loose_ck[cell, source] = False
    return is_loose_ck
