import pytest
import torch

from trial_runtime.devices.devices import DeviceError, resolve
from trial_runtime.processes.processes import Processes

SECOND_OF_TWO = Processes(rank=1, size=2, local_rank=1)
HUNDREDTH = Processes(rank=99, size=100, local_rank=99)


def test_the_processor_is_always_there():
    assert resolve("cpu") == torch.device("cpu")


def test_auto_takes_what_the_machine_has():
    expected = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"

    assert resolve("auto").type == expected


@pytest.mark.parametrize("name", ["gpu", "", "CPU", "cpu:1", "cuda:", "cuda:x", "cuda:-1", "meta", "xla"])
def test_unknown_names_are_refused(name):
    with pytest.raises(DeviceError, match="it must be auto, cpu, cuda, cuda:N or mps"):
        resolve(name)


def test_an_absent_device_is_refused():
    with pytest.raises(DeviceError, match="'cuda:9999' is not allowed: this machine shows"):
        resolve("cuda:9999")


def test_several_processes_compute_on_the_cpu_where_it_is_asked_for():
    assert resolve("cpu", SECOND_OF_TWO) == torch.device("cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is there")
def test_several_processes_compute_on_the_cpu_where_it_is_all_there_is():
    assert resolve("auto", SECOND_OF_TWO) == torch.device("cpu")


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="fewer than two CUDA devices")
@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_each_process_takes_its_own_device(name):
    assert resolve(name, SECOND_OF_TWO) == torch.device("cuda:1")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mps", "'mps' is not allowed with 100 processes .they cannot add up on it.: it must be auto, cpu or cuda"),
        ("cuda:0", "'cuda:0' is not allowed with 100 processes .each takes its own.: it must be auto, cpu or cuda"),
        ("cuda", "'cuda' is not allowed: this machine shows [0-9]+ CUDA devices, and each process on it needs its own"),
        ("gpu", "it must be auto, cpu, cuda, cuda:N or mps"),
    ],
)
def test_a_device_that_processes_cannot_have_one_each_is_refused(name, message):
    with pytest.raises(DeviceError, match=message):
        resolve(name, HUNDREDTH)
