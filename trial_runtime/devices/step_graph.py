"""A function of tensors as a CUDA graph: recorded once, then launched as a whole.

A step of a search is tens of thousands of kernels of a few microseconds each. To launch them one by one from Python
takes longer than to compute them, and none of them keeps a GPU busy, but several at the same time do (measured in
``benchmarks/results/darts_step.md``).
"""

from collections.abc import Callable, Sequence
from functools import cache, partial

import torch
from torch import Tensor


class Replayed:
    """A function that runs as it is once, is recorded the second time, and replayed from then on.

    The first time makes what is made only once, such as the buffers of an optimiser. What is no tensor, such as which
    statistics are frozen, is recorded as it stands. The memory of a run belongs to the graph.

    Args:
        function: from tensors to tensors; what else it reads or writes are tensors on the device, in place. It may not
            look at what the device has computed, which would wait for it.
    """

    def __init__(self, function: Callable[..., tuple[Tensor, ...]]) -> None:
        self._function = function
        self._graph: torch.cuda.CUDAGraph | None = None
        self._shapes: list[torch.Size] | None = None
        self._inputs: tuple[Tensor, ...] = ()
        self._outputs: tuple[Tensor, ...] = ()

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Run on inputs; those of other shapes than the first are not replayed. What is returned is the caller's."""
        shapes = [given.shape for given in inputs]
        if shapes != self._shapes:
            self._shapes = self._shapes or shapes
            return self._function(*inputs)
        if self._graph is None:
            self._inputs = tuple(given.clone() for given in inputs)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._outputs = self._function(*self._inputs)
            self._graph = graph
        else:
            torch._foreach_copy_(self._inputs, inputs)
        self._graph.replay()
        return tuple(output.clone() for output in self._outputs)


def side_by_side(branches: Sequence[partial[Tensor]]) -> list[Tensor]:
    """Call functions that need nothing of each other; in a recording, as branches that a GPU runs at the same time.

    The backward passes of the branches run side by side, too.

    Args:
        branches: each computes one tensor; what tensors it reads are its arguments, parameters or buffers.
    """
    if not (torch.cuda.is_available() and torch.cuda.is_current_stream_capturing()):
        return [branch() for branch in branches]
    here = torch.cuda.current_stream()
    streams = [_stream(here.device_index, place) for place in range(len(branches))]
    outputs = []
    for stream, branch in zip(streams, branches, strict=True):
        stream.wait_stream(here)
        for argument in branch.args:
            if isinstance(argument, Tensor):
                argument.record_stream(stream)  # whoever frees it, its memory is kept until the branch has read it
        with torch.cuda.stream(stream):
            outputs.append(branch())
    for stream in streams:
        here.wait_stream(stream)
    return outputs


@cache
def _stream(device_index: int, _place: int) -> torch.cuda.Stream:
    """Always the same ones: memory that is freed is used again on its own stream alone."""
    return torch.cuda.Stream(device_index)  # type: ignore[no-untyped-call]
