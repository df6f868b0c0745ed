"""Trained networks as programs of ``torch.export``, ``.pt2`` files that torch runs without the code of the network."""

import copy
import io
from collections.abc import Sequence

import torch
from torch import Tensor

from trial_runtime.trained.graph import Graph, Run


def write(graph: Graph) -> bytes:
    """Return a network as a program, with the graph's metadata as files inside."""
    # Weights with the channels last are no whole tensors to what writes them.
    network = copy.deepcopy(graph.network).to(memory_format=torch.contiguous_format)
    program = torch.export.export(network, graph.examples(2), dynamic_shapes=graph.dynamic_shapes())
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files=dict(graph.metadata))
    return buffer.getvalue()


def runner(file: bytes) -> Run:
    """Return what runs a file that `write` returned."""
    module = torch.export.load(io.BytesIO(file)).module()

    @torch.no_grad()
    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        found = module(*inputs)
        return [found] if isinstance(found, Tensor) else list(found)

    return run
