"""Watches what a running trial reports, and tells when its rules have it stopped."""

import json
from collections.abc import Iterator
from pathlib import Path

from katib_local.manifest.experiment import Experiment, MetricsFormat
from katib_local.record import collector, trial_folder
from katib_local.record.collector import MAX_LINE
from katib_local.record.stop_rules import Comparisons
from katib_local.record.trials import Trial


class EarlyStop:
    """Reads the metrics file of a trial as it grows, a part each time that it is asked.

    Args:
        experiment: of the trial.
        trial: whose rules are heeded.
        folder: of the trial.
    """

    def __init__(self, experiment: Experiment, trial: Trial, folder: Path) -> None:
        self._comparisons = Comparisons(trial.rules, experiment.objective)
        self._path = trial_folder.metrics_file(folder, experiment.collector)
        self._is_json = experiment.collector.format is MetricsFormat.JSON
        self._patterns = collector.patterns(experiment.collector)
        self._position = 0
        self._rest = b""

    def is_due(self) -> bool:
        """Read on, and tell whether every rule of the trial has held by now.

        Raises:
            UnusableValue: the trial reports what is no number.
        """
        for line in self._new_lines():
            for metric, value in self._reported(line):
                self._comparisons.take(metric, value)
            if not self._comparisons.metrics:
                return True
        return False

    def _new_lines(self) -> Iterator[bytes]:
        """Lines that have been ended since; of one that is very long, a part each time."""
        with trial_folder.output(self._path) as output:
            output.seek(self._position)
            new = output.read(MAX_LINE)
        self._position += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        yield from lines
        if len(self._rest) > MAX_LINE:
            rest, self._rest = self._rest, b""
            yield rest

    def _reported(self, line: bytes) -> list[tuple[str, str]]:
        """What a line reports, if it has to do with a rule; of a text all that looks like a metric, as in Katib."""
        metrics = self._comparisons.metrics
        if not any(metric.encode() in line for metric in metrics):
            return []
        if not self._is_json:
            return list(collector.matches(line.decode(errors="replace").encode(), self._patterns))
        try:
            values = json.loads(line.decode(errors="replace"))
        except (ValueError, RecursionError):
            return []  # for which it has no metrics in the end
        if not isinstance(values, dict):
            return []
        return [(metric, values[metric]) for metric in metrics if isinstance(values.get(metric), str)]
