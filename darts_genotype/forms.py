"""Every form in which genotypes are written down, and one function that reads them all."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from darts_genotype import call_text, enas_form, finding, json_form, katib_form, layouts, nni_form, quark0_form
from darts_genotype.fields import RECURRENT_FIELDS, from_recurrent, read_concats
from darts_genotype.genotype import Genotype, GenotypeError
from darts_genotype.recurrent import AnyGenotype

WRITERS: Mapping[str, Callable[[AnyGenotype], str]] = MappingProxyType(
    {"json": json_form.write, "katib": katib_form.write, "quark0": quark0_form.write}
)
"""By its name, what writes a form, on one line."""


MAX_CHARACTERS = 8_000_000
"""Longest text that is read: a search's ``genotype.json`` holds each epoch's metrics, and a log what was logged."""


_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_QUOTES = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")
"""As a text from a page has them."""


def read(text: str, *, name: str | None = None, last: bool = False) -> AnyGenotype:
    """Read a genotype in whichever form it is. Nothing is evaluated.

    That is our JSON, what NNI exports, what a trial of ENAS leaves where it is of cells, or a call ``Genotype(…)``
    anywhere in a text: a line of a trial's log, a module of Python. In a call the lists may be laid out, and the
    operations called, in each of the ways of `layouts` and `vocabulary`, whichever with whichever.

    Args:
        text: the genotype, with anything around a call.
        name: of several calls, what the one that is meant is assigned to.
        last: of several calls, the last one is meant.

    Raises:
        GenotypeError: it is in none of these forms; or there are several that differ, and nothing says which is meant.
    """
    if len(text) > MAX_CHARACTERS:
        raise GenotypeError("text", f"{len(text)} characters", f"it has at most {MAX_CHARACTERS}")
    if text.lstrip().startswith("{"):
        if nni_form.is_one(text):
            return nni_form.read(text)
        if enas_form.is_one(text):
            return enas_form.read(text)
        if finding.START not in text or '"version"' in text:
            return json_form.read(text)
    text = _COLOUR.sub("", text).translate(_QUOTES)
    meant = finding.choose(text, finding.find(text), name=name, last=last)
    fields = call_text.read(meant.text, text[: meant.start])
    if RECURRENT_FIELDS[0] in fields:
        return from_recurrent(fields)
    normal, reduce = (layouts.cell(kind, fields[kind]) for kind in ("normal", "reduce"))
    concats = {name: fields[name] for name, cell in (("normal_concat", normal), ("reduce_concat", reduce)) if cell}
    return Genotype(normal=normal, reduce=reduce, **read_concats(concats))
