"""Our form in JSON: an object of a version and the fields; ``docs/reference/genotype.md`` is its schema."""

import json
from typing import Any

from darts_genotype.fields import FIELDS, RECURRENT_FIELDS, from_nested, from_recurrent
from darts_genotype.genotype import Cell, GenotypeError
from darts_genotype.recurrent import AnyGenotype, RecurrentGenotype

VERSION = 2
"""Of the form; it changes when a reader of today would misread, or could not read, what is written.

Version 1 knows no recurrent cell, no output but that of all inner nodes, and no node with both edges from one. What it
can say is written in it, so that its readers go on.
"""

_VERSIONS = (1, VERSION)


def document(genotype: AnyGenotype) -> dict[str, Any]:
    """Return the object: nodes as lists of ``[operation, source]``, concatenations as lists of nodes."""
    if isinstance(genotype, RecurrentGenotype):
        return {
            "version": VERSION,
            "recurrent": [list(edge) for edge in genotype.recurrent],
            "concat": list(genotype.concat),
        }
    return {
        "version": _version(genotype),
        "normal": _cell(genotype.normal),
        "normal_concat": list(genotype.normal_concat),
        "reduce": _cell(genotype.reduce),
        "reduce_concat": list(genotype.reduce_concat),
    }


def write(genotype: AnyGenotype) -> str:
    """Write the object on one line."""
    return json.dumps(document(genotype))


def read(text: str) -> AnyGenotype:
    """Read a text that holds such an object; fields beside those of the form are not looked at.

    Raises:
        GenotypeError: it holds something else.
    """
    try:
        fields = json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise GenotypeError(place, text[error.pos :], f"it is an object of JSON ({error.msg})") from error
    except (ValueError, RecursionError) as error:
        raise GenotypeError("text", text, f"it is an object of JSON ({error})") from error
    if not isinstance(fields, dict):
        raise GenotypeError("text", text, "it is an object of JSON")
    needed = RECURRENT_FIELDS if RECURRENT_FIELDS[0] in fields else FIELDS
    if missing := [name for name in ("version", *needed) if name not in fields]:
        raise GenotypeError("fields", list(fields), f"{', '.join(missing)} must be among them")
    version = fields["version"]
    if version not in _VERSIONS or isinstance(version, bool):
        raise GenotypeError("version", version, f"this program reads the versions {' and '.join(map(str, _VERSIONS))}")
    genotype = from_nested(fields) if needed is FIELDS else from_recurrent(fields)
    if version < _version(genotype):
        raise GenotypeError("version", version, f"what stands there needs version {_version(genotype)}")
    return genotype


def _version(genotype: AnyGenotype) -> int:
    """The first that can say it."""
    if isinstance(genotype, RecurrentGenotype):
        return VERSION
    concatenates_all = set(genotype.inner_nodes) == {*genotype.normal_concat} == {*genotype.reduce_concat}
    nodes = (*genotype.normal, *genotype.reduce)
    return 1 if concatenates_all and all(first.source != second.source for first, second in nodes) else VERSION


def _cell(cell: Cell) -> list[list[list[object]]]:
    return [[list(edge) for edge in node] for node in cell]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field stands twice")
    return fields
