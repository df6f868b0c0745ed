"""What OpenMP's threads are told, as libgomp itself prints it when a trainer loads torch."""

import os
import re
import subprocess
import sys

import pytest

from trial_runtime.devices import spinning

PROGRAMS = (
    ["-m", "darts_trainer"],
    ["-m", "darts_trainer.retrain"],
    ["-m", "enas_trainer"],
    ["darts_trainer/run_trial.py"],
)


@pytest.mark.skipif(sys.platform != "linux", reason="torch has another OpenMP there")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda words: words[-1])
def test_a_trainer_sets_it_before_torch_is_loaded(program: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GOMP_", "OMP_"))}
    ran = subprocess.run(
        [sys.executable, *program, "--help"],
        env=environment | {"OMP_DISPLAY_ENV": "VERBOSE"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.findall("GOMP_SPINCOUNT = '(.*)'", ran.stderr) == ["10000"]


@pytest.mark.parametrize("given", [{"GOMP_SPINCOUNT": "7"}, {"OMP_WAIT_POLICY": "passive"}])
def test_what_the_user_says_stays(given: dict[str, str]) -> None:
    environment = dict(given)
    spinning.bound(environment)
    assert environment == given
