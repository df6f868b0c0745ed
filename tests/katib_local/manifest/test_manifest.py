"""Manifests that run, and manifests that are refused by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from katib_local.manifest import document
from katib_local.manifest import manifest as manifests
from katib_local.manifest.experiment import MetricsFormat, Strategy
from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.experiment import Direction

EXAMPLES = Path(__file__).parents[3] / "examples"
CONTAINER = "spec.trialTemplate.trialSpec.spec.template.spec.containers.0"
JOB = "spec.trialTemplate.trialSpec"
SOURCE = "spec.metricsCollectorSpec.source"
COMPLETE = 'status.conditions.#(type=="Complete")#|#(status=="True")#'

Make = Callable[..., dict[str, Any]]


def file_collector(**source: object) -> dict[str, object]:
    return {"spec.metricsCollectorSpec": {"collector": {"kind": "File"}, "source": {"fileSystemPath": source}}}


def with_filter(pattern: str) -> dict[str, object]:
    return {"spec.metricsCollectorSpec": {"source": {"filter": {"metricsFormat": [pattern]}}}}


def label(metadata: dict[str, object], kind: str = "Labels") -> dict[str, object]:
    """Refer to a label or an annotation of the trial's resource."""
    reference = f"${{trialSpec.{kind}[team]}}"
    return {f"{JOB}.metadata": metadata, "spec.trialTemplate.trialParameters.0.reference": reference}


def test_katibs_defaults(manifest: Make) -> None:
    experiment = manifests.parse(
        manifest({"spec.parallelTrialCount": ..., "spec.maxTrialCount": 5, "spec.maxFailedTrialCount": ...})
    )
    assert (experiment.name, experiment.namespace) == ("mini", "default")
    assert (experiment.parallel_trials, experiment.max_trials, experiment.max_failed_trials) == (3, 5, None)
    assert experiment.collector.path is None
    assert experiment.collector.filters == ()
    assert experiment.objective.goal is None


def test_strategies_follow_the_objective_for_additional_metrics_too(manifest: Make) -> None:
    changes = {
        "spec.objective.type": "minimize",
        "spec.objective.additionalMetricNames": ["a", "b"],
        "spec.objective.metricStrategies": [{"name": "b", "value": "latest"}],
    }
    objective = manifests.parse(manifest(changes)).objective
    assert objective.direction is Direction.MINIMIZE
    assert objective.metrics == ("score", "a", "b")
    assert objective.strategies == {"score": Strategy.MIN, "a": Strategy.MIN, "b": Strategy.LATEST}


def test_what_a_nas_config_holds(manifest: Make) -> None:
    space = {"min": "1", "max": "3", "step": "2"}
    operations = [
        {"operationType": "a", "parameters": [{"name": "p", "parameterType": "int", "feasibleSpace": space}]},
        {"operationType": "b"},
    ]
    nas = manifests.parse(manifest({"spec.nasConfig.operations": operations})).nas
    assert nas is not None
    assert (nas.num_layers, nas.input_sizes, nas.output_sizes) == (2, (4, 4, 1), (10,))
    parameter = nas.operations[0].parameters[0]
    assert (parameter.minimum, parameter.maximum, parameter.step) == ("1", "3", "2")
    assert nas.operations[1].parameters == ()


def test_katibs_default_file(manifest: Make) -> None:
    changes = {
        "spec.metricsCollectorSpec": {"collector": {"kind": "File"}},
        f"{CONTAINER}.args": ["--log", "/var/log/katib/metrics.log"],
    }
    collector = manifests.parse(manifest(changes)).collector
    assert (collector.path, collector.format) == ("/var/log/katib/metrics.log", MetricsFormat.TEXT)


def test_what_a_cluster_fills_in_is_accepted(manifest: Make) -> None:
    conditions = {
        "spec.trialTemplate.successCondition": COMPLETE,
        "spec.trialTemplate.failureCondition": COMPLETE.replace("Complete", "Failed"),
        "spec.resumePolicy": "Never",
        "spec.trialTemplate.retain": False,
    }
    assert manifests.parse(manifest(conditions)) == manifests.parse(manifest())


