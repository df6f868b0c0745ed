"""The best value so far as a line of a few pixels."""

from collections.abc import Sequence

from markupsafe import Markup

WIDTH, HEIGHT = 120, 26
_EDGE = 3
_MOST = 60
"""Points of a line; more would stand within one pixel."""


def draw(values: Sequence[float], metric: str) -> Markup:
    """Draw a line that goes on at each value until the next; nothing where there are no two values.

    Args:
        values: the best so far after each trial.
        metric: their name, for those who do not see the line.
    """
    if len(values) < 2:
        return Markup("")
    low, high = min(values), max(values)
    last = len(values) - 1
    shown = sorted({round(index * last / (_MOST - 1)) for index in range(_MOST)}) if last >= _MOST else range(last + 1)

    def place(index: int) -> tuple[str, str]:
        share = (values[index] - low) / (high - low) if high > low else 0.5
        x = _EDGE + (WIDTH - 2 * _EDGE) * index / last
        return f"{x:.1f}", f"{HEIGHT - _EDGE - (HEIGHT - 2 * _EDGE) * share:.1f}"

    x, y = place(shown[0])
    path = f"M{x} {y}" + "".join(f"H{x}V{y}" for x, y in map(place, shown[1:]))
    return Markup(
        '<svg class="spark" viewBox="0 0 {width} {height}" role="img" aria-label="{label}">'
        '<path d="{path}"/><circle cx="{x}" cy="{y}" r="2.5"/></svg>'
    ).format(
        width=WIDTH,
        height=HEIGHT,
        label=f"best {metric} from {values[0]:.4g} to {values[-1]:.4g}",
        path=path,
        x=place(last)[0],
        y=place(last)[1],
    )
