"""The forms in which NNI exports what its DARTS has found: a mapping of choices by their labels, as JSON or Python.

Version 1 and 2: ``normal_n2_p0`` is the operation on the edge from node 0 to node 2, a name or its number, and
``normal_n2_switch`` lists the edges that node 2 keeps. Its model space hub: ``normal/op_2_0`` and ``normal/input_2_0``
are the operation and the source of the first edge of node 2. A cell's output concatenates all its nodes.
"""

import ast
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from darts_genotype import vocabulary
from darts_genotype.genotype import EDGES_PER_NODE, NUM_INPUTS, Cell, Edge, Genotype, GenotypeError, Node

MAX_CHARACTERS = 50_000
_LABEL = re.compile(r"""["'](?:normal|reduce)(?:_n\d+_p\d+|/op_\d+_\d+)["']\s*:""")
_NODE = re.compile(r"(normal|reduce)(?:_n|/op_)(\d{1,3})_p?\d{1,3}")


def is_one(text: str) -> bool:
    """Tell whether a text holds such labels."""
    return _LABEL.search(text) is not None


def read(text: str) -> Genotype:
    """Read such a mapping; what is beside the cells, such as a width, is not looked at.

    Raises:
        GenotypeError: it is something else, or an operation is none of ours.
    """
    if len(text) > MAX_CHARACTERS:
        raise GenotypeError("text", f"{len(text)} characters", f"it has at most {MAX_CHARACTERS}")
    choices = _mapping(text)
    nodes: dict[str, set[int]] = {"normal": set(), "reduce": set()}
    for label in choices:
        if match := _NODE.fullmatch(str(label)):
            nodes[match[1]].add(int(match[2]))
    return Genotype(
        **{kind: _cell(kind, sorted(numbers), choices) for kind, numbers in nodes.items()}  # type: ignore[arg-type]
    )


def _mapping(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        try:
            found = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError) as error:
            raise GenotypeError("text", text, "it is an object of JSON, or a mapping of Python") from error
    if not isinstance(found, dict):
        raise GenotypeError("text", text, "it is an object of JSON, or a mapping of Python")
    return found


def _cell(kind: str, numbers: Sequence[int], choices: Mapping[str, Any]) -> Cell:
    if numbers and list(numbers) != list(range(NUM_INPUTS, NUM_INPUTS + len(numbers))):
        raise GenotypeError(kind, f"the nodes {list(numbers)}", f"they count from {NUM_INPUTS} without gaps")
    return tuple(_node(kind, number, choices) for number in numbers)


def _node(kind: str, number: int, choices: Mapping[str, Any]) -> Node:
    place = f"{kind}, node {number}"
    if f"{kind}/op_{number}_0" in choices:
        pairs = [
            (choices.get(f"{kind}/op_{number}_{index}"), _number(place, choices.get(f"{kind}/input_{number}_{index}")))
            for index in range(EDGES_PER_NODE)
        ]
    else:
        switch = f"{kind}_n{number}_switch"
        sources = [_number(place, item) for item in _chosen(switch, choices.get(switch))]
        pairs = [(choices.get(f"{kind}_n{number}_p{source}"), source) for source in sources]
    return tuple(Edge(_operation(place, operation), source) for operation, source in pairs)


def _chosen(place: str, value: object) -> list[object]:
    """What a switch lists: labels or numbers, or a truth for each edge."""
    if not isinstance(value, list):
        raise GenotypeError(place, value, "it lists the edges that the node keeps")
    if value and all(isinstance(item, bool) for item in value):
        return [index for index, item in enumerate(value) if item]
    return value


def _number(place: str, value: object) -> int:
    """The source of an edge: a number, alone or in a list, or the end of a label."""
    match value:
        case bool():
            pass
        case int() | [int()]:
            return value if isinstance(value, int) else value[0]
        case str() if label := re.fullmatch(r"\w+_p(\d{1,3})", value, re.ASCII):
            return int(label[1])
    raise GenotypeError(place, value, "an edge comes from a node, which is named by its number")


def _operation(place: str, value: object) -> str:
    """An operation by its name, by its number, or by a truth for each."""
    match value:
        case [str(name)]:
            return vocabulary.ours(place, name)
        case [bool(), *_] if value.count(True) == 1:
            return _operation(place, value.index(True))
        case str():
            return vocabulary.ours(place, value)
        case int() if not isinstance(value, bool) and 0 <= value < len(vocabulary.NNI):
            return vocabulary.ours(place, vocabulary.NNI[value])
    raise GenotypeError(
        place, value, f"an operation is a name, or the number of one of {', '.join(vocabulary.NNI)}, none"
    )