def test_neither_a_goal_nor_a_number_of_trials_is_needed(manifest: Make) -> None:
    experiment = manifests.parse(manifest({"spec.maxTrialCount": ...}))
    assert experiment.max_trials is None


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_is_accepted(path: Path) -> None:
    experiment, _ = manifests.load(path)
    assert experiment.name == path.stem


LONG_NAME = "a" * 41


@pytest.mark.fault(27)
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"metadata.name": LONG_NAME}, "metadata.name"),
        ({"spec.objective.objectiveMetricName": "a;b"}, "spec.objective.objectiveMetricName"),
        ({"spec.objective.additionalMetricNames": ["a", ";"]}, "spec.objective.additionalMetricNames[1]"),
        (with_filter(r"(\w+);(\d+)"), f"{SOURCE}.filter.metricsFormat[0]"),
        (with_filter(r"([^;]+)=(\d+)"), f"{SOURCE}.filter.metricsFormat[0]"),
    ],
)
def test_what_fails_in_katib_alone_is_refused_unless_it_has_run(
    manifest: Make, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidExperiment) as refusal:
        manifests.parse(manifest(changes))
    assert [fault.field for fault in refusal.value.faults] == [field]
    manifests.parse(manifest(changes), is_new=False)


def test_forty_letters_are_a_name(manifest: Make) -> None:
    assert manifests.parse(manifest({"metadata.name": "a" * 40})).name == "a" * 40


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("argoproj.io/v1alpha1", "Workflow"),
        ("kubeflow.org/v2beta1", "MPIJob"),
        ("trainer.kubeflow.org/v1alpha1", "TrainJob"),
        ("tekton.dev/v1beta1", "PipelineRun"),
        ("v1", "Pod"),
    ],
)
def test_another_kind_of_trial_is_refused_for_that_alone(manifest: Make, version: str, kind: str) -> None:
    changes = {
        f"{JOB}.apiVersion": version,
        f"{JOB}.kind": kind,
        f"{JOB}.spec": {"entrypoint": "hpo", "templates": []},
        "spec.trialTemplate.successCondition": 'status.[@this].#(phase=="Succeeded")#',
        "spec.trialTemplate.primaryPodLabels": {"a": "b"},
        "spec.metricsCollectorSpec": {"collector": {"kind": "TensorFlowEvent"}},
    }
    with pytest.raises(InvalidExperiment) as refusal:
        manifests.parse(manifest(changes))
    assert len(refusal.value.faults) == 1
    assert f"'{version} {kind}' is not allowed: only batch/v1 Job runs on this machine" in str(refusal.value)


def test_all_that_is_wrong_is_listed(manifest: Make) -> None:
    parameter = {"name": "", "parameterType": "integer", "feasibleSpace": {"distribution": "poisson"}}
    changes = {
        "kind": "Trial",
        "metadata.name": LONG_NAME,
        "metadata.nmae": "x",
        "spec.maxTrialCounts": 3,
        "spec.parallelTrialCount": 0,
        "spec.maxFailedTrialCount": 3,
        "spec.resumePolicy": "Always",
        "spec.objective.type": "best",
        "spec.objective.objectiveMetricName": "a;b",
        "spec.algorithm.algorithmName": "",
        "spec.algorithm.algorithmSettings": [{"value": "1"}, {"name": "suggestion_trial_dir", "value": "x"}],
        "spec.earlyStopping": {"algorithmName": "none"},
        "spec.nasConfig.graphConfig.numLayers": 2**31,
        "spec.nasConfig.operations.0.parameters": [parameter, {"parameterType": "int"}],
        "spec.metricsCollectorSpec": {"source": {"filter": {"metricsFormat": ["(", "(a)", r"(a)=(b);"]}}},
        "spec.trialTemplate.successCondition": "x",
        "spec.trialTemplate.primaryContainerName": "",
    }
    fields = []
    for left_out in (set(), {"kind", "metadata.name", "metadata.nmae", "spec.maxTrialCounts", "spec.resumePolicy"}):
        given = {key: value for key, value in changes.items() if key not in left_out}
        with pytest.raises(InvalidExperiment) as refusal:
            manifests.parse(manifest(given))
        fields += [fault.field for fault in refusal.value.faults]
    operation = "spec.nasConfig.operations[0]"
    filters = f"{SOURCE}.filter.metricsFormat"
    # Twenty at a time.
    assert sorted({*fields}) == sorted(
        [
            "kind", "metadata", "metadata.name", "spec", "spec.algorithm.algorithmName",
            "spec.algorithm.algorithmSettings.suggestion_trial_dir", "spec.algorithm.algorithmSettings[0].name",
            "spec.earlyStopping.algorithmName", "spec.maxFailedTrialCount", f"{filters}[0]", f"{filters}[1]",
            f"{filters}[2]", "spec.nasConfig.graphConfig.numLayers",
            f"{operation}.parameters[0].feasibleSpace.distribution", f"{operation}.parameters[0].name",
            f"{operation}.parameters[0].parameterType",
            f"{operation}.parameters[1].feasibleSpace", f"{operation}.parameters[1].name",
            "spec.objective.objectiveMetricName", "spec.objective.type", "spec.parallelTrialCount", "spec.resumePolicy",
            "spec.trialTemplate.primaryContainerName", "spec.trialTemplate.successCondition",
        ]
    )  # fmt: skip


