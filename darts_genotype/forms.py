"""Every form in which genotypes are written down, and one function that reads them all."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from darts_genotype import call_text, json_form, katib_form, quark0_form
from darts_genotype.fields import RECURRENT_FIELDS, from_nested, from_recurrent
from darts_genotype.genotype import GenotypeError
from darts_genotype.recurrent import AnyGenotype

WRITERS: Mapping[str, Callable[[AnyGenotype], str]] = MappingProxyType(
    {"json": json_form.write, "katib": katib_form.write, "quark0": quark0_form.write}
)
"""By its name, what writes a form, on one line."""


MAX_CHARACTERS = 8_000_000
"""Longest text that is read: a search's ``genotype.json`` holds each epoch's metrics, and a log what was logged."""


def read(text: str) -> AnyGenotype:
    """Read a genotype in whichever form it is: JSON, a line of a trial's log, or quark0's code. Nothing is evaluated.

    Raises:
        GenotypeError: it is in none of them.
    """
    if len(text) > MAX_CHARACTERS:
        raise GenotypeError("text", f"{len(text)} characters", f"it has at most {MAX_CHARACTERS}")
    if text.lstrip().startswith("{"):
        return json_form.read(text)
    fields = call_text.read(text)
    if RECURRENT_FIELDS[0] in fields:
        return from_recurrent(fields)
    return quark0_form.from_fields(fields) if quark0_form.is_flat(fields) else from_nested(fields)
