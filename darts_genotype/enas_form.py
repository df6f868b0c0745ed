"""Cells as ENAS writes them: rows of whole numbers, and what the numbers of operations mean.

Of a cell of pictures each node, counted from 2, is four numbers: a source, its operation, another source, its operation
(melodyguan/enas, ``fixed_arc`` of the micro space). The output concatenates what no node reads. Of a recurrent cell
each node, counted from 1, is two: its source and its function (google-research's ``enas_lm``); the output is the mean
of all nodes. A fixed arc is all numbers one after the other, the reduction cell's behind the normal one's.
"""

import json
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from darts_genotype.activations import ACTIVATIONS
from darts_genotype.genotype import EDGES_PER_NODE, MAX_NODES, NUM_INPUTS, Cell, Edge, Genotype, GenotypeError
from darts_genotype.primitives import FILTER_SIZES, SKIP_CONNECTION
from darts_genotype.recurrent import AnyGenotype, RecurrentGenotype

Operations = Mapping[int, str]
"""Entries of a search space by their numbers."""

PUBLISHED: Operations = MappingProxyType(
    dict(
        enumerate(
            (
                "separable_convolution_3x3",
                "separable_convolution_5x5",
                "avg_pooling_3x3",
                "max_pooling_3x3",
                SKIP_CONNECTION,
            )
        )
    )
)
"""Those of melodyguan/enas."""

FUNCTIONS: Operations = MappingProxyType(dict(enumerate(ACTIVATIONS)))
"""Those of ``enas_lm``."""

MICRO, RECURRENT = "micro", "recurrent"
"""What ENAS searches for: cells of pictures, or a recurrent cell."""

NUM_NODES: Mapping[str, int] = MappingProxyType({MICRO: 5, RECURRENT: 8})
"""Of a cell where an Experiment does not say: as in the paper, which counts the two inputs, too, and says 7; and as in
the cells that ``enas_lm`` publishes."""

_FIELDS = ("architecture", "nn_config")
_CELLS = ("normal cell", "reduction cell")
_NUMBERS = 2 * EDGES_PER_NODE
"""That a node of a cell of pictures has."""


def read_operation(search_for: str, opt_type: object, opt_params: object, place: str) -> str:
    """Return the entry of a search space that a type with its parameters stands for.

    Args:
        search_for: `MICRO` or `RECURRENT`.
        opt_type: as the wire names it.
        opt_params: ``filter_size`` where the type has one; a number may be text.
        place: of the entry, for errors.

    Raises:
        GenotypeError: there is none.
    """
    return (_primitive if search_for == MICRO else _function)(opt_type, opt_params, place)


def _primitive(opt_type: object, opt_params: object, place: str) -> str:
    types = (*FILTER_SIZES, SKIP_CONNECTION)
    if not isinstance(opt_type, str) or opt_type not in types:
        raise GenotypeError(f"{place}.opt_type", opt_type, f"it must be {' or '.join(types)}")
    sizes = FILTER_SIZES.get(opt_type, ())
    names = ["filter_size"] if sizes else []
    if not isinstance(opt_params, Mapping) or list(opt_params) != names:
        allowed = f"{opt_type} has {' and '.join(names) or 'no parameter'}"
        raise GenotypeError(f"{place}.opt_params", opt_params, allowed)
    if not sizes:
        return opt_type
    size = opt_params["filter_size"]
    found = [number for number in sizes if not isinstance(size, bool) and str(size) in (str(number), f"{number}.0")]
    if not found:
        allowed = f"{opt_type} has {' or '.join(map(str, sizes))}"
        raise GenotypeError(f"{place}.opt_params.filter_size", size, allowed)
    return f"{opt_type}_{found[0]}x{found[0]}"


def read_operations(embedding: object, search_for: str) -> Operations:
    """Read what the numbers of operations mean, out of a trial's ``nn_config``.

    Args:
        embedding: by numbers as texts, objects of ``opt_id``, ``opt_type`` and ``opt_params``.
        search_for: `MICRO` or `RECURRENT`.

    Raises:
        GenotypeError: something else; the place is that of an entry.
    """
    if not isinstance(embedding, Mapping) or not embedding:
        raise GenotypeError("nn_config.embedding", embedding, "it must be an object with an entry for each operation")
    found: dict[int, str] = {}
    for key, entry in embedding.items():
        place = f"nn_config.embedding.{key}"
        if not re.fullmatch(r"0|[1-9]\d{0,8}", str(key), re.ASCII):
            allowed = "the name of an entry must be the id of an operation, a whole number from 0"
            raise GenotypeError(place, key, allowed)
        if not isinstance(entry, Mapping) or set(entry) != {"opt_id", "opt_type", "opt_params"}:
            raise GenotypeError(place, entry, "it must be an object of opt_id, opt_type and opt_params")
        if type(entry["opt_id"]) is not int or entry["opt_id"] != int(key):
            raise GenotypeError(f"{place}.opt_id", entry["opt_id"], f"it must be the name of the entry, {key}")
        found[int(key)] = read_operation(search_for, entry["opt_type"], entry["opt_params"], place)
    return found