def test_every_wrong_type_is_listed(manifest: Make) -> None:
    changes = {"spec.maxTrialCount": "3", "spec.objective.goal": "0.9", "spec.trialTemplate.retain": "yes"}
    with pytest.raises(InvalidExperiment) as refusal:
        manifests.parse(manifest(changes))
    assert {fault.field for fault in refusal.value.faults} == {*changes}


def test_what_else_is_wrong_is_listed_beside_wrong_types(manifest: Make) -> None:
    container = f"{JOB}.spec.template.spec.containers.0"
    changes = {
        "metadata.name": LONG_NAME,
        "spec.objective.objectiveMetricName": True,
        "spec.objective.additionalMetricNames": ["a;b", 3, 4],
        "spec.nasConfig.operations.0.parameters": [{"name": 1, "parameterType": "x", "feasibleSpace": {}}],
        "spec.maxTrialCount": 0,
        f"{container}.envFrom": [{}],
    }
    with pytest.raises(InvalidExperiment) as refusal:
        manifests.parse(manifest(changes))
    parameter = "spec.nasConfig.operations[0].parameters[0]"
    assert sorted(fault.field for fault in refusal.value.faults) == [
        "metadata.name", "spec.maxTrialCount", f"{parameter}.name", f"{parameter}.parameterType",
        "spec.objective.additionalMetricNames[1]", "spec.objective.additionalMetricNames[2]",
        "spec.objective.objectiveMetricName", f"{JOB}.spec.template.spec.containers[0].envFrom",
    ]  # fmt: skip


@pytest.mark.parametrize("spec", [3, None, "x", [], {"objective": 3}, {"trialTemplate": [1]}, {"parameters": {"a": 1}}])
def test_of_parts_of_another_type_nothing_is_said_twice(manifest: Make, spec: object) -> None:
    with pytest.raises(InvalidExperiment) as refusal:
        manifests.parse(manifest({"spec": spec}))
    said = [str(fault) for fault in refusal.value.faults]
    assert len({*said}) == len(said)


