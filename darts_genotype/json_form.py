"""Our form in JSON: an object of a version and the fields; ``docs/reference/genotype.md`` is its schema."""

import json
from typing import Any

from darts_genotype.fields import FIELDS, RECURRENT_FIELDS, from_nested, from_recurrent
from darts_genotype.genotype import Cell, GenotypeError
from darts_genotype.recurrent import AnyGenotype, RecurrentGenotype

VERSION = 1
"""Of the form; it changes when a reader of today would misread, or could not read, what is written."""

RECURRENT_VERSION = 2
"""Of the form of recurrent cells, which readers of version 1 cannot read."""


def document(genotype: AnyGenotype) -> dict[str, Any]:
    """Return the object: nodes as lists of ``[operation, source]``, concatenations as lists of nodes."""
    if isinstance(genotype, RecurrentGenotype):
        return {
            "version": RECURRENT_VERSION,
            "recurrent": [list(edge) for edge in genotype.recurrent],
            "concat": list(genotype.concat),
        }
    return {
        "version": VERSION,
        "normal": _cell(genotype.normal),
        "normal_concat": list(genotype.concat),
        "reduce": _cell(genotype.reduce),
        "reduce_concat": list(genotype.concat),
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
    is_recurrent = RECURRENT_FIELDS[0] in fields
    needed = RECURRENT_FIELDS if is_recurrent else FIELDS
    if missing := [name for name in ("version", *needed) if name not in fields]:
        raise GenotypeError("fields", list(fields), f"{', '.join(missing)} must be among them")
    known = RECURRENT_VERSION if is_recurrent else VERSION
    version = fields["version"]
    if version != known or isinstance(version, bool):
        of_what = " of recurrent cells" if is_recurrent else ""
        raise GenotypeError("version", version, f"this program reads version {known}{of_what}")
    return from_recurrent(fields) if is_recurrent else from_nested(fields)


def _cell(cell: Cell) -> list[list[list[object]]]:
    return [[list(edge) for edge in node] for node in cell]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field stands twice")
    return fields
