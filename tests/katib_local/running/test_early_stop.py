"""A metrics file that is read as it grows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from katib_local.manifest import manifest as manifests
from katib_local.record import collector
from katib_local.record.stop_rules import Comparison, StopRule, UnusableValue
from katib_local.record.trials import Trial
from katib_local.running import early_stop
from katib_local.running.early_stop import EarlyStop
from katib_suggestion.experiment import TrialCondition

Make = Callable[..., dict[str, Any]]
RULE = StopRule(metric="score", value=0.5, comparison=Comparison.LESS, start_step=2)
TRIAL = Trial(name="t", number=1, condition=TrialCondition.RUNNING, assignments={}, labels={}, rules=(RULE,))
JSON_FILE = {
    "spec.metricsCollectorSpec": {
        "collector": {"kind": "File"},
        "source": {"fileSystemPath": {"path": "/katib/m.json", "format": "JSON"}},
    },
    "spec.trialTemplate.trialSpec.spec.template.spec.containers.0.args": ["/katib/m.json"],
}


@pytest.fixture
def watch(manifest: Make, tmp_path: Path) -> Callable[..., tuple[EarlyStop, Callable[[str], None]]]:
    """Make a watcher of a folder, and what writes more of the file that it watches."""

    def make(changes: dict[str, Any] | None = None) -> tuple[EarlyStop, Callable[[str], None]]:
        experiment = manifests.parse(manifest(changes))
        path = tmp_path / ("output.log" if experiment.collector.path is None else "metrics/m.json")

        def write(text: str) -> None:
            path.parent.mkdir(exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(text)

        return EarlyStop(experiment, TRIAL, tmp_path), write

    return make


def test_lines_count_once_they_have_ended(watch: Any) -> None:
    stop, write = watch()
    assert not stop.is_due()
    write("2024-01-01T00:00:00Z score=0.1\nnothing\nscore=0.")
    assert not stop.is_due()
    assert not stop.is_due()
    write("2\n")
    assert stop.is_due()


def test_lines_of_other_metrics_are_not_read(watch: Any) -> None:
    stop, write = watch()
    write("score=0.1\nloss=\nScore=\nscore=0.9\n")
    assert not stop.is_due()


def test_a_value_beside_the_metric_must_be_a_number(watch: Any) -> None:
    stop, write = watch()
    write("loss=nan score=0.1\n")
    with pytest.raises(UnusableValue, match="loss"):
        stop.is_due()


def test_lines_of_json(watch: Any) -> None:
    stop, write = watch(JSON_FILE)
    write('{"score": "0.1", "text": "t"}\nscore\n["score"]\n{"score": 0.1}\n{"loss": "1"}\n')
    assert not stop.is_due()
    write('{"score": "0.2"}\n')
    assert stop.is_due()


def test_a_line_without_end_takes_no_memory(watch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (early_stop, collector):
        monkeypatch.setattr(module, "MAX_LINE", 100)
    stop, write = watch()
    write("x" * 1000)
    for _ in range(20):
        assert not stop.is_due()
        assert len(stop._rest) <= 200
    write("\nscore=0.1\nscore=0.1\n")
    assert stop.is_due()