def test_every_fault_of_a_template_is_listed(manifest: Make) -> None:
    parameters = [{"name": "unused", "reference": "a"}, {"name": "b", "reference": "${trialSpec.Uid}"}]
    changes = {"spec.trialTemplate.trialParameters": parameters, f"{JOB}.spec.completions": 2}
    with pytest.raises(InvalidExperiment) as refusal:
        manifests.parse(manifest(changes))
    where = "spec.trialTemplate.trialParameters"
    assert [fault.field for fault in refusal.value.faults] == [
        f"{JOB}.spec.completions",
        f"{where}.unused",
        f"{where}.b",
        JOB,
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"apiVersion": "kubeflow.org/v1alpha3"}, ["apiVersion", "kubeflow.org/v1alpha3", "kubeflow.org/v1beta1"]),
        ({"kind": "Trial"}, ["kind", "Trial", "Experiment"]),
        ({"metadata": ...}, ["metadata.name", "None"]),
        ({"metadata.name": "My_Search"}, ["metadata.name", "My_Search", "RFC 1123"]),
        ({"metadata.name": "1st"}, ["metadata.name", "1st", "a letter first"]),
        ({"metadata.name": "a" * 64}, ["metadata.name", "63"]),
        ({"metadata.name": "a-"}, ["metadata.name"]),
        ({"metadata.nmae": "x"}, ["metadata", "nmae", "did you mean name"]),
        ({"spec": ...}, ["spec", "must be given"]),
        ({"spec.maxTrialCounts": 3}, ["spec", "maxTrialCounts", "did you mean maxTrialCount"]),
        ({"spec.max_trial_count": 3}, ["spec", "max_trial_count", "did you mean maxTrialCount"]),
        ({"spec.maxTrialCount": "3"}, ["spec.maxTrialCount", "'3'", "integer"]),
        ({"spec.maxTrialCount": 0}, ["spec.maxTrialCount", "0", "from 1"]),
        ({"spec.maxTrialCount": 1.5}, ["spec.maxTrialCount", "1.5", "integer"]),
        ({"spec.parallelTrialCount": 0}, ["spec.parallelTrialCount", "0", "from 1"]),
        ({"spec.parallelTrialCount": 3}, ["spec.parallelTrialCount", "3", "at most maxTrialCount, which is 2"]),
        ({"spec.parallelTrialCount": ...}, ["spec.parallelTrialCount", "3", "Katib's default is 3"]),
        ({"spec.maxFailedTrialCount": -1}, ["spec.maxFailedTrialCount", "-1", "from 0"]),
        ({"spec.maxFailedTrialCount": 3}, ["spec.maxFailedTrialCount", "3", "at most maxTrialCount"]),
        ({"spec.resumePolicy": "Always"}, ["spec.resumePolicy", "Always", "Never, LongRunning, FromVolume"]),
        ({"spec.nasConfig": ...}, ["spec", "neither", "nasConfig"]),
        ({"spec.parameters": [{"name": "lr"}]}, ["spec", "both", "nasConfig"]),
        ({"spec.objective": ...}, ["spec.objective", "must be given"]),
        ({"spec.objective.type": "maximise"}, ["spec.objective.type", "maximise", "did you mean maximize"]),
        ({"spec.objective.type": ...}, ["spec.objective.type", "minimize, maximize"]),
        ({"spec.objective.objectiveMetricName": ""}, ["spec.objective.objectiveMetricName", "must be given"]),
        ({"spec.objective.goal": "0.9"}, ["spec.objective.goal", "'0.9'", "number"]),
        ({"spec.objective.additionalMetricNames": ["score"]}, ["additionalMetricNames", "score", "each once"]),
        (
            {"spec.objective.metricStrategies": [{"name": "score", "value": "mean"}]},
            ["spec.objective.metricStrategies[0].value", "mean", "min, max, latest"],
        ),
        (
            {"spec.objective.metricStrategies": [{"name": "other", "value": "max"}]},
            ["spec.objective.metricStrategies[0].name", "other", "score"],
        ),
        (
            {"spec.objective.metricStrategies": [{"name": "score", "value": "max"}] * 2},
            ["spec.objective.metricStrategies[1].name", "score", "already"],
        ),
        ({"spec.algorithm": ...}, ["spec.algorithm", "must be given"]),
        ({"spec.algorithm.algorithmName": ...}, ["spec.algorithm.algorithmName", "must be given"]),
        (
            {"spec.algorithm.algorithmSettings": [{"name": "suggestion_trial_dir", "value": "shared"}]},
            ["spec.algorithm.algorithmSettings.suggestion_trial_dir", "shared", "absolute path"],
        ),
        (
            {"spec.algorithm.algorithmSettings": [{"name": "suggestion_trial_dir", "value": "//"}]},
            ["spec.algorithm.algorithmSettings.suggestion_trial_dir", "//", "absolute path"],
        ),
        (
            {"spec.algorithm.algorithmSettings": [{"name": "a", "value": 3}]},
            ["spec.algorithm.algorithmSettings[0].value", "3", "put a number in quotes"],
        ),
        ({"spec.algorithm.settings": []}, ["spec.algorithm", "settings", "algorithmSettings"]),
        ({"spec.nasConfig.graphConfig.numLayers": "2"}, ["spec.nasConfig.graphConfig.numLayers", "'2'", "integer"]),
        (
            {"spec.nasConfig.graphConfig.numLayers": 1099511627776},
            ["spec.nasConfig.graphConfig.numLayers", "1099511627776", "to 2147483647"],
        ),
        (
            {"spec.nasConfig.graphConfig.inputSizes": [4, -(2**31) - 1]},
            ["spec.nasConfig.graphConfig.inputSizes[1]", "-2147483649", "from -2147483648"],
        ),
        (
            {"spec.nasConfig.graphConfig.outputSizes": [2**31]},
            ["spec.nasConfig.graphConfig.outputSizes[0]", "2147483648", "to 2147483647"],
        ),
        ({"spec.nasConfig.operations.0.operationtype": "x"}, ["spec.nasConfig.operations[0]", "operationtype"]),
        (
            {
                "spec.nasConfig.operations.0.parameters": [
                    {"name": "p", "parameterType": "integer", "feasibleSpace": {}}
                ]
            },
            ["spec.nasConfig.operations[0].parameters[0].parameterType", "integer", "int"],
        ),
        (
            {"spec.nasConfig.operations.0.parameters": [{"name": "p", "parameterType": "int"}]},
            ["spec.nasConfig.operations[0].parameters[0].feasibleSpace", "must be given"],
        ),
        (
            {
                "spec.nasConfig.operations.0.parameters": [
                    {"name": "p", "parameterType": "categorical", "feasibleSpace": {"list": [3]}}
                ]
            },
            ["spec.nasConfig.operations[0].parameters[0].feasibleSpace.list[0]", "3", "put a number in quotes"],
        ),
        (
            {
                "spec.nasConfig.operations.0.parameters": [
                    {"name": "p", "parameterType": "int", "feasibleSpace": {"distribution": "poisson"}}
                ]
            },
            ["feasibleSpace.distribution", "poisson", "uniform, logUniform, normal, logNormal"],
        ),
        (
            {"spec.metricsCollectorSpec": {"collector": {"kind": "TensorFlowEvent"}}},
            ["spec.metricsCollectorSpec.collector.kind", "TensorFlowEvent", "StdOut, File"],
        ),
        (
            {"spec.metricsCollectorSpec": {"collector": {"kind": "Stdout"}}},
            ["spec.metricsCollectorSpec.collector.kind", "did you mean StdOut"],
        ),
        (
            {"spec.metricsCollectorSpec": {"collector": {"customCollector": {"name": "c"}}}},
            ["spec.metricsCollectorSpec.collector.customCollector"],
        ),
        (
            {"spec.metricsCollectorSpec": {"source": {"httpGet": {"path": "/metrics"}}}},
            ["spec.metricsCollectorSpec.source.httpGet"],
        ),
        (file_collector(path="metrics.log"), [f"{SOURCE}.fileSystemPath.path", "metrics.log", "absolute"]),
        (file_collector(path="/metrics.log"), [f"{SOURCE}.fileSystemPath.path", "with a folder"]),
        (file_collector(path="/logs/m.log"), [f"{SOURCE}.fileSystemPath.path", "must name its folder"]),
        (file_collector(path="/logs/m.log", format="CSV"), [f"{SOURCE}.fileSystemPath.format", "CSV", "TEXT, JSON"]),
        (file_collector(path="/logs/m.log", kind="Directory"), [f"{SOURCE}.fileSystemPath.kind", "Directory"]),
        (
            {
                "spec.metricsCollectorSpec": {
                    "collector": {"kind": "File"},
                    "source": {"fileSystemPath": {"format": "JSON"}, "filter": {"metricsFormat": []}},
                }
            },
            [f"{SOURCE}.filter", "none with the format JSON"],
        ),
        (with_filter("("), [f"{SOURCE}.filter.metricsFormat[0]", "regular expression"]),
        (with_filter(r"(\w+)=1"), [f"{SOURCE}.filter.metricsFormat[0]", "two groups"]),
        (with_filter(r"(?<=a)(\w+)=(\d)"), [f"{SOURCE}.filter.metricsFormat[0]", "as Go reads it", "(?<"]),
        (with_filter(r"(\w)=(\d)\1"), [f"{SOURCE}.filter.metricsFormat[0]", "as Go reads it", "\\1"]),
        (with_filter(r"(\w)++=(\d)"), [f"{SOURCE}.filter.metricsFormat[0]", "as Go reads it", "++"]),
        (with_filter(r"(\w{1000}){1000}=(\d)"), [f"{SOURCE}.filter.metricsFormat[0]", "as Go reads it", "1000"]),
        ({"spec.trialTemplate": ...}, ["spec.trialTemplate", "must be given"]),
        (
            {"spec.trialTemplate.configMap": {"configMapName": "templates"}},
            ["spec.trialTemplate.configMap", "templates", "trialSpec"],
        ),
        (
            {"spec.trialTemplate.successCondition": 'status.phase=="Done"'},
            ["spec.trialTemplate.successCondition", "Done", "leave it out"],
        ),
        (
            {"spec.trialTemplate.failureCondition": COMPLETE},
            ["spec.trialTemplate.failureCondition", "Complete", "leave it out"],
        ),
        ({"spec.trialTemplate.primaryContainerName": ...}, ["spec.trialTemplate.primaryContainerName"]),
        (
            {"spec.trialTemplate.primaryContainerName": "training"},
            ["spec.trialTemplate.primaryContainerName", "training", "main"],
        ),
        ({"spec.trialTemplate.trialParameters": ...}, ["spec.trialTemplate.trialParameters", "must be given"]),
        (
            {"spec.trialTemplate.trialParameters": []},
            [JOB, "theValue", "each placeholder needs a trial parameter"],
        ),
        (
            {"spec.trialTemplate.trialParameters.0.name": "value"},
            ["spec.trialTemplate.trialParameters.value", "trialSpec must use ${trialParameters.value}"],
        ),
        (
            {"spec.trialTemplate.trialParameters.0.reference": ""},
            ["spec.trialTemplate.trialParameters[0].reference", "must be given"],
        ),
        (
            {"spec.trialTemplate.trialParameters": [{"name": "theValue", "reference": "value"}] * 2},
            ["spec.trialTemplate.trialParameters[1].name", "each name once"],
        ),
        (
            {
                "spec.trialTemplate.trialParameters": [
                    {"name": "theValue", "reference": "value"},
                    {"name": "b", "reference": "value"},
                ]
            },
            ["spec.trialTemplate.trialParameters[1].reference", "each reference once"],
        ),
        (
            {"spec.trialTemplate.trialParameters.0.reference": "${trialSpec.Uid}"},
            ["spec.trialTemplate.trialParameters.theValue.reference", "${trialSpec.Uid}", "Namespace"],
        ),
        (
            {"spec.trialTemplate.trialParameters.0.reference": "${trialSpec.Labels[team]}"},
            ["${trialSpec.Labels[team]}", "trialSpec.metadata.labels must have it"],
        ),
        ({JOB: ...}, [JOB, "must be given"]),
        ({f"{JOB}.kind": "PyTorchJob"}, [JOB, "batch/v1 PyTorchJob", "only batch/v1 Job"]),
        ({f"{JOB}.metadata": {"name": "x"}}, [f"{JOB}.metadata.name", "leave it out"]),
        ({f"{JOB}.sepc": {}}, [JOB, "sepc", "known are"]),
        ({f"{JOB}.spec.restartPolicy": "Never"}, [f"{JOB}.spec", "restartPolicy", "known are"]),
        ({f"{JOB}.spec.completions": 2}, [f"{JOB}.spec.completions", "2", "only 1"]),
        ({f"{JOB}.spec.template": ...}, [f"{JOB}.spec.template", "mapping"]),
        ({f"{JOB}.spec.template.spec.restartpolicy": "Never"}, ["restartpolicy", "did you mean restartPolicy"]),
        ({f"{JOB}.spec.template.spec.initContainers": [{"name": "i"}]}, ["initContainers", "one container"]),
        (
            {f"{JOB}.spec.template.spec.containers": [{"name": "main"}, {"name": "side"}]},
            ["containers", "main, side", "only one container"],
        ),
        ({f"{JOB}.spec.template.spec.containers": []}, ["containers", "list of containers"]),
        ({f"{CONTAINER}.image": ...}, ["image", "must be given"]),
        ({f"{CONTAINER}.command": "sh run.sh ${trialParameters.theValue}"}, ["command", "must be a list"]),
        ({f"{CONTAINER}.args": [1]}, ["args[0]", "1", "put a number in quotes"]),
        ({f"{CONTAINER}.commands": []}, ["commands", "did you mean command"]),
        ({f"{CONTAINER}.workingDir": "/opt"}, ["workingDir", "/opt", "leave it out"]),
        ({f"{CONTAINER}.envFrom": [{}]}, ["envFrom", "leave it out"]),
        (
            {f"{CONTAINER}.env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
            ["env[0].valueFrom", "A must have a value"],
        ),
        ({f"{CONTAINER}.env": [{"name": "A=B", "value": "1"}]}, ["env[0].name", "'A=B'", "without '='"]),
        ({f"{CONTAINER}.env": [{"name": "", "value": "1"}]}, ["env[0].name", "''"]),
        ({f"{CONTAINER}.args": ["${trialParameters.open"]}, [JOB, "each ends with '}'"]),
        (label({"labels": 3}), [f"{JOB}.metadata.labels", "3", "it must be a mapping"]),
        (label({"labels": ["team"]}), [f"{JOB}.metadata.labels", "['team']", "it must be a mapping"]),
        (label({"labels": "team"}), [f"{JOB}.metadata.labels", "'team'", "it must be a mapping"]),
        (label({"annotations": 3}, "Annotations"), [f"{JOB}.metadata.annotations", "3", "it must be a mapping"]),
        ({f"{CONTAINER}.env": [{"name": "A", "vlaue": "1"}]}, ["env[0]", "vlaue", "did you mean value"]),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_refused(manifest: Make, changes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(InvalidExperiment) as refusal:
        manifests.parse(manifest(changes))
    message = str(refusal.value)
    assert [word for word in words if word not in message] == [], message


def test_a_command_is_needed_since_no_image_can_be_asked(manifest: Make) -> None:
    changes = {f"{CONTAINER}.command": ..., f"{CONTAINER}.args": ["${trialParameters.theValue}"]}
    with pytest.raises(InvalidExperiment, match="command: None is not allowed: it must be given"):
        manifests.parse(manifest(changes))


def test_a_file_is_read(manifest: Make, tmp_path: Path) -> None:
    path = tmp_path / "manifest.yaml"
    path.write_text(yaml.safe_dump(manifest(), sort_keys=False))
    experiment, document = manifests.load(path)
    assert experiment == manifests.parse(manifest())
    assert document == manifest()


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.write_bytes(b"\xff")])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "manifest.yaml"
    make(path)
    with pytest.raises(InvalidExperiment, match=r"manifest\.yaml"):
        manifests.load(path)


@given(data=st.data())
def test_whatever_a_manifest_holds_it_is_read_or_refused_in_a_line(
    data: st.DataObject, bad: Any, manifest: Make
) -> None:
    """Wrong types, missing parts and hostile values in a document, and texts of YAML that are damaged."""
    whole = manifest()
    if data.draw(st.booleans()):
        text = yaml.safe_dump(data.draw(bad.document(whole)))
    else:
        text = data.draw(bad.text(yaml.safe_dump(whole)))
    message = ""
    try:
        manifests.parse(document.read(text))
    except InvalidExperiment as error:
        message = str(error)
    assert "\n" not in message
