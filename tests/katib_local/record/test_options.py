"""Options of the command line, kept for a resumed run."""

from dataclasses import replace
from typing import Any

import pytest

from katib_local.errors import RunFolderError
from katib_local.record.options import Options

STORED = Options(
    dataset="digits",
    data_dir="/d",
    max_images=3,
    shared_weights="/w",
    images={"i": "/p"},
    suggestion="a:1",
    seed=0,
    parallel=2,
)


def test_json_and_back() -> None:
    assert Options.from_json(STORED.to_json()) == STORED
    assert Options.from_json(Options().to_json()) == Options()


def test_a_resumed_run_takes_over_what_is_not_given_again() -> None:
    assert Options().resumed_from(STORED) == STORED
    assert STORED.resumed_from(STORED) == STORED


def test_a_service_may_move_and_parallel_trials_may_change() -> None:
    resumed = Options(suggestion="b:2", parallel=5).resumed_from(STORED)
    assert resumed == replace(STORED, suggestion="b:2", parallel=5)
    assert Options(parallel=5).resumed_from(Options()) == Options(parallel=5)


def test_a_manifest_may_move() -> None:
    moved = Options(manifest="/new.yaml").resumed_from(replace(STORED, manifest="/old.yaml"))
    assert moved == replace(STORED, manifest="/new.yaml")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"dataset": "fake"}, "--dataset: fake is not what the run was started with, digits"),
        ({"data_dir": "/e"}, "--data-dir: /e"),
        ({"max_images": 4}, "--max-images: 4"),
        ({"shared_weights": "/v"}, "--shared-weights: /v"),
        ({"seed": 1}, "--seed: 1 is not what the run was started with, 0"),
        ({"images": {"i": "/q"}}, "--image: i=/q is not what the run was started with, i=/p"),
    ],
)
def test_another_option_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(RunFolderError, match=message):
        Options(**changed).resumed_from(STORED)


def test_an_option_that_comes_later_is_refused() -> None:
    with pytest.raises(RunFolderError, match="--seed: 0 is not what the run was started with, none"):
        Options(seed=0).resumed_from(Options())
