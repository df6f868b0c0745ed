import errno
import os
import signal

import pytest
import torch

from darts_service.settings import DartsSettings
from katib_suggestion.parsing import assignment, settings
from trial_runtime import program
from trial_runtime.devices import devices
from trial_runtime.errors import TrainingDiverged
from trial_runtime.images import datasets
from trial_runtime.processes.termination import Terminated


def _raiser(error):
    def main():
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (datasets.DatasetError("dataset", "x", "no\nsuch"), 2),
        (devices.DeviceError("device"), 2),
        (assignment.MalformedAssignment("text"), 2),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "output/architecture.json"), 3),
        (torch.OutOfMemoryError("CUDA out of memory.\nTried"), 3),
        (MemoryError(), 3),
        (TrainingDiverged("the training loss is nan in epoch 2"), 4),
    ],
)
def test_an_expected_error_is_one_line_and_an_exit_code(error, code, capfd):
    assert program.run(_raiser(error)) == code

    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert len(err) > len("error: \n")


def test_running_out_of_a_cpus_memory_is_the_machines_error(capfd):
    # An exbibyte: no machine's address space has room for it.
    assert program.run(lambda: torch.empty(2**60, dtype=torch.uint8)) == 3

    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert "you tried to allocate 1152921504606846976 bytes" in err
    assert err.count("\n") == 1


def test_a_setting_of_the_search_is_a_users_error():
    assert program.run(lambda: settings.parse(DartsSettings, [("w_lr", "fast")])) == 2


def test_ctrl_c_is_quiet(capfd):
    assert program.run(_raiser(KeyboardInterrupt())) == 130
    assert capfd.readouterr() == ("", "")


def test_sigterm_that_a_trial_took_note_of_is_no_error(capfd):
    assert program.run(_raiser(Terminated("a checkpoint is in output"))) == 128 + signal.SIGTERM
    assert "error: " not in capfd.readouterr().err


@pytest.mark.parametrize("error", [ValueError("ours to mend"), RuntimeError("shapes"), UnicodeError("text")])
def test_a_fault_of_the_program_keeps_its_traceback(error):
    with pytest.raises(type(error)):
        program.run(_raiser(error))


def test_success_is_0():
    assert program.run(lambda: None) == 0
