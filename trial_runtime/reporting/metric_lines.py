"""Lines of standard output that Katib's metrics collector reads (contract with Katib, section 4)."""

import math
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime


class MetricError(ValueError):
    """A metric cannot be written so that the collector reads it back."""


def now() -> str:
    """Return the time, as a metric line begins with it: RFC 3339, UTC."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def report(metrics: Mapping[str, float | str], *, epoch: int | None = None, time: str | None = None) -> None:
    """Print one line with a timestamp and every metric, as ``name=value``, and flush it.

    The timestamp stands first and one blank follows it, or else the collector leaves the time out.

    Args:
        metrics: names and values; an integer is written whole, another number with six significant digits, a
            text as it is.
        epoch: counted from 1; written into the line for a reader.
        time: as `now` returned it; None for now.

    Raises:
        MetricError: a name has other characters than the collector finds, a number is not finite (the collector would
            take ``x=nan`` for an empty value), or a text is empty or holds a blank or a line end.
    """
    fields = " ".join(f"{_name(name)}={_value(name, value)}" for name, value in metrics.items())
    prefix = "" if epoch is None else f"epoch {epoch}: "
    sys.stdout.write(f"{time or now()} {prefix}{fields}\n")
    sys.stdout.flush()


def _name(name: str) -> str:
    if not re.fullmatch(r"[\w-]+", name):
        raise MetricError(f"metric {name!r}: a name holds letters, digits, _ and - only")
    return name


def _value(name: str, value: float | str) -> str:
    if isinstance(value, str):
        if not value or any(character.isspace() for character in value):
            raise MetricError(f"metric {name}: {value!r} is not allowed: a text without blanks and line ends")
        return value
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        raise MetricError(f"metric {name}: {value} is not allowed: it must be a finite number")
    return f"{value:.6g}"
