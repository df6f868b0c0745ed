"""What validate warns of, though the manifest is right."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from enas_service.spaces.macro import MacroSpace
from katib_local.manifest import cluster_advice
from katib_local.manifest import manifest as manifests
from katib_local.running import wire
from katib_suggestion.wire import converters

Make = Callable[..., dict[str, Any]]
EXAMPLES = Path(__file__).parents[3] / "examples"
POD = "spec.trialTemplate.trialSpec.spec.template.spec"
STOPPING: dict[str, Any] = {"spec.earlyStopping": {"algorithmName": "medianstop"}}
RIGHT: dict[str, Any] = {
    **STOPPING,
    "spec.trialTemplate.retain": True,
    f"{POD}.securityContext": {"runAsUser": 65532, "runAsGroup": 0},
}


def advice(document: dict[str, Any]) -> list[str]:
    return list(cluster_advice.advice(manifests.parse(document), document))


@pytest.mark.fault(25)
@pytest.mark.fault(26)
@pytest.mark.parametrize(
    ("changes", "starts"),
    [
        ({}, []),
        (RIGHT, []),
        ({**RIGHT, f"{POD}.containers.0.securityContext": {"runAsUser": 65532}}, []),
        (STOPPING, ["spec.trialTemplate.retain: ", "spec.trialTemplate.trialSpec: "]),
        ({**RIGHT, "spec.trialTemplate.retain": False}, ["spec.trialTemplate.retain: "]),
        ({**RIGHT, f"{POD}.securityContext": {"runAsNonRoot": True}}, ["spec.trialTemplate.trialSpec: "]),
        ({**RIGHT, f"{POD}.containers.0.securityContext": {"runAsUser": 7}}, ["spec.trialTemplate.trialSpec: "]),
    ],
)
def test_early_stopping_needs_two_things(manifest: Make, changes: dict[str, Any], starts: list[str]) -> None:
    found = advice(manifest(changes))
    assert [sentence[: len(start)] for sentence, start in zip(found, starts, strict=True)] == starts


@pytest.mark.parametrize(("user", "num_sentences"), [(None, 1), (65532, 0)])
def test_so_do_pods_of_a_kind_that_only_a_cluster_runs(manifest: Make, user: int | None, num_sentences: int) -> None:
    document = manifest(RIGHT)
    experiment = manifests.parse(document)
    trial = document["spec"]["trialTemplate"]["trialSpec"]
    pod = {**trial["spec"]["template"]["spec"], "securityContext": user and {"runAsUser": user}}
    trial["kind"], trial["spec"] = "PyTorchJob", {"pytorchReplicaSpecs": {"Master": {"template": {"spec": pod}}}}
    assert len(list(cluster_advice.advice(experiment, document))) == num_sentences


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_nothing_is_said_of_our_examples(path: Path) -> None:
    assert advice(manifests.load(path)[1]) == []


@pytest.mark.parametrize(("num_layers", "limit"), [(8, 1_000), (12, 700), (24, 400)])
def test_as_many_trials_as_etcd_takes(num_layers: int, limit: int) -> None:
    """The estimate beside real assignments of Katib's own search space."""
    document = manifests.read(EXAMPLES / "enas-gpu.yaml")
    document["spec"]["nasConfig"]["graphConfig"]["numLayers"] = num_layers
    experiment = manifests.parse(document)
    space = MacroSpace.of(converters.experiment(wire.experiment_message(experiment, {})))
    random = np.random.default_rng(0)
    kept = []
    for _ in range(100):
        assigned = [{"name": name, "value": value} for name, value in space.write(space.draw(random)).items()]
        kept.append(len(json.dumps({"name": "enas-gpu-abcdefgh", "parameterAssignments": assigned})))
    assert cluster_advice.suggestion_bytes(experiment) == pytest.approx(np.mean(kept), rel=0.1)
    assert cluster_advice.ETCD_BYTES / np.mean(kept) == pytest.approx(limit, rel=0.12)
    for count, is_warned in ((int(limit * 0.8), False), (int(limit * 1.3), True)):
        document["spec"]["maxTrialCount"] = count
        found = advice(document)
        assert [f"spec.maxTrialCount: {count} trials" in sentence for sentence in found] == [True] * is_warned


def test_plain_parameters_take_little(manifest: Make) -> None:
    space = {"list": ["a", "b" * 50]}
    parameters = [
        {"name": f"p{number}", "parameterType": "categorical", "feasibleSpace": space} for number in range(78)
    ]
    experiment = manifests.parse(manifest({"spec.nasConfig": ..., "spec.parameters": parameters}))
    assert cluster_advice.suggestion_bytes(experiment) == pytest.approx(78 * 80, rel=0.1)


def test_spaces_that_the_service_refuses_are_read_too(manifest: Make) -> None:
    space = {"min": "one", "max": "3", "step": "0"}
    operation = {
        "operationType": "x",
        "parameters": [{"name": "p", "parameterType": "int", "feasibleSpace": space}],
    }
    experiment = manifests.parse(manifest({"spec.nasConfig.operations": [operation]}))
    assert cluster_advice.suggestion_bytes(experiment) > 0
    assert cluster_advice.suggestion_bytes(replace(experiment, nas=replace(experiment.nas, operations=()))) > 0  # type: ignore[type-var, arg-type]
