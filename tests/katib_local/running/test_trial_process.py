"""Trials as processes: their environment, their folder, their end."""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from katib_local.manifest import manifest as manifests
from katib_local.record import trial_folder
from katib_local.record.options import Options
from katib_local.record.run_folder import RunFolder
from katib_local.record.trials import Trial
from katib_local.running import leftovers, trial_process
from katib_local.running.gpus import Gpus
from katib_local.running.trial_process import TrialProcess
from katib_suggestion.experiment import TrialCondition

TRIAL = Trial(name="t-1", number=1, condition=TrialCondition.CREATED, assignments={"value": "['a b', 3]"}, labels={})
CONTAINER = "spec.trialTemplate.trialSpec.spec.template.spec.containers.0"

Launch = Callable[..., TrialProcess]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run" / "trials" / "t-1"


@pytest.fixture
def launch(manifest: Callable[..., dict[str, Any]], program: Callable[[str], Path], tmp_path: Path) -> Launch:
    def start(script: str, changes: dict[str, Any] | None = None, parallel: int = 1, **options: Any) -> TrialProcess:
        experiment = replace(manifests.parse(manifest(changes)), parallel_trials=parallel)
        mapped = Options(images={"tests/program": str(program(script))}, **options)
        process = trial_process.launch(experiment, TRIAL, RunFolder(tmp_path / "run"), mapped, Gpus([]))
        assert process is not None
        return process

    return start


def written(process: TrialProcess) -> bytes:
    metrics = process.folder / "metrics" / "m.log"
    return (metrics if metrics.exists() else process.folder / "output.log").read_bytes()


