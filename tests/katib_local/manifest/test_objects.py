"""Files with more than an Experiment, and Experiments without a name."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from katib_local.manifest import document, objects
from katib_local.manifest import manifest as manifests
from katib_suggestion.errors import InvalidExperiment

Make = Callable[..., dict[str, Any]]

CLAIM = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "nas-data"}, "spec": {}}


@pytest.mark.parametrize(
    "put",
    [
        lambda item: [CLAIM, item],
        lambda item: [item, None, CLAIM],
        lambda item: [{"apiVersion": "v1", "kind": "List", "items": [CLAIM, item]}],
        lambda item: [{"kind": "List", "items": [CLAIM]}, item],
    ],
)
def test_the_experiment_among_other_objects(put: Any, manifest: Make, caplog: pytest.LogCaptureFixture) -> None:
    found = document.read(yaml.safe_dump_all(put(manifest())))
    assert found == manifest()
    assert caplog.messages == ["passed over PersistentVolumeClaim nas-data: only the Experiment runs on this machine"]


def test_a_list_of_one_experiment(manifest: Make, caplog: pytest.LogCaptureFixture) -> None:
    assert document.read(yaml.safe_dump({"kind": "List", "items": [manifest()]})) == manifest()
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("others", "listed"),
    [
        ([CLAIM, CLAIM], r"PersistentVolumeClaim nas-data, PersistentVolumeClaim nas-data\)"),
        ([{"kind": "Experiment", "metadata": {"name": "other"}}, 7], "Experiment other, a int"),
        ([CLAIM] * 30, r"and 26 more\)"),
    ],
)
def test_none_and_several_are_refused_by_name(others: Any, listed: str, manifest: Make) -> None:
    first = [manifest()] if others[0]["kind"] == "Experiment" else []
    with pytest.raises(InvalidExperiment, match=f"{listed}.* there must be one Experiment"):
        document.read(yaml.safe_dump_all(copy.deepcopy([*first, *others])))


def test_a_generated_name_is_each_time_the_same(manifest: Make) -> None:
    made = objects.named(manifest({"metadata.name": ..., "metadata.generateName": "search-"}))
    assert made == objects.named(manifest({"metadata.name": ..., "metadata.generateName": "search-"}))
    name = manifests.parse(made).name
    assert name.startswith("search-")
    assert len(name) == len("search-") + 5
    assert objects.named(manifest({"metadata.generateName": "search-"}))["metadata"]["name"] == "mini"
