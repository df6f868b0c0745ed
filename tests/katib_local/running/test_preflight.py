"""What is refused before a run, and what is warned of."""

import copy
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from katib_local.manifest import manifest as manifests
from katib_local.record.options import Options
from katib_local.running import preflight
from katib_suggestion.errors import InvalidExperiment

Document = dict[str, Any]
Check = Callable[..., None]

POD = "spec.trialTemplate.trialSpec.spec.template.spec"
CONTAINER = f"{POD}.containers.0"
ENAS_PARAMETERS = [{"name": "arch", "reference": "architecture"}, {"name": "conf", "reference": "nn_config"}]
DARTS_PARAMETERS = [{"name": name, "reference": name} for name in ("algorithm-settings", "search-space", "num-layers")]
METRICS = "spec.objective.objectiveMetricName"
OPERATIONS = "spec.nasConfig.operations"


def categorical(**values: list[str]) -> list[Document]:
    return [
        {"name": name, "parameterType": "categorical", "feasibleSpace": {"list": listed}}
        for name, listed in values.items()
    ]


def enas(changes: Document) -> Document:
    return {
        "spec.algorithm": {"algorithmName": "enas"},
        METRICS: "Validation-Accuracy",
        OPERATIONS: [
            {
                "operationType": "convolution",
                "parameters": categorical(filter_size=["3"], num_filter=["8"], stride=["1"]),
            }
        ],
        "spec.trialTemplate.trialParameters": ENAS_PARAMETERS,
        f"{CONTAINER}.image": "kubeflowkatib/enas-cnn-cifar10-cpu",
        f"{CONTAINER}.command": ["python3", "-u", "RunTrial.py", "${trialParameters.arch}", "${trialParameters.conf}"],
    } | changes


def darts(changes: Document) -> Document:
    return {
        "spec.algorithm": {"algorithmName": "darts"},
        METRICS: "Best-Genotype",
        "spec.metricsCollectorSpec.source.filter.metricsFormat": [r"([\w-]+)=(Genotype.*)"],
        "spec.trialTemplate.trialParameters": DARTS_PARAMETERS,
        f"{CONTAINER}.image": "katib-nas/darts-trainer",
        f"{CONTAINER}.command": [
            *("python3", "run_trial.py"),
            *(f"--{item['name']}=${{trialParameters.{item['name']}}}" for item in DARTS_PARAMETERS),
        ],
    } | changes


def cells(kind: str, operations: list[Document], input_sizes: list[int]) -> Document:
    return enas({
        "spec.algorithm": {"algorithmName": "enas", "algorithmSettings": [{"name": "search_for", "value": kind}]},
        "spec.nasConfig.graphConfig.inputSizes": input_sizes,
        OPERATIONS: operations,
    })  # fmt: skip


SEPARABLE = {"operationType": "separable_convolution", "parameters": categorical(filter_size=["3", "5"])}
SKIP = {"operationType": "skip_connection"}


@pytest.fixture
def check(manifest: Callable[..., Document]) -> Check:
    def call(changes: Document, *, is_new: bool = True, **options: Any) -> None:
        preflight.check(manifests.parse(manifest(copy.deepcopy(changes))), Options(**options), is_new=is_new)

    return call