def is_running(number: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until_gone(number: int) -> None:
    deadline = time.monotonic() + 5
    while is_running(number):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wait_for(path: Path) -> str:
    deadline = time.monotonic() + 10
    while not (path.exists() and path.read_text().endswith("\n")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return path.read_text()


def test_output_exit_code_and_argument(launch: Launch, folder: Path) -> None:
    process = launch('echo "$1"; echo err >&2; exit 3')
    assert process.wait() == 3
    assert written(process) == b"['a b', 3]\nerr\n"
    assert (folder / "output.log").read_bytes() == written(process)
    assert (folder / "exit_code").read_text() == "3\n"


def test_the_environment(launch: Launch, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.setenv("FROM_OUTSIDE", "1")
    environment = [{"name": "MINE", "value": "a b"}, {"name": "KATIB_NAS_DATASET", "value": "cifar10"}]
    script = "import json, os, sys; print(json.dumps([dict(os.environ), os.getcwd(), sys.executable]))"
    process = launch(
        f"python3 -c '{script}'",
        {f"{CONTAINER}.env": environment},
        parallel=100,
        dataset="digits",
        data_dir="/data",
        image_size="8x6",
        max_images=30,
        seed=5,
        shared_weights="/weights",
    )
    assert process.wait() == 0
    variables, working_directory, python = json.loads(written(process))
    expected = {
        "KATIB_TRIAL_NAME": "t-1",
        "KATIB_NAS_DATASET": "digits",
        "KATIB_NAS_DATA_DIR": "/data",
        "KATIB_NAS_IMAGE_SIZE": "8x6",
        "KATIB_NAS_MAX_IMAGES": "30",
        "KATIB_NAS_MANIFEST_DIR": str(Path.cwd()),
        "KATIB_NAS_SHARED_WEIGHTS": "/weights",
        "KATIB_NAS_OUTPUT_DIR": str(folder / "artifacts"),
        "MINE": "a b",
        "FROM_OUTSIDE": "1",
        "OMP_NUM_THREADS": "1",
        "GOMP_SPINCOUNT": "10000",
    }
    assert {name: variables.get(name) for name in expected} == expected
    assert json.loads(variables["KATIB_NAS_OVERRIDES"]) == {
        "--dataset": "digits",
        "--data-dir": "/data",
        "--image-size": "8x6",
        "--max-images": "30",
        "--shared-weights": "/weights",
        "--seed": variables["KATIB_NAS_SEED"],
    }
    assert working_directory == str(folder / "cwd")
    assert Path(python).parent == Path(sys.executable).parent


def test_the_users_own_number_of_threads_stays(launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    process = launch('echo "$OMP_NUM_THREADS"')
    process.wait()
    assert written(process) == b"7\n"


def test_without_an_affinity_all_cores_are_shared(launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 9)
    process = launch('echo "$OMP_NUM_THREADS"', parallel=2)
    process.wait()
    assert written(process) == b"4\n"


def test_without_options_the_trial_decides_on_its_data(launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KATIB_NAS_DATASET", raising=False)
    process = launch('echo "${KATIB_NAS_DATASET-none}"')
    process.wait()
    assert written(process) == b"none\n"


def test_nothing_is_written_beside_the_program(launch: Launch, folder: Path, tmp_path: Path) -> None:
    launch("touch made; mkdir made-too").wait()
    assert [path.name for path in (tmp_path / "program").iterdir()] == ["program.sh"]
    assert (folder / "cwd" / "made").exists()


def test_a_script_finds_its_own_folder(launch: Launch, program: Callable[[str], Path]) -> None:
    (program("") / "main.py").write_text("import beside\nprint(beside.VALUE)\n")
    (program("") / "beside.py").write_text("VALUE = 42\n")
    process = launch("python3 main.py")
    assert process.wait() == 0
    assert written(process) == b"42\n"


def test_a_file_collector_gets_a_folder_of_its_own(launch: Launch, folder: Path) -> None:
    changes = {
        "spec.metricsCollectorSpec": {
            "collector": {"kind": "File"},
            "source": {"fileSystemPath": {"path": "/katib-nas-test/logs/m.log"}},
        },
        f"{CONTAINER}.args": ["/katib-nas-test/logs/m.log"],
    }
    process = launch('echo printed; echo score=1 > "$2"', changes)
    assert process.wait() == 0
    assert written(process) == b"score=1\n"
    assert (folder / "metrics" / "m.log").read_bytes() == b"score=1\n"
    assert (folder / "output.log").read_bytes() == b"printed\n"


def test_the_folder_on_the_suggestions_volume_is_the_trials_own_and_stays(launch: Launch, folder: Path) -> None:
    path = "/katib-nas-test/trial"
    changes = {
        "spec.algorithm.algorithmSettings": [{"name": "suggestion_trial_dir", "value": f"{path}/"}],
        f"{CONTAINER}.args": [f"--output-dir={path}/out"],
        f"{CONTAINER}.env": [{"name": "KEPT", "value": path}],
    }
    script = 'echo "$2"; ls "$KEPT"; touch "$KEPT/checkpoint"'
    first = launch(script, changes)
    assert first.wait() == 0
    assert written(first) == b"--output-dir=../suggestion/out\n"
    assert (folder / "suggestion" / "checkpoint").exists()
    second = launch(script, changes)
    assert second.wait() == 0
    assert written(second) == b"--output-dir=../suggestion/out\ncheckpoint\n"


def test_a_signal_is_counted_as_shells_do(launch: Launch, folder: Path) -> None:
    assert launch("kill -9 $$").wait() == 137
    assert (folder / "exit_code").read_text() == "137\n"


def test_what_stays_in_the_background_is_ended(launch: Launch, folder: Path) -> None:
    process = launch("sleep 60 & echo $! > child")
    assert process.wait() == 0
    child = int((folder / "cwd" / "child").read_text())
    wait_until_gone(child)


def test_stop_ends_everything_and_lets_programs_say_good_bye(launch: Launch, folder: Path) -> None:
    process = launch(
        "sh -c 'trap \"sleep 0.3; echo bye; exit 0\" TERM; echo ready > ready; while :; do sleep 0.05; done'; true"
    )
    wait_for(folder / "cwd" / "ready")
    start = time.monotonic()
    trial_process.stop([process])
    assert time.monotonic() - start < 4
    assert b"bye" in written(process)
    assert process.poll() is not None


def test_stop_kills_what_ignores_sigterm(launch: Launch, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_process, "STOP_TIMEOUT_S", 0.3)
    process = launch("trap '' TERM; echo $$ > ready; sleep 60")
    number = int(wait_for(folder / "cwd" / "ready"))
    trial_process.stop([process])
    wait_until_gone(number)
    assert process.poll() is not None


def test_a_second_start_keeps_the_artifacts_only(launch: Launch, folder: Path) -> None:
    script = 'ls "$KATIB_NAS_OUTPUT_DIR"; ls; touch made "$KATIB_NAS_OUTPUT_DIR/checkpoint"'
    assert launch(script).wait() == 0
    second = launch(script)
    assert second.wait() == 0
    assert written(second) == b"checkpoint\nprogram.sh\n"


def test_a_second_start_ends_what_a_killed_runner_left(launch: Launch, folder: Path) -> None:
    first = launch("echo $$ > ready; setsid sleep 60 & wait")
    number = int(wait_for(folder / "cwd" / "ready"))
    while len(left := leftovers.find(folder)) < 2:
        time.sleep(0.01)
    assert launch("true").wait() == 0
    assert first.wait() == 137
    for one in (number, *left):
        wait_until_gone(one)


def test_what_leaves_session_and_parent_behind_is_ended(launch: Launch, folder: Path) -> None:
    leave = "import os, sys, time; os.setsid(); os.fork() and os._exit(0)"
    tell = "open('child', 'w').write(f'{os.getpid()}\\n'); time.sleep(60)"
    process = launch(f'python3 -c "{leave}; {tell}" & until [ -e child ]; do sleep 0.05; done; echo score=1')
    assert process.wait() == 0
    wait_until_gone(int(wait_for(folder / "cwd" / "child")))
    assert leftovers.find(folder) == []


def test_a_trial_that_was_stopped_has_not_ended_of_itself(launch: Launch, folder: Path) -> None:
    process = launch("echo $$ > ready; sleep 60")
    wait_for(folder / "cwd" / "ready")
    trial_process.stop([process])
    assert process.exit_code == 143
    assert trial_folder.exit_code(folder) is None


def test_all_are_killed_where_nothing_can_be_written(launch: Launch, folder: Path, tmp_path: Path) -> None:
    """As on a disk that is full: what cannot be recorded must end all the same."""
    process = launch("trap '' TERM; echo $$ > ready; sleep 60")
    number = int(wait_for(folder / "cwd" / "ready"))
    (folder / "exit_code").mkdir()
    trial_process.stop([process])
    wait_until_gone(number)
