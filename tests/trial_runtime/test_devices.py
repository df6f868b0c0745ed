import pytest
import torch

from trial_runtime.devices import DeviceError, resolve


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
