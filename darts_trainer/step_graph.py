"""A function of tensors as a CUDA graph: recorded once, then launched as a whole.

A step of a search is tens of thousands of kernels of a few microseconds each. To launch them one by one from Python
takes longer than to compute them (measured in ``benchmarks/results/darts_step.md``).
"""

from collections.abc import Callable

import torch
from torch import Tensor


class Replayed:
    """A function that runs as it is once, is recorded the second time, and replayed from then on.

    The first time makes what is made only once, such as the buffers of an optimiser. What is no tensor, a learning rate
    or which statistics are frozen, is recorded as it stands: where that changes, it is to be recorded anew. The memory
    of a run belongs to the graph until then.

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

    def record_anew(self) -> None:
        """Forget what was recorded; the next call records again."""
        self._graph = None
        self._inputs = self._outputs = ()

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
