"""What the searches tell Prometheus."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from enas_service.search.memory import Status


class SearchMetrics(Collector):
    """Gauges for each experiment in memory; what is let go from memory is told no more.

    Args:
        statuses: gives how far each experiment's search has come.
    """

    def __init__(self, statuses: Callable[[], Mapping[str, Status]]) -> None:
        self._statuses = statuses

    def collect(self) -> Iterator[Metric]:
        """Read the figures as they stand; called at each scrape."""
        statuses = self._statuses()
        for name, help_text, value in _GAUGES:
            gauge = GaugeMetricFamily(f"katib_nas_enas_{name}", help_text, labels=["experiment"])
            for experiment, status in statuses.items():
                if (figure := value(status)) is not None:
                    gauge.add_metric([experiment], figure)
            yield gauge


_GAUGES: list[tuple[str, str, Callable[[Status], float | None]]] = [
    ("trials_seen", "Finished trials that the search has learned from.", lambda status: status.num_trials),
    ("best_reward", "Best objective so far, in the objective's own unit.", lambda status: status.best),
    (
        "entropy_nats",
        "Mean entropy of the policy along the architectures that it learned from last.",
        lambda status: None if status.step is None else status.step.entropy,
    ),
    (
        "skip_rate",
        "Mean probability of a join in the same architectures.",
        lambda status: None if status.step is None else status.step.skip_rate,
    ),
]
