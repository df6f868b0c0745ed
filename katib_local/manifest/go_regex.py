"""Regular expressions as Katib's collector, written in Go, reads them: by RE2, in time that no line makes explode."""

import re
from typing import Any

import re2

error: type[Exception] = re2.error
"""What `compiled` raises of a text that is no regular expression there."""

_TOKEN = re.compile(
    r"\\Q.*?(?:\\E|$)|\\.|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]])*\]|\((?:\?P?<\w+>|\?[a-zA-Z-]*[:)])?|\)|[^\\\[()]+",
    re.DOTALL,
)
"""A quotation, an escape, a class of characters, the opening of a group with its flags or name, its end, or else."""


def compiled(pattern: str) -> Any:
    """Compile a filter, for bytes.

    Raises:
        error: it is no regular expression.
    """
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern.encode(), options)


def may_name(pattern: str, metric: str) -> bool:
    """Tell whether a filter's first group may be the name of a metric; Katib takes off the blanks around it.

    Args:
        pattern: one that compiles, with a group.
        metric: the name.
    """
    try:
        name = compiled(rf"\s*(?:{_first_group(pattern)})\s*")
    except error:
        return True  # it means something else outside its pattern: nothing is known
    return name.fullmatch(metric.encode()) is not None


def _first_group(pattern: str) -> str:
    """Cut the first group that captures out of a pattern, with the flags that stand before it."""
    flags, depth, start = "", 0, -1
    for token in _TOKEN.finditer(pattern):
        text = token[0]
        if text.startswith("("):
            is_flags = text.startswith("(?") and text.endswith(")")
            captures = text == "(" or text.startswith(("(?P<", "(?<"))
            if is_flags:
                flags += text if start < 0 else ""
                continue
            if captures and start < 0:
                start, depth = token.end(), 0
            depth += 1
        elif text == ")":
            depth -= 1
            if start >= 0 and depth == 0:
                return flags + pattern[start : token.start()]
    return pattern
