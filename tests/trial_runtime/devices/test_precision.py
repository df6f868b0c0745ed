import torch

from trial_runtime.devices import precision


def test_a_cuda_device_adds_up_in_the_same_order_each_time(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    before = torch.get_float32_matmul_precision()
    try:
        precision.settle(torch.device("cuda"))  # settles it also where no such device is

        assert torch.backends.cudnn.deterministic
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision(before)


def test_other_devices_are_left_as_they_are(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    before = torch.get_float32_matmul_precision()

    precision.settle(torch.device("cpu"))

    assert not torch.backends.cudnn.deterministic
    assert torch.get_float32_matmul_precision() == before
