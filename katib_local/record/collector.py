"""Katib's rules for metrics: from a trial's output to one value a metric.

Followed to the letter, with their corners: ``x=nan`` is found by the default pattern with an empty value, which is no
number and so leaves the smallest and the largest alone, but which is the latest value all the same.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any

from katib_local.manifest.experiment import Collector, MetricsFormat, Objective, Strategy
from katib_local.manifest.go_regex import compiled

DEFAULT_FILTER = r"([\w|-]+)\s*=\s*([+-]?\d*(\.\d+)?([Ee][+-]?\d+)?)"
MAX_LINE = 1_000_000
"""Bytes of a line that are looked at together; a longer one is read as several."""
MAX_POINTS = 1_000_000
"""Values that a trial may report; of a longer text each thousand characters count as one."""
UNAVAILABLE = "unavailable"
"""What Katib puts where a metric has no value."""
TIMESTAMP_KEY = "timestamp"

NO_TIME = datetime(1, 1, 1, tzinfo=UTC)
"""Time of a metric that came without one; before all others."""

_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:[.,](?P<fraction>\d+))?(?:Z|[+-]\d{2}:\d{2})", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|infinity|nan)", re.ASCII | re.IGNORECASE)


class MalformedMetrics(ValueError):
    """A file of the format JSON holds a line that is no object of JSON, or a trial reports without end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One value of one metric, as reported."""

    metric: str
    value: str
    time: datetime
    """`NO_TIME` where the line had none."""


def collect(output: IO[bytes], metrics: Sequence[str], collector: Collector) -> list[Point]:
    """Find the metrics in what a trial wrote, in memory that does not grow with it.

    Args:
        output: the collected file; bytes that are no UTF-8 do no harm.
        metrics: names to look for.
        collector: format and filters.

    Raises:
        MalformedMetrics: see there.
    """
    lines = (part.removesuffix(b"\n") for part in iter(lambda: output.readline(MAX_LINE), b""))
    if collector.format is MetricsFormat.JSON:
        found = _json_points(lines, metrics)
    else:
        found = _text_points(lines, metrics, patterns(collector))
    points: list[Point] = []
    count = 0
    for point in found:
        points.append(point)
        count += 1 + len(point.value) // 1_000
        if count > MAX_POINTS:
            raise MalformedMetrics(f"it reports more than {MAX_POINTS} values")
    return points


def patterns(collector: Collector) -> list[Any]:
    """Compile the patterns that find metrics in a line of text."""
    return [compiled(pattern) for pattern in collector.filters or (DEFAULT_FILTER,)]


def matches(line: bytes, patterns: Sequence[Any]) -> Iterator[tuple[str, str]]:
    """Find what looks like a metric in a line of UTF-8, each with its value."""
    for pattern in patterns:
        # On bytes it is three times as fast.
        for match in pattern.finditer(line):
            name, value = ((match[group] or b"").decode(errors="replace").strip() for group in (1, 2))
            yield name, value


def observe(points: Sequence[Point], objective: Objective) -> dict[str, str] | None:
    """Reduce what was reported to one value a metric, by each metric's strategy.

    A text has no smallest and no largest value: its latest counts. A metric that was never reported is `UNAVAILABLE`.

    Returns:
        the values; None where the objective's metric was never reported, so that the trial has no metrics at all.
    """
    if all(point.metric != objective.metric for point in points):
        return None
    return {
        metric: _reduce([point for point in points if point.metric == metric], strategy)
        for metric, strategy in objective.strategies.items()
    }


def number(text: str) -> float | None:
    """Read a number as Go's strconv.ParseFloat does; None for a text, and for a number too large to be one."""
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    overflows = math.isinf(value) and "inf" not in text.lower()
    return None if overflows else value


def _reduce(points: Sequence[Point], strategy: Strategy) -> str:
    latest, latest_time = UNAVAILABLE, NO_TIME
    for point in points:
        if point.time >= latest_time:
            latest, latest_time = point.value, point.time
    numbers = [(value, point.value) for point in points if (value := number(point.value)) is not None]
    if strategy is Strategy.LATEST or not numbers:
        return latest
    extreme = numbers[0]
    for item in numbers[1:]:
        if item[0] < extreme[0] if strategy is Strategy.MIN else item[0] > extreme[0]:
            extreme = item
    return extreme[1]


def _text_points(lines: Iterable[bytes], metrics: Sequence[str], patterns: Sequence[Any]) -> Iterator[Point]:
    needles = [metric.encode() for metric in metrics]
    for line in lines:
        if not any(needle in line for needle in needles):
            continue
        text = line.decode(errors="replace")
        first, blank, _ = text.partition(" ")
        time = (_rfc3339(first) if blank else None) or NO_TIME
        for name, value in matches(text.encode(), patterns):
            if name in metrics:
                yield Point(metric=name, value=value, time=time)


def _json_points(lines: Iterable[bytes], metrics: Sequence[str]) -> Iterator[Point]:
    for index, line in enumerate(lines):
        if not line:
            continue
        try:
            values = json.loads(line.decode(errors="replace"))
        except (ValueError, RecursionError) as error:
            raise MalformedMetrics(f"line {index + 1} of the metrics file is no JSON: {error}") from error
        if not isinstance(values, dict):
            raise MalformedMetrics(f"line {index + 1} of the metrics file is no object of JSON")
        yield from _json_line(values, metrics)


def _json_line(values: Mapping[str, object], metrics: Sequence[str]) -> Iterator[Point]:
    stamp = values.get(TIMESTAMP_KEY)
    time = None
    if isinstance(stamp, str):
        time = _rfc3339(stamp)
    elif isinstance(stamp, int | float) and not isinstance(stamp, bool):
        time = _unix_time(stamp)
    for metric in metrics:
        value = values.get(metric)
        if isinstance(value, str):
            yield Point(metric=metric, value=value, time=time or NO_TIME)


def _unix_time(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _rfc3339(text: str) -> datetime | None:
    match = _RFC3339.fullmatch(text)
    if not match:
        return None
    # Python keeps microseconds; Go's nanoseconds are cut off.
    fraction = match["fraction"]
    if fraction:
        text = re.sub(r"[.,]\d+", f".{fraction[:6]:0<6}", text, count=1)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