def is_one(text: str) -> bool:
    """Tell whether a text is what a trial of ENAS leaves, its ``architecture.json``."""
    return all(f'"{name}"' in text for name in _FIELDS)


def read(text: str) -> AnyGenotype:
    """Read what a trial of ENAS leaves where it is of cells: JSON with ``architecture`` and ``nn_config``.

    Raises:
        GenotypeError: it holds something else.
    """
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise GenotypeError("text", text, f"it is an object of JSON ({error})") from error
    if not isinstance(record, dict) or not set(_FIELDS) <= set(record):
        raise GenotypeError("text", text, f"it is an object of JSON with {' and '.join(_FIELDS)}")
    config = record["nn_config"]
    kind = config.get("search_for") if isinstance(config, Mapping) else None
    if kind not in (MICRO, RECURRENT):
        allowed = f"there are cells where it is {MICRO} or {RECURRENT}; a macro architecture has none"
        raise GenotypeError("nn_config.search_for", kind, allowed)
    operations = read_operations(config.get("embedding"), kind)
    return (read_cells if kind == MICRO else read_recurrent)(record["architecture"], operations)


def read_cells(rows: object, operations: Operations = PUBLISHED, num_nodes: int | None = None) -> Genotype:
    """Read the rows of a normal cell and of a reduction cell.

    Args:
        rows: two lists of numbers, as they come from JSON.
        operations: by their numbers, each one of `darts_genotype.primitives.PRIMITIVES`.
        num_nodes: that a cell has; None for as many as the rows say.

    Raises:
        GenotypeError: something else; the place is a row, a node, and one of its numbers.
    """
    first, second = _rows(rows, 2, "it must be two rows of numbers: the normal cell's, then the reduction cell's")
    if num_nodes is None:
        num_nodes = max(1, len(first) // _NUMBERS)
    normal, reduce = (
        _cell(f"architecture row {number} ({name})", row, operations, num_nodes)
        for number, (name, row) in enumerate(zip(_CELLS, (first, second), strict=True), start=1)
    )
    return Genotype(normal=normal, reduce=reduce, normal_concat=loose_ends(normal), reduce_concat=loose_ends(reduce))


def read_recurrent(rows: object, functions: Operations = FUNCTIONS, num_nodes: int | None = None) -> RecurrentGenotype:
    """Read the row of a recurrent cell.

    Args:
        rows: one list of numbers, as it comes from JSON.
        functions: by their numbers, each one of `ACTIVATIONS`.
        num_nodes: that a cell has; None for as many as the row says.

    Raises:
        GenotypeError: something else; the place is a node, and one of its numbers.
    """
    (row,) = _rows(rows, 1, "it must be one row of numbers: of each node its source and its function")
    if num_nodes is None:
        num_nodes = max(1, len(row) // 2)
    place = "architecture row 1"
    _check_length(place, row, 2, num_nodes, "its source and its function")
    edges = []
    for node in range(1, num_nodes + 1):
        source, function = row[2 * node - 2 : 2 * node]
        where = f"{place}, node {node}"
        edges.append(Edge(_named(where, "function", function, functions), _source(where, "source", source, node)))
    return RecurrentGenotype(recurrent=tuple(edges), concat=tuple(range(1, num_nodes + 1)))


def loose_ends(cell: Cell) -> tuple[int, ...]:
    """Return the nodes of a cell that none of its nodes reads, inputs among them."""
    read = {edge.source for node in cell for edge in node}
    return tuple(node for node in range(NUM_INPUTS + len(cell)) if node not in read)


def rows_of(genotype: AnyGenotype, operations: Operations | None = None) -> tuple[tuple[int, ...], ...]:
    """Return the rows that `read_cells` or `read_recurrent` makes the genotype of.

    Args:
        genotype: cells whose outputs are the space's.
        operations: by their numbers; None for the published ones.

    Raises:
        GenotypeError: the space of ENAS has no such cells.
    """
    if isinstance(genotype, RecurrentGenotype):
        if genotype.concat != tuple(range(1, genotype.num_nodes + 1)):
            raise GenotypeError("concat", list(genotype.concat), "in ENAS the output is the mean of all nodes")
        functions = operations or FUNCTIONS
        return (tuple(one for name, source in genotype.recurrent for one in (source, _number(name, functions))),)
    cells = {"normal": (genotype.normal, genotype.normal_concat), "reduce": (genotype.reduce, genotype.reduce_concat)}
    return tuple(_row(name, cell, concat, operations or PUBLISHED) for name, (cell, concat) in cells.items())


def write(genotype: AnyGenotype) -> str:
    """Write a fixed arc, one line, with the published numbers of operations.

    Raises:
        GenotypeError: ENAS has no such cells, or no number for an operation.
    """
    return " ".join(str(number) for row in rows_of(genotype) for number in row)


def _function(opt_type: object, opt_params: object, place: str) -> str:
    if not isinstance(opt_type, str) or opt_type not in ACTIVATIONS:
        raise GenotypeError(f"{place}.opt_type", opt_type, f"it must be {' or '.join(ACTIVATIONS)}")
    if opt_params != {}:
        raise GenotypeError(f"{place}.opt_params", opt_params, f"{opt_type} has no parameter")
    return opt_type


def _rows(value: object, count: int, allowed: str) -> list[list[object]]:
    if not isinstance(value, list | tuple) or len(value) != count:
        raise GenotypeError("architecture", value, allowed)
    for number, row in enumerate(value, start=1):
        if not isinstance(row, list | tuple):
            raise GenotypeError(f"architecture row {number}", row, "it must be a list of numbers")
    return [list(row) for row in value]


def _check_length(place: str, row: Sequence[object], per_node: int, num_nodes: int, what: str) -> None:
    if num_nodes > MAX_NODES:
        raise GenotypeError(place, f"{num_nodes} nodes", f"a cell has 1 to {MAX_NODES} nodes")
    if len(row) != per_node * num_nodes:
        allowed = f"{num_nodes} nodes are {per_node * num_nodes} numbers: of each {what}"
        raise GenotypeError(place, f"{len(row)} numbers", allowed)


def _cell(place: str, row: Sequence[object], operations: Operations, num_nodes: int) -> Cell:
    _check_length(place, row, _NUMBERS, num_nodes, "two sources, each with its operation")
    nodes = []
    for index in range(num_nodes):
        numbers = row[_NUMBERS * index : _NUMBERS * (index + 1)]
        where = f"{place}, node {NUM_INPUTS + index}"
        nodes.append(
            tuple(
                Edge(
                    _named(where, f"operation {edge + 1}", numbers[2 * edge + 1], operations),
                    _source(where, f"source {edge + 1}", numbers[2 * edge], NUM_INPUTS + index),
                )
                for edge in range(EDGES_PER_NODE)
            )
        )
    return tuple(nodes)


def _source(place: str, name: str, number: object, node: int) -> int:
    # What is read must be printed back unchanged, so 1.0 and True are no numbers of nodes.
    if type(number) is not int or not 0 <= number < node:
        raise GenotypeError(f"{place}, {name}", number, f"it must be an earlier node, 0 to {node - 1}")
    return number


def _named(place: str, name: str, number: object, operations: Operations) -> str:
    if type(number) is not int or number not in operations:
        known = ", ".join(map(str, sorted(operations))) or "none"
        raise GenotypeError(f"{place}, {name}", number, f"it must be the number of an operation: {known}")
    return operations[number]


def _number(name: str, operations: Operations) -> int:
    for number, one in operations.items():
        if one == name:
            return number
    raise GenotypeError("operation", name, f"those that have numbers are {', '.join(operations.values())}")


def _row(name: str, cell: Cell, concat: tuple[int, ...], operations: Operations) -> tuple[int, ...]:
    if not cell:
        raise GenotypeError(name, [], "ENAS always has a reduction cell")
    if concat != loose_ends(cell):
        allowed = f"in ENAS the output is of what no node reads, here {list(loose_ends(cell))}"
        raise GenotypeError(f"{name}_concat", list(concat), allowed)
    return tuple(one for node in cell for edge in node for one in (edge.source, _number(edge.operation, operations)))