@pytest.mark.parametrize(
    "changes",
    [
        *(enas({}), darts({}), darts({METRICS: "Best-Genotype"})),
        cells("micro", [SEPARABLE, SKIP], [32, 32, 3]),
        cells("recurrent", [{"operationType": "tanh"}, {"operationType": "relu"}], [2000]),
    ],
)
def test_what_runs_is_taken(check: Check, changes: Document, caplog: pytest.LogCaptureFixture) -> None:
    check(changes)
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            enas({"spec.trialTemplate.trialParameters": [*ENAS_PARAMETERS, {"name": "lr", "reference": "lr"}],
                  f"{CONTAINER}.args": ["${trialParameters.lr}"]}),
            r"trialParameters\.lr\.reference: 'lr' is not allowed: enas assigns architecture, nn_config, and nothing",
        ),
        (
            enas({"spec.trialTemplate.trialParameters": [ENAS_PARAMETERS[0]],
                  f"{CONTAINER}.command": ["python3", "RunTrial.py", "${trialParameters.arch}"]}),
            r"trialParameters: \['architecture'\] is not allowed: .* nn_config is missing",
        ),
        (
            darts({"spec.trialTemplate.trialParameters.1.reference": "search_space"}),
            r"reference: 'search_space' is not allowed: did you mean search-space\? darts assigns",
        ),
        (enas({f"{POD}.restartPolicy": ...}), r"restartPolicy: None is not allowed: .* Never or OnFailure"),
        (enas({f"{POD}.restartPolicy": "Always"}), r"restartPolicy: 'Always' is not allowed"),
        (enas({METRICS: "accuracy"}), r"objectiveMetricName: 'accuracy' is not allowed: .* prints Training-Accuracy"),
        (enas({METRICS: "Validation-Acuracy"}), r"did you mean Validation-Accuracy\?"),
        (darts({METRICS: "Validation-Accuracy"}), r"prints .*, and metricsFormat must find it"),
        (darts({f"{CONTAINER}.image": "mirror/x/darts-cnn-cifar10", METRICS: "Accuracy"}), "'Accuracy' is not allowed"),
        (
            enas({OPERATIONS: [{"operationType": "pooling", "parameters": categorical(type=["max"])}]}),
            r"operations\[0\]\.operationType: 'pooling' is not allowed: .* convolution or separable_convolution",
        ),
        (
            enas({OPERATIONS: [{"operationType": "reduction",
                                "parameters": categorical(reduction_type=["max_pooling", "min"], pool_size=["2"])}]}),
            r"operations\[0\]\.parameters\.reduction_type: 'min' is not allowed",
        ),
        (
            enas({OPERATIONS: [{"operationType": "convolution", "parameters": categorical(filter_size=["3"])}]}),
            r"operations\[0\]\.parameters\.num_filter: None is not allowed: .* it is missing",
        ),
        (
            cells("micro", [{"operationType": "convolution", "parameters": categorical(filter_size=["3"])}], [8, 8, 1]),
            r"operations\[0\]\.operationType: 'convolution' is not allowed: .* separable_convolution or dilated",
        ),
        (
            cells("micro", [{**SEPARABLE, "parameters": categorical(filter_size=["3", "4"])}, SKIP], [8, 8, 1]),
            r"operations\[0\]\.parameters\.filter_size: '4' is not allowed: .* 3 or 5 or 7",
        ),
        (cells("recurrent", [SKIP], [9]), r"operations\[0\]\.operationType: 'skip_connection' .* tanh or relu"),
        (cells("recurrent", [{"operationType": "tanh"}], [9, 9, 1]), r"inputSizes: \[9, 9, 1\] .* words"),
        (enas({"spec.nasConfig.graphConfig.inputSizes": [32]}), r"inputSizes: \[32\] is not allowed: .* height, width"),
    ],
)  # fmt: skip
def test_what_can_never_succeed_is_refused(check: Check, changes: Document, message: str) -> None:
    with pytest.raises(InvalidExperiment, match=message):
        check(changes)


@pytest.mark.parametrize(
    "changes",
    [
        {f"{CONTAINER}.command": ["python3", "own.py", "${trialParameters.arch}", "${trialParameters.conf}"]},
        {f"{CONTAINER}.args": ["&& python3 judge.py"]},
        {"spec.metricsCollectorSpec": {
            "collector": {"kind": "File"}, "source": {"fileSystemPath": {"path": "/out/m.log"}}},
         f"{CONTAINER}.args": ["--report=/out/m.log"]},
    ],
)  # fmt: skip
def test_nothing_is_known_of_what_a_program_of_the_users_prints(check: Check, changes: Document) -> None:
    check(enas({METRICS: "accuracy", **changes}))


