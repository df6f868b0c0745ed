"""Texts that read ``Genotype(normal=…,…)`` or ``Genotype(recurrent=…,…)``: taken apart, never evaluated."""

import ast
import re
import warnings

from darts_genotype.fields import FIELDS, RECURRENT_FIELDS
from darts_genotype.genotype import GenotypeError

START = "Genotype("

MAX_CHARACTERS = 50_000
"""Longest genotype that is read, whatever stands before; one of 64 nodes a cell has about 8,000 characters."""

_WHOLE = f"it reads Genotype({'=…,'.join(FIELDS)}=…) or Genotype({'=…,'.join(RECURRENT_FIELDS)}=…)"


def read(text: str) -> dict[str, object]:
    """Return the fields by their names; each a list, tuple, text or integer, nested at will, or a range.

    Blanks and line ends between the parts do not matter. A name may stand before, as in ``Best-Genotype=Genotype(…)``,
    and before that name anything: so a line of a log is read as it is.

    Raises:
        GenotypeError: the text is something else.
    """
    before, start, after = text.partition(START)
    if not start or (before.strip() and not before.rstrip().endswith(("=", ":"))):
        raise GenotypeError("text", text, f"it starts with {START}, or with a name and ={START}")
    if len(after) > MAX_CHARACTERS:
        raise GenotypeError("text", f"{len(after)} characters after {START}", f"there are at most {MAX_CHARACTERS}")
    call = _parse(before, start + after)
    names = [keyword.arg for keyword in call.keywords]
    if call.args or sorted(map(str, names)) not in (sorted(FIELDS), sorted(RECURRENT_FIELDS)):
        allowed = f"they are {', '.join(FIELDS)}, or {' and '.join(RECURRENT_FIELDS)}"
        raise GenotypeError("fields", names, allowed)
    return {str(keyword.arg): _value(str(keyword.arg), keyword.value, start + after) for keyword in call.keywords}


def _parse(before: str, text: str) -> ast.Call:
    # Nothing is compiled, but the parser warns of what it would be: that is not for the user's eyes.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            call = ast.parse(text, mode="eval").body
        except SyntaxError as error:
            raise GenotypeError(*_place(error, before, text), f"{_WHOLE} ({error.msg})") from error
        except (ValueError, RecursionError, MemoryError) as error:
            raise GenotypeError("text", text, _WHOLE) from error
    match call:
        case ast.Call(func=ast.Name(id="Genotype")):
            return call
    raise GenotypeError("text", text, _WHOLE)


def _place(error: SyntaxError, before: str, text: str) -> tuple[str, str]:
    """Where in the whole text the parser stopped, and what stands there."""
    if not error.lineno or not error.offset:
        return "text", text
    offset = error.offset + (len(before.rpartition("\n")[2]) if error.lineno == 1 else 0)
    rest = re.split("\r\n|\r|\n", text)[error.lineno - 1][error.offset - 1 :]
    return f"line {before.count(chr(10)) + error.lineno}, column {offset}", rest


def _value(place: str, node: ast.expr, text: str) -> object:
    """Convert a literal; the parser has refused brackets nested deeper than 200."""
    match node:
        case ast.Constant(value=value) if type(value) in (str, int):
            return value
        case ast.List(elts=items):
            return [_value(place, item, text) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_value(place, item, text) for item in items)
        case ast.Call(
            func=ast.Name(id="range"),
            args=[ast.Constant(value=int(first)), ast.Constant(value=int(end))],
            keywords=[],
        ):
            return range(first, end)
    allowed = "lists, tuples, texts, integers and range(first,end) may stand there"
    raise GenotypeError(place, ast.get_source_segment(text, node), allowed)
