"""Texts that read ``Genotype(normal=…,normal_concat=…,reduce=…,reduce_concat=…)``: taken apart, never evaluated."""

import ast
import re
import warnings

from darts_genotype.fields import FIELDS, RECURRENT_FIELDS
from darts_genotype.finding import MAX_CHARACTERS, START
from darts_genotype.genotype import GenotypeError

_WHOLE = f"it reads Genotype({'=…,'.join(FIELDS)}=…) or Genotype({'=…,'.join(RECURRENT_FIELDS)}=…)"
_NEEDED = FIELDS[:2]
_OPTIONAL = FIELDS[2:]
"""Of a network without reduction cells they may be None, or missing."""

_NUMBERS = frozenset({"int", "int8", "int16", "int32", "int64", "uint8", "long", "tensor", "array"})
"""What numpy and torch write around a number, or a list of them."""
_LISTS = frozenset({"list", "tuple"})


def read(text: str, before: str = "") -> dict[str, object]:
    """Return the fields by their names; each a list, tuple, text or integer, nested at will, a range, or None.

    Blanks and line ends between the parts do not matter; fields may go by their order. Others than ours, as GDAS has
    two, must be None.

    Args:
        text: from ``Genotype(`` on.
        before: what stands before, to say where something is wrong.

    Raises:
        GenotypeError: the text is something else.
    """
    if len(text) > len(START) + MAX_CHARACTERS:
        allowed = f"there are at most {MAX_CHARACTERS}"
        raise GenotypeError("text", f"more than {MAX_CHARACTERS} characters after {START}", allowed)
    # Within a text of JSON or of Python quotes have a backslash, and a log may have it in the middle.
    text = re.sub(r"\\([\"'])", r"\1", text)
    return _fields(_parse(before, text), text)


def _fields(call: ast.Call, text: str) -> dict[str, object]:
    names = [keyword.arg for keyword in call.keywords]
    if RECURRENT_FIELDS[0] in names:
        if call.args or sorted(map(str, names)) != sorted(RECURRENT_FIELDS):
            raise GenotypeError("fields", names, f"they are {' and '.join(RECURRENT_FIELDS)}, each once")
        return {str(keyword.arg): _value(str(keyword.arg), keyword.value, text) for keyword in call.keywords}
    given: dict[str, ast.expr] = dict(zip(FIELDS, call.args, strict=False))
    others = list(call.args[len(FIELDS) :])
    for keyword in call.keywords:
        if keyword.arg in FIELDS and keyword.arg not in given:
            given[keyword.arg] = keyword.value
        elif keyword.arg is None or keyword.arg in FIELDS:
            raise GenotypeError("fields", names, f"they are {', '.join(FIELDS)}, each once")
        else:
            others.append(keyword.value)
    if any(name not in given for name in _NEEDED) or any(not _is_none(value) for value in others):
        raise GenotypeError("fields", names, f"they are {', '.join(FIELDS)}, and others are None")
    values = {name: _value(name, value, text) for name, value in given.items()}
    return {name: values.get(name) for name in (*_NEEDED, *_OPTIONAL)}


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


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _value(place: str, node: ast.expr, text: str) -> object:
    """Convert a literal; the parser has refused brackets nested deeper than 200."""
    match node:
        case ast.Constant(value=value) if type(value) in (str, int) or value is None:
            return value
        case ast.List(elts=items):
            return [_value(place, item, text) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_value(place, item, text) for item in items)
        case ast.Call(func=ast.Name(id="range"), args=[*bounds], keywords=[]) if 1 <= len(bounds) <= 2:
            numbers = [bound.value for bound in bounds if isinstance(bound, ast.Constant) and type(bound.value) is int]
            if len(numbers) == len(bounds):
                return range(*numbers)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[inner, *_]) if name in _NUMBERS | _LISTS:
            found = _value(place, inner, text)
            if isinstance(found, int if name in _NUMBERS else list | tuple | range) or name == "array":
                return found
    allowed = "lists, tuples, texts, integers and range(first,end) may stand there"
    raise GenotypeError(place, ast.get_source_segment(text, node), allowed)