def test_a_metric_that_metrics_format_renames_is_known(check: Check) -> None:
    pattern = {"spec.metricsCollectorSpec.source.filter.metricsFormat": [r"(Validation)-Accuracy=(\S+)"]}
    check(enas({METRICS: "Validation", **pattern}))


def test_a_run_of_an_earlier_version_goes_on(check: Check) -> None:
    check(enas({f"{POD}.restartPolicy": ..., METRICS: "accuracy"}), is_new=False)


@pytest.mark.parametrize(
    ("metric", "patterns", "is_doubted"),
    [
        ("val/accuracy", [], True),
        ("val accuracy", [], True),
        ("top-1|accuracy", [], False),
        ("val/accuracy", [r"([\w/]+)=(\S+)"], False),
        ("accuracy", [r"(loss|acc): (\S+)"], True),
        ("accuracy", [r"(loss): (\S+)", r"(?P<name>acc\w+): (\S+)"], False),
        ("Accuracy", [r"(?i)epoch (?:\d+) ([a-z]+) (\S+)"], False),
        ("a)", [r"([^(]+)=\((\d+)\)"], False),
    ],
)
def test_a_name_that_the_pattern_never_yields_is_warned_of(
    check: Check,
    metric: str,
    patterns: list[str],
    is_doubted: bool,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    source = {"spec.metricsCollectorSpec.source.filter.metricsFormat": patterns} if patterns else {}
    check({METRICS: metric, **source}, suggestion="here:1", images={"tests/program": str(tmp_path)})
    assert any(f"no metric is ever named {metric!r}" in message for message in caplog.messages) is is_doubted


ONE_OPERATION = [
    {"operationType": "convolution", "parameters": categorical(filter_size=["3"], num_filter=["8", "16"], stride=["1"])}
]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (enas({OPERATIONS: ONE_OPERATION, "spec.maxTrialCount": 8}), None),
        (enas({OPERATIONS: ONE_OPERATION, "spec.maxTrialCount": 9}), "the search space has 8 architectures"),
        (enas({"spec.nasConfig.graphConfig.numLayers": 1, "spec.maxTrialCount": 3}), "has 1 architecture and"),
        (enas({"spec.maxTrialCount": ..., "spec.objective.goal": 1}), None),
        (darts({"spec.maxTrialCount": 9}), None),
    ],
)
def test_a_space_smaller_than_the_number_of_trials_is_warned_of(
    check: Check, changes: Document, said: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    check(changes)
    assert [said in message for message in caplog.messages] == ([] if said is None else [True])


@pytest.mark.parametrize(
    ("parameters", "is_small"),
    [
        ([("int", {"min": "1", "max": "3"}), ("categorical", {"list": ["a", "b"]})], True),
        ([("int", {"min": "1", "max": "3"}), ("double", {"min": "0", "max": "1"})], False),
        ([("double", {"min": "0", "max": "1", "step": "0.5"})], True),
    ],
)
def test_so_is_a_space_of_parameters(
    check: Check, parameters: Any, is_small: bool, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    specs = [
        {"name": f"p{index}", "parameterType": kind, "feasibleSpace": space}
        for index, (kind, space) in enumerate(parameters)
    ]
    changes = {"spec.nasConfig": ..., "spec.parameters": specs, "spec.maxTrialCount": 7}
    check(changes, suggestion="here:1", images={"tests/program": str(tmp_path)})
    assert any("combinations and maxTrialCount" in message for message in caplog.messages) is is_small


@pytest.mark.parametrize(
    ("argument", "is_warned_of"),
    [
        ("--of=${trialParameters.theValue}", True),
        ("--of='${trialParameters.theValue}'", False),
        ('--of="${trialParameters.theValue}"', False),
    ],
)
@pytest.mark.parametrize("value", ["soft max", " relu", "relu; date", "conv(3)", "a&b", "a > b", "a|b"])
def test_a_value_that_the_shell_takes_apart_is_warned_of(
    check: Check, argument: str, is_warned_of: bool, value: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    changes = {
        "spec.nasConfig": ...,
        "spec.maxTrialCount": 2,
        "spec.parameters": categorical(value=["relu", "1e-3", "a/b:c=d,e", value]),
        f"{CONTAINER}.command": ["python3", "train.py", argument],
    }
    check(changes, suggestion="here:1", images={"tests/program": str(tmp_path)})
    expected = f"the shell of a trial takes the value {value!r} of value apart"
    assert [message.startswith(expected) for message in caplog.messages] == [True] * is_warned_of


def test_a_command_that_is_no_list_of_words_is_left_alone(
    check: Check, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    changes = {
        "spec.nasConfig": ...,
        "spec.maxTrialCount": 2,
        "spec.parameters": categorical(value=["a b", "c"]),
        f"{CONTAINER}.command": ["sh", "-c", "cat <<E\nit's ${trialParameters.theValue}\nE"],
    }
    check(changes, suggestion="here:1", images={"tests/program": str(tmp_path)})
    assert caplog.messages == []


def budget(setting: str | None, *flags: str) -> Document:
    settings = [] if setting is None else [{"name": "budget", "value": setting}]
    return enas(
        {
            "spec.algorithm": {"algorithmName": "enas", "algorithmSettings": settings},
            "spec.objective.additionalMetricNames": ["MACs", "Latency-ms"],
            f"{CONTAINER}.args": list(flags),
        }
    )


@pytest.mark.parametrize(
    "changes",
    [
        budget("MACs<=5e6, Latency-ms<=3", '--budget="MACs<=5e6, Latency-ms<=3"', "--measure-latency"),
        budget("MACs<=5e6, Latency-ms<=3", "--measure-latency '--budget=Latency-ms<=3,MACs<=5000000'"),
        budget("MACs<=5e6", '--budget="MACs<=4e6"', r"--budget=MACs\<=5e6"),
        budget("MACs<=5e6", """'--budget="MACs<=5e6"'"""),
        budget("MACs<=5e6", "--budget", "'MACs<=5e6'"),
        budget(None, '--budget="MACs<=5e6"'),
    ],
)
def test_a_budget_that_the_trials_have_as_well_is_taken(check: Check, changes: Document) -> None:
    check(changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (budget("MACs<=5e6"), r"algorithmSettings\.budget: .* must say the same: --budget=\"MACs<=5000000\""),
        (budget("MACs<=5e6", '--budget="MACs<=4e6"'), r"--budget=\"MACs<=4000000\": both must be the same"),
        (budget("MACs<=5e6", "--budget=MACs<=5e6"), "the shell takes < for a file: put quotes around it"),
        (budget("MACs<=5e6", "--budget MACs<=5e6"), "the shell takes < for a file"),
        (budget(None, "--budget=MACs<=5e6, Latency-ms<=3"), "the shell takes < for a file"),
        (budget("MACs<=5e6", '--budget="MACs<5e6"'), "command: --budget: .* <= is missing"),
    ],
)
def test_a_budget_that_differs_or_cannot_be_read_is_refused(check: Check, changes: Document, message: str) -> None:
    with pytest.raises(InvalidExperiment, match=message):
        check(changes)


@pytest.mark.parametrize(
    ("cost", "flags", "message"),
    [
        ("MACs", [], ""),
        ("Latency-ms", ["--measure-latency"], ""),
        ("Latency-ms", [], r"algorithmSettings\.front: 'Latency-ms' .*MACs; --measure-latency measures it"),
        ("Energy", [], r"algorithmSettings\.front: 'Energy' .* the trials report Training-Accuracy, .*MACs$"),
    ],
)
def test_a_front_is_of_what_the_trials_report(check: Check, cost: str, flags: list[str], message: str) -> None:
    changes = budget(None, *flags)
    changes["spec.algorithm"]["algorithmSettings"] = [{"name": "front", "value": cost}]
    changes["spec.objective.additionalMetricNames"] = [cost]
    with pytest.raises(InvalidExperiment, match=message) if message else nullcontext():
        check(changes)
