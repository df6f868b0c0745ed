"""The command line, from the manifest to the summary."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from katib_local.commands import cli
from katib_local.showing import display
from katib_local.showing.display import PlainLines

Run = Callable[..., tuple[int, str, str]]
Write = Callable[..., Path]
Program = Callable[[str], Path]

CONTAINER = "spec.trialTemplate.trialSpec.spec.template.spec.containers.0"
SCORE = 'echo "score=0.${1#v}"'
"""The first trial scores 0.1, the second 0.2."""


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def rows(out: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(out / "experiment.db")) as connection:
        return connection.execute(query).fetchall()


def conditions(out: Path) -> list[str]:
    return [row[0] for row in rows(out, "SELECT condition FROM trials ORDER BY number")]


def requests(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "requests.jsonl").read_text().splitlines()]


def test_an_experiment(run: Run, write_manifest: Write, program: Program, out: Path, tmp_path: Path) -> None:
    program(SCORE)
    path = write_manifest()
    code, printed, progress = run("run", path, "--output-dir", str(out))
    name = yaml.safe_load(path.read_text())["metadata"]["name"]
    assert code == 0, progress
    assert f"{name}: all trials are completed (2 trials: 2 succeeded)" in printed
    assert f"Best trial: {name}-0002\n\n- score: 0.2\n- files: {out}/trials/{name}-0002\n" in printed
    assert f"{name}-0001 succeeded after" in progress
    assert "score=0.1" in progress
    assert conditions(out) == ["succeeded", "succeeded"]
    assert (out / "best").resolve() == (out / f"trials/{name}-0002").resolve()
    assert rows(out, "SELECT verdict FROM experiment") == [("MAX_TRIALS_REACHED",)]
    assert rows(out, "SELECT metric, value, time FROM observations") == [("score", "0.1", None), ("score", "0.2", None)]
    assert (out / "trials" / f"{name}-0001" / "exit_code").read_text() == "0\n"
    second = requests(tmp_path)[1]["trials"]
    assert [trial["status"]["condition"] for trial in second] == ["SUCCEEDED"]
    assert second[0]["status"]["observation"]["metrics"] == [{"name": "score", "value": "0.1"}]
    assert second[0]["spec"]["parameterAssignments"]["assignments"] == [{"name": "value", "value": "v1"}]


def test_a_trial_that_runs_long_is_told_of(
    run: Run, write_manifest: Write, program: Program, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PlainLines, "interval_s", 0.1)
    monkeypatch.setattr(display, "_REST_S", 0.2)
    program("echo score=0.1; sleep 2; echo score=0.2")
    _, _, progress = run("run", write_manifest(), "--output-dir", str(out))
    assert re.search(r"-0001 running for \d s: score=0.1\n", progress)


def test_parallel_trials_run_at_the_same_time(run: Run, write_manifest: Write, program: Program, out: Path) -> None:
    program("touch ../../mark-$1; until [ $(ls ../../ | grep -c mark) = 2 ]; do sleep 0.05; done; echo score=1")
    code, _, progress = run("run", write_manifest(), "--output-dir", str(out), "--parallel", "2")
    assert code == 0, progress


def test_a_new_suggestion_is_asked_for_as_soon_as_a_trial_ends(
    run: Run, write_manifest: Write, program: Program, out: Path, tmp_path: Path
) -> None:
    program("[ $1 = v1 ] && sleep 1; echo score=1")
    changes = {"spec.parallelTrialCount": 2, "spec.maxTrialCount": 4}
    assert run("run", write_manifest(changes), "--output-dir", str(out))[0] == 0
    assert [item["currentRequestNumber"] for item in requests(tmp_path)] == [2, 1, 1]
    states = [
        [trial["status"].get("condition", "CREATED") for trial in item.get("trials", [])] for item in requests(tmp_path)
    ]
    assert states[1:] == [["RUNNING", "SUCCEEDED"], ["RUNNING", "SUCCEEDED", "SUCCEEDED"]]


def test_the_goal_ends_it_and_what_still_runs(run: Run, write_manifest: Write, program: Program, out: Path) -> None:
    program("[ $1 = v2 ] && sleep 60; echo score=1")
    changes = {"spec.parallelTrialCount": 2, "spec.maxTrialCount": 4, "spec.objective.goal": 1}
    start = time.monotonic()
    code, printed, _ = run("run", write_manifest(changes), "--output-dir", str(out))
    assert time.monotonic() - start < 10
    assert (code, conditions(out)) == (0, ["succeeded", "killed"])
    assert "the goal is reached (2 trials: 1 succeeded, 1 killed)" in printed


def test_failures_and_missing_metrics_end_it_together(
    run: Run, write_manifest: Write, program: Program, out: Path, tmp_path: Path
) -> None:
    program("[ $1 = v1 ] && exit 7; [ $1 = v2 ] && echo nothing; true")
    changes = {"spec.maxTrialCount": 9}
    code, printed, progress = run("run", write_manifest(changes), "--output-dir", str(out))
    assert code == 1
    assert "maxFailedTrialCount is reached (2 trials: 1 failed, 1 metrics unavailable)" in printed
    assert "No trial has succeeded." in printed
    assert "failed after" in progress
    assert "exit code 7" in progress
    assert "its output has no score" in progress
    assert rows(out, "SELECT exit_code, reason FROM trials ORDER BY number") == [
        (7, "exit code 7"),
        (0, "its output has no score"),
    ]


def test_the_reason_of_a_failed_trial_is_the_last_error_that_it_printed(
    run: Run, write_manifest: Write, program: Program, out: Path
) -> None:
    program("echo 'error: first'; printf 'error: no \\033[2J data\\n' >&2; echo later; exit 2")
    code, printed, progress = run("run", write_manifest({"spec.maxFailedTrialCount": 0}), "--output-dir", str(out))
    assert code == 1
    expected = r"exit code 2: no \x1b[2J data"
    assert expected in printed
    assert expected in progress
    assert rows(out, "SELECT DISTINCT reason FROM trials WHERE exit_code = 2") == [(expected,)]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("python3 -c 'import nothing_of_that_name'", "exit code 1: ModuleNotFoundError: No module named 'nothing_of"),
        ("echo score: 1", "line 1, 'score: 1': it does not match Katib's default metricsFormat"),
        ("echo score=nan", "score is nan in line 1, of which Katib's rule makes no number"),
        ("echo score=0,93", "score=0 (line 1, 'score=0,93': Katib's rule reads 0 there"),
    ],
)
def test_a_reason_says_what_is_seen_in_the_output(
    run: Run, write_manifest: Write, program: Program, out: Path, script: str, said: str
) -> None:
    program(script)
    progress = run("run", write_manifest(), "--output-dir", str(out))[2]
    assert said in progress


def test_trials_without_metrics_are_not_sent(
    run: Run, write_manifest: Write, program: Program, out: Path, tmp_path: Path
) -> None:
    program("[ $1 = v2 ] && echo score=1; true")
    changes = {"spec.maxTrialCount": 3, "spec.maxFailedTrialCount": ...}
    assert run("run", write_manifest(changes), "--output-dir", str(out))[0] == 0
    sent = [[trial["name"][-1] for trial in item.get("trials", [])] for item in requests(tmp_path)]
    assert sent == [[], [], ["2"]]
    assert [item["totalRequestNumber"] for item in requests(tmp_path)] == [1, 2, 3]


def test_all_failed_is_no_success(run: Run, write_manifest: Write, program: Program, out: Path) -> None:
    program("exit 1")
    code, printed, _ = run("run", write_manifest({"spec.maxFailedTrialCount": ...}), "--output-dir", str(out))
    assert code == 1
    assert "all trials are completed (2 trials: 2 failed)" in printed


def test_an_objective_that_is_never_a_number_is_no_success(
    run: Run, write_manifest: Write, program: Program, out: Path
) -> None:
    program("echo score=nan")
    changes = {"spec.objective.metricStrategies": [{"name": "score", "value": "latest"}]}
    code, printed, _ = run("run", write_manifest(changes), "--output-dir", str(out))
    assert code == 1
    assert "(2 trials: 2 succeeded)\nNo trial has a usable score" in printed


def test_a_value_with_a_double_quote_fails_its_trial(
    run: Run, write_manifest: Write, program: Program, out: Path
) -> None:
    program("true")
    code, _, progress = run("run", write_manifest(do="quote"), "--output-dir", str(out))
    assert (code, conditions(out)) == (1, ["failed", "failed"])
    assert "no JSON once its values are filled in" in progress


def test_a_text_objective(run: Run, write_manifest: Write, program: Program, out: Path) -> None:
    genotype = "Genotype(normal=[[('a',0),('b',1)]],normal_concat=range(2,3))"
    program(f'echo "2024-01-01T00:00:00Z score={genotype}"')
    changes = {"spec.metricsCollectorSpec": {"source": {"filter": {"metricsFormat": [r"([\w-]+)=(Genotype.*)"]}}}}
    code, printed, _ = run("run", write_manifest(changes), "--output-dir", str(out))
    assert code == 0
    assert f"-0002\n\n- score: {genotype}\n" in printed
    assert rows(out, "SELECT DISTINCT time FROM observations") == [("2024-01-01T00:00:00+00:00",)]


def test_a_json_file(run: Run, write_manifest: Write, program: Program, out: Path) -> None:
    program("""[ $1 = v1 ] && echo broken > $2 || echo '{"score": "0.5"}' > $2""")
    changes = {
        "spec.metricsCollectorSpec": {
            "collector": {"kind": "File"},
            "source": {"fileSystemPath": {"path": "/katib/m.json", "format": "JSON"}},
        },
        f"{CONTAINER}.args": ["/katib/m.json"],
    }
    code, _, progress = run("run", write_manifest(changes), "--output-dir", str(out))
    assert (code, conditions(out)) == (0, ["metrics unavailable", "succeeded"])
    assert "line 1 of the metrics file is no JSON" in progress


@pytest.mark.parametrize("do", ["too few", "extra"])
def test_a_wrong_reply_is_the_services_error(
    run: Run, write_manifest: Write, program: Program, out: Path, tmp_path: Path, do: str
) -> None:
    program(SCORE)
    code, _, errors = run("run", write_manifest(do=do), "--output-dir", str(out))
    assert code == 4
    assert errors.count("\n") == 1
    assert errors.startswith("katib-nas: the service ")
    command = f"katib-nas run {tmp_path}/manifest.yaml --output-dir {out} --resume"
    once = " with a corrected manifest" if do == "extra" else ""
    assert errors.endswith(f"; the run is in {out}, and goes on{once} by: {command}\n")


def test_a_refused_experiment_leaves_no_folder(run: Run, write_manifest: Write, program: Program, out: Path) -> None:
    program(SCORE)
    code, _, errors = run("run", write_manifest(do="validate:INVALID_ARGUMENT"), "--output-dir", str(out))
    assert (code, errors) == (3, "katib-nas: the service says no\n")
    assert not out.exists()


def test_a_refused_experiment_leaves_the_users_folder_as_it_was(
    run: Run, write_manifest: Write, program: Program, out: Path
) -> None:
    program(SCORE)
    out.mkdir()
    code, _, _ = run("run", write_manifest(do="validate:INVALID_ARGUMENT"), "--output-dir", str(out))
    assert code == 3
    assert list(out.iterdir()) == []


def test_resume_carries_on(run: Run, write_manifest: Write, program: Program, out: Path, tmp_path: Path) -> None:
    program(f'[ $1 = v2 ] && exit 3; echo "$1" >> {tmp_path}/ran; {SCORE}')
    flags = ("--output-dir", str(out))
    assert run("run", write_manifest({"spec.maxFailedTrialCount": 1}), *flags, "--dataset", "digits")[0] == 1
    assert conditions(out) == ["succeeded", "failed"]
    more = write_manifest({"spec.maxTrialCount": 4, "spec.maxFailedTrialCount": 2})
    code, printed, _ = run("run", more, *flags, "--resume")
    assert code == 0
    assert "(4 trials: 3 succeeded, 1 failed)" in printed
    assert (tmp_path / "ran").read_text() == "v1\nv3\nv4\n"
    assert [item["totalRequestNumber"] for item in requests(tmp_path)] == [1, 2, 3, 4]


def test_resume_keeps_the_number_of_parallel_trials(
    run: Run, write_manifest: Write, program: Program, out: Path, tmp_path: Path
) -> None:
    program(SCORE)
    flags = ("--output-dir", str(out))
    assert run("run", write_manifest(), *flags, "--parallel", "2")[0] == 0
    assert run("run", write_manifest({"spec.maxTrialCount": 4}), *flags, "--resume")[0] == 0
    assert run("run", write_manifest({"spec.maxTrialCount": 7}), *flags, "--resume", "--parallel", "3")[0] == 0
    assert run("run", write_manifest({"spec.maxTrialCount": 10}), *flags, "--resume")[0] == 0
    counts = [item["experiment"]["spec"]["parallelTrialCount"] for item in requests(tmp_path)]
    asked = {item["totalRequestNumber"]: count for item, count in zip(requests(tmp_path), counts, strict=True)}
    assert (asked[2], asked[4], asked[7], asked[10]) == (2, 2, 3, 3)


def test_resume_of_a_complete_experiment_shows_its_result(
    run: Run, write_manifest: Write, program: Program, out: Path, tmp_path: Path
) -> None:
    program(SCORE)
    path = write_manifest()
    first = run("run", path, "--output-dir", str(out))
    second = run("run", path, "--output-dir", str(out), "--resume")
    assert (second[0], second[1]) == (first[0], first[1])
    assert len(requests(tmp_path)) == 2


def test_resume_with_another_manifest_is_refused(run: Run, write_manifest: Write, program: Program, out: Path) -> None:
    program(SCORE)
    assert run("run", write_manifest(), "--output-dir", str(out))[0] == 0
    other = write_manifest({"spec.objective.goal": 0.5})
    code, _, errors = run("run", other, "--output-dir", str(out), "--resume")
    assert code == 2
    assert "the manifest differs from that of the run at spec.objective.goal" in errors
    assert run("run", write_manifest(), "--output-dir", str(out), "--resume", "--seed", "3")[0] == 2
    assert run("run", write_manifest(), "--output-dir", str(out))[0] == 2


@pytest.mark.parametrize(
    ("before", "mended"),
    [
        ({"spec.trialTemplate.trialParameters.0.reference": "valeu"}, {}),
        ({"spec.objective.objectiveMetricName": "accuracy"}, {}),
        ({f"{CONTAINER}.command.1": "progam.sh"}, {"spec.objective.goal": 0.9}),
    ],
)
def test_a_run_that_failed_by_its_manifest_goes_on_with_the_corrected_one(
    run: Run, write_manifest: Write, program: Program, out: Path, before: Any, mended: Any
) -> None:
    program(SCORE)
    assert run("run", write_manifest(before), "--output-dir", str(out))[0] in (1, 4)
    code, printed, errors = run("run", write_manifest(mended), "--output-dir", str(out), "--resume")
    assert code == 0, errors
    assert "(2 trials: 2 succeeded)" in printed


def test_a_measured_trial_keeps_its_manifest(run: Run, write_manifest: Write, program: Program, out: Path) -> None:
    program("[ $1 = v1 ] && echo score=1 || exit 1")
    path = write_manifest({"spec.maxFailedTrialCount": 1})
    assert run("run", path, "--output-dir", str(out))[0] == 1
    other = write_manifest({"spec.objective.type": "minimize"})
    code, _, errors = run("run", other, "--output-dir", str(out), "--resume")
    assert code == 2
    assert "once a trial has been measured" in errors
    assert conditions(out) == ["succeeded", "failed"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--parallel", "0"], "--parallel: '0' is not allowed: it must be an integer from 1"),
        (["--max-images", "many"], "--max-images: 'many' is not allowed"),
        (["--suggestion", "here"], "--suggestion: 'here' is not allowed: it must be HOST:PORT"),
        (["--image", "python"], "--image: 'python' is not allowed: it must be NAME=DIR"),
        (["--image", "python=/not/there"], "and DIR a folder"),
        (["--seed", "-1"], "--seed"),
        (["--what"], "--what"),
        (["--resume"], "no run of"),
    ],
)
def test_wrong_flags(
    write_manifest: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, flags: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code = cli.main(["run", str(write_manifest()), *flags])
    errors = capsys.readouterr().err
    assert code == 2
    assert message in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"spec.objective.type": "maximise"}, "spec.objective.type: 'maximise' is not allowed: did you mean maximize?"),
        (
            {f"{CONTAINER}.image": "katib-nas/darts-trainer"},
            "spec.algorithm.algorithmName: 'scripted' is not allowed: enas and darts are started here",
        ),
    ],
)
def test_what_cannot_run_is_refused_before_anything_starts(
    write_manifest: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, changes: Any, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in ("run", "validate"):
        assert cli.main([command, str(write_manifest(changes))]) == 3
        errors = capsys.readouterr().err
        assert message in errors
        assert all(line.startswith("katib-nas: ") for line in errors.splitlines())
    assert not (tmp_path / "runs").exists()


def test_all_that_is_wrong_is_said_a_line_each(run: Run, write_manifest: Write) -> None:
    changes = {"spec.objective.type": "maximise", "spec.maxTrialCount": 0, "spec.resumePolicy": "Always"}
    code, printed, errors = run("validate", write_manifest(changes))
    assert (code, printed) == (3, "")
    lines = errors.splitlines()
    assert len(lines) == 3
    for line, field in zip(lines, ("spec.resumePolicy", "spec.maxTrialCount", "spec.objective.type"), strict=True):
        assert line.startswith(f"katib-nas: {field}: ")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("numLayers: 2", "numLayers: y"),
        ("objectiveMetricName: score", "objectiveMetricName: n"),
        ("maxTrialCount: 2", f"maxTrialCount: {'1' * 5000}"),
        ("maxTrialCount: 2", "maxTrialCount: !!bool abc"),
        ("type: maximize", f"type: maximize\n    goal: 1{'0' * 400}"),
        ("numLayers: 2", "numLayers: 1099511627776"),
        ("operationType: skip_connection", 'operationType: "\\ud800"'),
        ("- program.sh", '- "program.sh\\0"'),
    ],
)
def test_a_wrong_manifest_is_refused_in_one_line(
    run: Run, write_manifest: Write, program: Program, old: str, new: str
) -> None:
    program(SCORE)
    path = write_manifest()
    written = path.read_text()
    assert written.count(old) == 1
    path.write_text(written.replace(old, new))
    code, _, errors = run("validate", path)
    assert code == 3
    assert errors.startswith("katib-nas: ")
    assert errors.count("\n") == 1


def test_what_is_not_heeded_is_said(
    run: Run, write_manifest: Write, program: Program, caplog: pytest.LogCaptureFixture
) -> None:
    program(SCORE)
    changes = {
        "spec.trialTemplate.primaryPodLabels": {"a": "b"},
        f"{CONTAINER}.resources": {"limits": {"cpu": "1"}},
    }
    assert run("validate", write_manifest(changes))[0] == 0
    assert caplog.messages == ["this machine does not heed primaryPodLabels, resources of the trial template"]


def test_validate_asks_our_own_service(
    manifest: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = {
        "spec.algorithm": {"algorithmName": "darts", "algorithmSettings": [{"name": "w_lr", "value": "inf"}]},
        f"{CONTAINER}.image": "katib-nas/darts-trainer",
        f"{CONTAINER}.command": ["sh", "own.sh", "${trialParameters.a}${trialParameters.b}${trialParameters.c}"],
        "spec.trialTemplate.trialParameters": [
            {"name": name, "reference": reference}
            for name, reference in {"a": "algorithm-settings", "b": "search-space", "c": "num-layers"}.items()
        ],
    }
    path = tmp_path / "manifest.yaml"
    path.write_text(yaml.safe_dump(manifest(changes)))
    assert cli.main(["validate", str(path)]) == 3
    assert "w_lr: 'inf' is not allowed" in capsys.readouterr().err
    changes["spec.algorithm"] = {"algorithmName": "darts"}
    path.write_text(yaml.safe_dump(manifest(changes)))
    assert cli.main(["validate", str(path)]) == 0
    assert capsys.readouterr().out == f"{path} is valid\n"


JOB = "spec.trialTemplate.trialSpec"
STOPPING: dict[str, Any] = {"spec.earlyStopping": {"algorithmName": "medianstop"}}
ARGO = {
    "spec.trialTemplate.successCondition": 'status.[@this].#(phase=="Succeeded")#',
    "spec.trialTemplate.failureCondition": 'status.[@this].#(phase=="Failed")#',
}


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        (
            {f"{JOB}.kind": "PyTorchJob", f"{JOB}.apiVersion": "kubeflow.org/v1"},
            f"{JOB} is 'kubeflow.org/v1 PyTorchJob'",
        ),
        ({f"{CONTAINER}.envFrom": [{"secretRef": {"name": "s"}}]}, "containers[0].envFrom is"),
        ({f"{CONTAINER}.image": "team/other"}, "image is 'team/other'"),
        (
            {f"{JOB}.kind": "Workflow", f"{JOB}.apiVersion": "argoproj.io/v1alpha1", **ARGO, **STOPPING},
            f"{JOB} is 'argoproj.io/v1alpha1 Workflow'",
        ),
        (ARGO, "spec.trialTemplate.successCondition is "),
        (
            {
                JOB: ...,
                "spec.trialTemplate.configMap": {"configMapName": "c", "configMapNamespace": "kubeflow"},
                **STOPPING,
            },
            "spec.trialTemplate.configMap is 'c'",
        ),
        (
            {"spec.metricsCollectorSpec": {"collector": {"kind": "PrometheusMetric"}}},
            "collector.kind is 'PrometheusMetric'",
        ),
        (
            {"spec.metricsCollectorSpec": {"collector": {"kind": "Custom", "customCollector": {"name": "c"}}}},
            "collector.kind is 'Custom'",
        ),
    ],
)
def test_what_only_a_cluster_can_run_is_said_so_and_the_rest_is_checked(
    run: Run, write_manifest: Write, changes: dict[str, Any], because: str
) -> None:
    path = write_manifest(changes)
    code, printed, _ = run("validate", path)
    assert code == 0
    assert printed.startswith(f"{path} is valid for a cluster; here it does not run, because ")
    assert because in printed
    # To run it is another matter, and so is what no cluster would take.
    assert run("run", path)[0] == 3
    wrong = {"spec.objective.type": "best", "spec.maxTrialCount": 0}
    code, printed, error = run("validate", write_manifest(changes | wrong))
    assert (code, printed) == (3, "")
    assert "spec.objective.type: 'best' is not allowed" in error
    unreferenced = {"spec.trialTemplate.trialParameters": [{"name": "theValue", "reference": "${trialSpec.Nothing}"}]}
    assert run("validate", write_manifest(changes | unreferenced))[0] == 3


@pytest.mark.parametrize(
    ("dataset", "absolute"),
    [
        ("npz:a.npz,*.npz,elsewhere.npz", "npz:{0}/a.npz,{0}/*.npz,{0}/elsewhere.npz"),
        ("imagefolder:pets, wild", "imagefolder:{0}/pets, wild"),
        ("imagefolder:elsewhere", "imagefolder:{0}/elsewhere"),
        ("imagefolder:apart", "imagefolder:{0}/data/apart"),
        ("svhn", "svhn"),
    ],
)
def test_a_relative_path_is_made_absolute(
    run: Run,
    write_manifest: Write,
    program: Program,
    out: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dataset: str,
    absolute: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    program('echo "data=$KATIB_NAS_DATASET dir=$KATIB_NAS_DATA_DIR weights=$KATIB_NAS_SHARED_WEIGHTS"; echo score=1')
    (tmp_path / "a.npz").touch()
    (tmp_path / "pets, wild").mkdir()
    (tmp_path / "data/apart").mkdir(parents=True)
    flags = ("--dataset", dataset, "--data-dir", "data", "--shared-weights", "w", "--output-dir", str(out))
    assert run("run", write_manifest(), *flags)[0] == 0
    log = next(out.glob("trials/*-0001/output.log")).read_text()
    assert f"data={absolute.format(tmp_path)} dir={tmp_path}/data weights={tmp_path}/w" in log


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    for flag, words in (("--help", "130  interrupted"), ("--version", "katib-nas 0.")):
        with pytest.raises(SystemExit) as ending:
            cli.main([flag])
        assert ending.value.code == 0
        assert words in capsys.readouterr().out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_and_resume_loses_nothing(
    run: Run,
    service: str,
    write_manifest: Write,
    program: Program,
    out: Path,
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    program(f"echo $$ > {tmp_path}/$1.pid; [ $1 = v1 ] || [ -e {tmp_path}/go ] || sleep 60; echo score=1")
    path = write_manifest({"spec.maxTrialCount": 3})
    flags = ["run", str(path), "--suggestion", service, "--image", f"tests/program={tmp_path}/program"]
    command = [str(Path(sys.executable).with_name("katib-nas")), *flags, "--output-dir", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 30
        while not (tmp_path / "v2.pid").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        start = time.monotonic()
        process.send_signal(number)
        printed, errors = process.communicate(timeout=40)
        assert time.monotonic() - start < 30
    assert process.returncode == 130, errors
    assert "interrupted (2 trials: 1 will run again, 1 succeeded)" in printed
    assert printed.endswith(f"\nTo go on: katib-nas run {path} --output-dir {out} --resume\n")
    assert "Traceback" not in errors
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "v2.pid").read_text()), 0)
    (tmp_path / "go").touch()
    code, printed, progress = run("run", path, "--output-dir", str(out), "--resume")
    assert code == 0
    assert "(3 trials: 3 succeeded)" in printed
    assert progress.splitlines()[0].partition(" ")[2] == "going on after 1 trial: 1 succeeded"
    assert "-0001" not in progress
    assert [row[0] for row in rows(out, "SELECT assignments FROM trials ORDER BY number")] == [
        f'{{"value": "v{index}"}}' for index in (1, 2, 3)
    ]
    assert [item["totalRequestNumber"] for item in requests(tmp_path)] == [1, 2, 3]


def test_a_killed_runner_loses_nothing_either(
    run: Run, service: str, write_manifest: Write, program: Program, out: Path, tmp_path: Path
) -> None:
    program(f"echo $$ > {tmp_path}/$1.pid; [ $1 = v1 ] || [ -e {tmp_path}/go ] || sleep 60; echo score=1")
    path = write_manifest()
    flags = ["run", str(path), "--suggestion", service, "--image", f"tests/program={tmp_path}/program"]
    command = [str(Path(sys.executable).with_name("katib-nas")), *flags, "--output-dir", str(out)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 30
        while not (tmp_path / "v2.pid").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        second = run("run", path, "--output-dir", str(out), "--resume")
        assert second[0] == 2
        assert "in use by another katib-nas run" in second[2]
        process.kill()
    (tmp_path / "go").touch()
    code, printed, _ = run("run", path, "--output-dir", str(out), "--resume")
    assert code == 0
    assert "(2 trials: 2 succeeded)" in printed
    assert len(rows(out, "SELECT * FROM observations")) == 2


def test_a_manifest_is_piped_in(
    run: Run, write_manifest: Write, program: Program, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(SCORE)
    path = write_manifest()
    for command, said in (("validate", "standard input is valid\n"), ("run", "all trials are completed")):
        with path.open() as piped:
            monkeypatch.setattr("sys.stdin", piped)
            code, printed, errors = run(command, Path("-"), *(["--output-dir", str(out)] if command == "run" else []))
        assert code == 0, errors
        assert said in printed


def test_a_name_that_is_nearly_an_example_is_hinted_at(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "enas-digit"]) == 3
    assert "'enas-digit' is not allowed: did you mean enas-digits? it must be a file" in capsys.readouterr().err
