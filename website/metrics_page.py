"""``docs/reference/metrics.md``: what the services tell Prometheus, from what they register."""

from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from katib_suggestion.serving.metrics import CallMetrics

PAGE = Path("docs/reference/metrics.md")

_HEAD = """\
# Metrics of the services

Both services answer Prometheus on `--metrics-port`. Made from the code by `python -m website.reference`. Beside these
stand the Prometheus client's figures of the process: memory, CPU, open files.
"""


def text() -> str:
    """Return the page; imports TensorFlow."""
    from enas_service.metrics import SearchMetrics

    calls = CollectorRegistry()
    CallMetrics(calls)
    searches = SearchMetrics(dict)
    return "\n".join(
        [
            _HEAD,
            "## Calls, of both services\n",
            _table([*calls.collect()], "`method`, and `code` of the counter"),
            "## Searches, of ENAS\n",
            _table([*searches.collect()], "`experiment`"),
        ]
    )


def _table(metrics: list[Metric], labels: str) -> str:
    lines = [f"Labels: {labels}.", "", "| metric | type | what |", "|---|---|---|"]
    for metric in metrics:
        name = metric.name + ("_total" if metric.type == "counter" else "")
        lines.append(f"| `{name}` | {metric.type} | {metric.documentation} |")
    return "\n".join(lines) + "\n"
