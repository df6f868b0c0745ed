"""earlyStopping, as Katib's service checks it."""

from collections.abc import Callable
from typing import Any

import pytest

from katib_local.manifest import manifest as manifests
from katib_suggestion.errors import InvalidExperiment

Make = Callable[..., dict[str, Any]]


def stopping(*settings: tuple[str, str], name: str = "medianstop") -> dict[str, Any]:
    listed = [{"name": name, "value": value} for name, value in settings]
    return {"spec.earlyStopping": {"algorithmName": name, "algorithmSettings": listed}}


def test_without_it_trials_run_to_their_end(manifest: Make) -> None:
    assert manifests.parse(manifest()).early_stopping is None


@pytest.mark.parametrize(
    ("settings", "values"),
    [
        ([], (3, 4)),
        ([("start_step", "1")], (3, 1)),
        ([("min_trials_required", "1"), ("start_step", " +7 ")], (1, 7)),
        ([("start_step", "2"), ("start_step", "9")], (3, 9)),
    ],
)
def test_settings_and_defaults(manifest: Make, settings: list[tuple[str, str]], values: tuple[int, int]) -> None:
    found = manifests.parse(manifest(stopping(*settings))).early_stopping
    assert found is not None
    assert (found.min_trials_required, found.start_step) == values
    assert found.settings == tuple(settings)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (stopping(name="medianstopp"), "algorithmName: 'medianstopp' is not allowed: did you mean medianstop?"),
        (stopping(name=""), "spec.earlyStopping.algorithmName: '' is not allowed"),
        (stopping(("start_stop", "3")), "algorithmSettings: 'start_stop' is not allowed: did you mean start_step?"),
        (
            stopping(("start_step", "0")),
            "algorithmSettings.start_step: '0' is not allowed: it must be an integer from 1",
        ),
        (stopping(("min_trials_required", "0")), "min_trials_required: '0' is not allowed"),
        (stopping(("min_trials_required", "2.0")), "min_trials_required: '2.0' is not allowed"),
        # Katib's service takes it, and can send no rule with it.
        (stopping(("start_step", str(2**31))), "start_step: '2147483648' is not allowed"),
    ],
)
def test_what_katibs_service_refuses(manifest: Make, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidExperiment) as caught:
        manifests.parse(manifest(changes))
    assert said in str(caught.value)
