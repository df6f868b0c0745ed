"""Devices that trials have to themselves; a stand-in for nvidia-smi lists them."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from katib_local.running import gpus
from katib_local.running.gpus import Gpus

LIMITS = "spec.trialTemplate.trialSpec.spec.template.spec.containers.0.resources.limits"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Make the machine one with so many devices."""
    monkeypatch.delenv(gpus.VISIBLE, raising=False)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")

    def make(count: int) -> None:
        program = tmp_path / "bin/nvidia-smi"
        lines = "".join(f"echo GPU-{number}\n" for number in range(count))
        program.write_text(f"#!/bin/sh\n{lines or 'echo No devices were found; exit 6'}\n")
        program.chmod(0o755)

    return make


def test_devices_are_listed(machine: Callable[[int], None], monkeypatch: pytest.MonkeyPatch) -> None:
    machine(2)
    assert gpus.devices() == ["GPU-0", "GPU-1"]
    machine(0)
    assert gpus.devices() == []
    monkeypatch.setenv("PATH", "/nowhere")
    assert gpus.devices() == []


@pytest.mark.parametrize(
    ("visible", "devices"),
    [("2,0", ["2", "0"]), ("", []), ("-1", []), ("1,-1,0", ["1"]), ("GPU-a, GPU-b", ["GPU-a", "GPU-b"])],
)
def test_what_the_user_may_use_goes_before(
    machine: Callable[[int], None], monkeypatch: pytest.MonkeyPatch, visible: str, devices: list[str]
) -> None:
    machine(4)
    monkeypatch.setenv(gpus.VISIBLE, visible)
    assert gpus.devices() == devices


def test_a_device_belongs_to_one_trial_at_a_time() -> None:
    pool = Gpus(["a", "b", "c"])
    assert pool.take("one", 2) == {gpus.VISIBLE: "a,b"}
    assert pool.take("two", 2) is None
    assert pool.take("three", 1) == {gpus.VISIBLE: "c"}
    # One that asks for none is not touched.
    assert pool.take("four", 0) == {}
    pool.give_back("one")
    pool.give_back("four")
    assert pool.take("two", 2) == {gpus.VISIBLE: "a,b"}
    assert Gpus([]).take("one", 2) == {}


SHARED = """
echo "$CUDA_VISIBLE_DEVICES" >> "$OLDPWD/devices"
for device in $(echo "$CUDA_VISIBLE_DEVICES" | tr , ' '); do
    mkdir "$OLDPWD/$device" || exit 9  # another trial has it
done
sleep .2
for device in $(echo "$CUDA_VISIBLE_DEVICES" | tr , ' '); do rmdir "$OLDPWD/$device"; done
echo score=1
"""


@pytest.mark.parametrize(("count", "at_once"), [(1, 2), (2, 1)])
def test_trials_wait_for_devices_of_their_own(
    machine: Callable[[int], None],
    run: Callable[..., Any],
    write_manifest: Callable[..., Path],
    program: Callable[[str], Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    count: int,
    at_once: int,
) -> None:
    machine(2)
    program(SHARED.replace("$OLDPWD", str(tmp_path)))
    counts = {"spec.parallelTrialCount": 4, "spec.maxTrialCount": 4, LIMITS: {"nvidia.com/gpu": str(count)}}
    code, printed, progress = run("run", write_manifest(counts), "--output-dir", str(tmp_path / "out"))
    assert code == 0, progress
    assert "4 succeeded" in printed
    assert "resources" not in caplog.text
    expected = {"GPU-0", "GPU-1"} if count == 1 else {"GPU-0,GPU-1"}
    assert set((tmp_path / "devices").read_text().split()) == expected
    # As many run at a time as there are devices for: the second begins before the first has ended, or does not.
    told = re.findall(r"(running|succeeded)", progress)
    assert told[: at_once + 1] == ["running"] * at_once + ["succeeded"]


def test_more_than_there_are_are_refused_and_without_any_it_is_said(
    machine: Callable[[int], None],
    run: Callable[..., Any],
    write_manifest: Callable[..., Path],
    program: Callable[[str], Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    program('echo "score=1 $CUDA_VISIBLE_DEVICES"')
    manifest = write_manifest({LIMITS: {"nvidia.com/gpu": 3, "memory": "1Gi"}})
    machine(2)
    code, _, error = run("run", manifest)
    assert code == 3
    assert "limits.nvidia.com/gpu: 3 is not allowed: this machine has 2" in error
    machine(0)
    assert run("run", manifest, "--output-dir", str(tmp_path / "out"))[0] == 0
    assert "no CUDA device is found here: trials that ask for nvidia.com/gpu run without" in caplog.text
    assert "does not heed resources" in caplog.text
    code, _, error = run("run", write_manifest({LIMITS: {"nvidia.com/gpu": "half"}}))
    assert code == 3
    assert "limits.nvidia.com/gpu: 'half' is not allowed: it must be a whole number of devices" in error
