"""A Python function as what the trials do."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from katib_local import api
from katib_local.errors import UsageError
from katib_local.objective.values import NETWORK, value_of
from katib_local.record.options import Options

Document = dict[str, Any]


@pytest.fixture
def plain(manifest: Callable[..., Document], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Document:
    """An Experiment over one parameter, with no trial template."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    space = [{"name": "value", "parameterType": "categorical", "feasibleSpace": {"list": ["v1", "v2"]}}]
    return manifest({"spec.nasConfig": ..., "spec.parameters": space, "spec.trialTemplate": ...})


def test_a_function_is_called_in_a_process_a_trial(plain: Document, service: str) -> None:
    def train(assigned: Mapping[str, Any]) -> float:
        import os  # what it needs it imports itself, as with Katib's own SDK

        os.system("echo pid $PPID")
        return 0.25 * int(assigned["value"].removeprefix("v"))

    found = api.run(plain, objective=train, suggestion=service, progress=False)
    assert [trial.metrics for trial in found.trials] == [{"score": 0.25}, {"score": 0.5}]
    pids = {(trial.folder / "output.log").read_text().split()[1] for trial in found.trials}
    assert len(pids) == 2
    assert str(os.getpid()) not in pids


def test_what_it_yields_is_a_curve_and_what_it_raises_a_reason(plain: Document, service: str) -> None:
    plain["spec"]["objective"]["additionalMetricNames"] = ["loss"]
    found = api.run(plain, objective=of_a_module, suggestion=service, progress=False)
    first, second = found.trials
    assert first.curves == {"score": (0.1, 0.3), "loss": (2.0, 1.0)}
    assert "RuntimeError: no such luck" in second.reason
    # What has ended is kept, whatever the function is by now.
    again = api.run(plain, objective=of_none, suggestion=service, progress=False, resume=True, output_dir=found.folder)
    assert [trial.metrics for trial in again.trials] == [trial.metrics for trial in found.trials]


LUCK = "luck"


def of_a_module(assigned: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    yield {"score": 0.1, "loss": 2.0}
    if assigned["value"] == "v2":
        raise RuntimeError(f"no such {LUCK}")
    yield {"score": 0.3, "loss": 1.0}


def of_none(assigned: Mapping[str, Any]) -> float:
    return 1.0


def test_what_no_other_process_can_call_is_refused(plain: Document, service: str) -> None:
    weight = 2.0

    def train(assigned: Mapping[str, Any]) -> float:
        return weight * len(os.sep)

    for objective, message in (
        (train, "'train' is not allowed: os, weight is not known in the trials' processes: import or define it in the"),
        (lambda assigned: 1.0, "'<lambda>' is not allowed: a function that is defined by def"),
        (partial(of_none), "'partial' is not allowed: a function that is defined by def"),
    ):
        with pytest.raises(UsageError, match=re.escape(message)):
            api.run(plain, objective=objective, suggestion=service, progress=False)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("3", "int", 3),
        ("0.5", "double", 0.5),
        ("16", "discrete", 16),
        ("0.5", "discrete", 0.5),
        ("16", "categorical", "16"),
        ("[[0], [1, 0]]", NETWORK, [[0], [1, 0]]),
        ("{'a': 1}", NETWORK, {"a": 1}),
    ],
)
def test_assignments_are_values_of_python(text: str, kind: str, value: object) -> None:
    assert value_of(text, kind) == value


def test_options_of_earlier_versions_are_read() -> None:
    assert Options.from_json('{"dataset": "digits", "images": {}}').objective is None
