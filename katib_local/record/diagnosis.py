"""Why a metric is not what its user sees in the trial's output: the line, and what Katib's rule makes of it."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from katib_local.manifest.experiment import Collector, MetricsFormat
from katib_local.manifest.go_regex import compiled
from katib_local.record.collector import DEFAULT_FILTER, MAX_LINE, UNAVAILABLE
from katib_local.record.trial_folder import COLOUR
from katib_suggestion.errors import escaped

_NOT_FINITE = re.compile(rb"[+-]?(?:nan|inf(?:inity)?)\b", re.IGNORECASE)
_GOES_ON = re.compile(rb"[,_'](?=\d)")
"""After a number, what other languages write within one."""

_WITHOUT = "its output has no"
_MAX_NAMES = 8
_MAX_NAMED_LINES = 10_000
_MAX_SHOWN = 80


@dataclass(frozen=True, kw_only=True, slots=True)
class _Match:
    """What a pattern finds in a line."""

    name: str
    value: bytes
    after: bytes
    """What follows the value in the line."""


def of(output: IO[bytes], metric: str, value: str | None, source: Collector) -> str:
    """Say what is strange about what was found of a metric; nothing where it is what the output says.

    Args:
        output: what the trial wrote.
        metric: its name.
        value: the one that counts; `UNAVAILABLE` for one that was not found, None for one that had to be found.
        source: what looked for it.
    """
    if value is None:
        return _of_missing(output, metric, source)
    if value == UNAVAILABLE:
        # That it is not there at all is said by the value.
        missing = _of_missing(output, metric, source)
        return "" if missing.startswith(_WITHOUT) else missing
    return "" if source.format is MetricsFormat.JSON else _of_value(output, metric, value, source)


def _of_missing(output: IO[bytes], metric: str, source: Collector) -> str:
    if source.format is MetricsFormat.JSON:
        return _of_missing_in_json(output, metric)
    patterns = [compiled(pattern) for pattern in source.filters or (DEFAULT_FILTER,)]
    names: dict[str, None] = {}
    last: tuple[int, bytes] | None = None
    for number, line in _lines(output):
        if metric.encode() in COLOUR.sub(b"", line):
            last = number, line
        if number <= _MAX_NAMED_LINES and len(names) < _MAX_NAMES:
            names |= dict.fromkeys(match.name for match in _matches(line, patterns) if match.name)
    return _without_it(metric, list(names)) if last is None else _of_line(*last, metric, source, patterns)


def _of_value(output: IO[bytes], metric: str, value: str, source: Collector) -> str:
    patterns = [compiled(pattern) for pattern in source.filters or (DEFAULT_FILTER,)]
    said = ""
    for number, line in _lines(output):
        if metric.encode() not in line:
            continue
        for match in _matches(line, patterns):
            if match.name == metric and match.value.decode(errors="replace").strip() == value:
                said = _of_match(number, line, match) or said
    return said


def _of_match(number: int, line: bytes, match: _Match) -> str:
    where = f"line {number}, {_shown(line, match.name)}"
    sign = match.value.strip()
    if sign in (b"", b"+", b"-") and (not_finite := _NOT_FINITE.match(sign + match.after)):
        return f"{match.name} is {not_finite[0].decode()} in line {number}, of which Katib's rule makes no number"
    if match.value.strip():
        is_cut = b"." not in match.value and match.value[-1:].isdigit() and _GOES_ON.match(match.after)
        value = match.value.decode(errors="replace")
        return (
            f"{where}: Katib's rule reads {value} there, since a number has a point and nothing else" if is_cut else ""
        )
    if match.after.startswith(b"\x1b"):
        return f"{where}: it is coloured, and Katib's rule finds no number there; print it plain"
    return f"{where}: Katib's rule finds no number there; a text needs a metricsFormat of its own"


def _of_line(number: int, line: bytes, metric: str, source: Collector, patterns: Sequence[Any]) -> str:
    where = f"line {number}, {_shown(line, metric)}"
    if b"\x1b" in line:
        return f"{where}: it is coloured, and Katib's rule does not find {metric} there; print it plain"
    which = "metricsFormat" if source.filters else "Katib's default metricsFormat"
    found = [f"{match.name}={match.value.decode(errors='replace')}" for match in _matches(line, patterns)]
    if found:
        return f"{where}: {which} finds {', '.join(found[:_MAX_NAMES])} there, and no {metric}"
    return f"{where}: it does not match {which}, {' or '.join(source.filters or (DEFAULT_FILTER,))}"


def _of_missing_in_json(output: IO[bytes], metric: str) -> str:
    names: dict[str, None] = {}
    for number, line in _lines(output):
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(values, dict):
            continue
        if metric in values:
            value = json.dumps(values[metric])
            return (
                f"line {number} of the metrics file: {metric} is {_cut(value)}, and Katib takes texts alone: write "
                f'"{metric}": {_cut(json.dumps(value))}'
            )
        if len(names) < _MAX_NAMES:
            names |= dict.fromkeys(map(str, values))
    return _without_it(metric, list(names))


def _without_it(metric: str, names: Sequence[str]) -> str:
    others = f", but {', '.join(names[:_MAX_NAMES])}" if names else ""
    return f"{_WITHOUT} {metric}{escaped(others)}"


def _lines(output: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """The lines as the collector sees them, counted from 1."""
    output.seek(0)
    for number, line in enumerate(iter(lambda: output.readline(MAX_LINE), b""), start=1):
        yield number, line.rstrip(b"\r\n")


def _matches(line: bytes, patterns: Sequence[Any]) -> Iterator[_Match]:
    text = line.decode(errors="replace").encode()
    for pattern in patterns:
        for match in pattern.finditer(text):
            name = (match[1] or b"").decode(errors="replace").strip()
            end = match.end(2) if match[2] is not None else match.end()
            yield _Match(name=name, value=match[2] or b"", after=text[end:])


def _shown(line: bytes, metric: str) -> str:
    """Quote the part of a line that holds a metric."""
    text = line.decode(errors="replace")
    start = max(0, text.find(metric) - _MAX_SHOWN // 4) if len(text) > _MAX_SHOWN else 0
    part = escaped(text[start : start + _MAX_SHOWN])
    return f"'{'…' if start else ''}{part}{'…' if start + _MAX_SHOWN < len(text) else ''}'"


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
