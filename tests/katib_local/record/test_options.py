"""Options of the command line, kept for a resumed run."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from katib_local.errors import RunFolderError, UsageError
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


def test_the_same_folder_in_another_spelling_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")
    stored = Options(
        dataset=f"npz:{tmp_path}/data/a.npz,{tmp_path}/data/b.npz",
        data_dir=f"{tmp_path}/data",
        shared_weights=f"{tmp_path}/data/w",
        images={"i": f"{tmp_path}/data", "j": "katib-nas/enas-trainer"},
    )
    given = Options(
        dataset=f"npz:{tmp_path}/link/a.npz,{tmp_path}/x/../data/b.npz",
        data_dir=f"{tmp_path}/link/",
        shared_weights=f"{tmp_path}/data/../link/w",
        images={"i": f"{tmp_path}/./link", "j": "katib-nas/enas-trainer"},
    )
    assert given.resumed_from(stored) == stored
    with pytest.raises(RunFolderError, match="--dataset"):
        replace(given, dataset=f"npz:{tmp_path}/link/a.npz").resumed_from(stored)
    with pytest.raises(RunFolderError, match="--image: "):
        replace(given, images={"i": f"{tmp_path}/link", "j": "katib-nas/darts-trainer"}).resumed_from(stored)


def test_a_size_is_checked() -> None:
    assert Options(image_size="40x32").image_size == "40x32"
    with pytest.raises(UsageError, match="image_size: '40x' is not allowed: it must be N or HxW"):
        Options(image_size="40x")
