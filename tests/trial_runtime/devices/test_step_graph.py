"""Most of it needs a CUDA device: what is recorded there runs nowhere else."""

from functools import partial

import pytest
import torch

from trial_runtime.devices.step_graph import Replayed, side_by_side

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@needs_cuda
def test_a_replayed_function_takes_new_inputs_and_gives_what_is_kept():
    total = torch.zeros(3, device="cuda")

    def function(x):
        total.add_(x)
        return (total * 2,)

    replayed = Replayed(function)
    outputs = [replayed(torch.full((3,), float(number), device="cuda"))[0] for number in range(1, 6)]

    assert [output[0].item() for output in outputs] == [2, 6, 12, 20, 30]
    assert total.tolist() == [15, 15, 15]


@needs_cuda
def test_inputs_of_another_shape_are_not_replayed():
    replayed = Replayed(lambda x: (x + 1,))

    shapes = [tuple(replayed(torch.ones(size, device="cuda"))[0].shape) for size in (4, 4, 4, 2, 4)]

    assert shapes == [(4,), (4,), (4,), (2,), (4,)]


def test_branches_answer_in_their_order():
    assert side_by_side([partial(torch.full, (), float(number)) for number in range(3)]) == [0, 1, 2]


@needs_cuda
def test_recorded_branches_compute_and_differentiate_as_launched_ones():
    """Over and over, on memory that is freed and used again while other branches still compute."""
    generator = torch.Generator(device="cuda").manual_seed(0)
    weights = [torch.randn(256, 256, device="cuda", generator=generator, requires_grad=True) for _ in range(5)]

    def branch(x, weight):
        for _ in range(4):
            x = torch.tanh(x @ weight / 16)
        return x

    def function(x):
        for _ in range(12):
            wide = x.clone()
            x = sum(side_by_side([partial(branch, wide, weight) for weight in weights])) / 3
            del wide
        return (x.detach(), *torch.autograd.grad(x.square().mean(), weights))

    replayed = Replayed(function)
    for _ in range(4):
        x = torch.randn(512, 256, device="cuda", generator=generator)
        for ours, theirs in zip(replayed(x), function(x), strict=True):
            assert torch.equal(ours, theirs)
