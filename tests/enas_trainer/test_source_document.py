"""The examples of the source document: read, checked, built into networks, printed back unchanged."""

import json

import pytest
import torch

from enas_trainer.architecture import fields
from enas_trainer.macro import config
from enas_trainer.macro.child import Child
from enas_trainer.macro.operation_types import Convolution, Reduction
from katib_suggestion.parsing import assignment
from trial_runtime.seeds import generator

MATRIX = """
[2]
[0 0]
[1 1 0]
[5 1 0 1]
[1 1 1 0 1]
[5 0 0 1 0 1]
[1 1 1 0 0 1 0]
[2 0 0 0 1 1 0 1]
[0 0 0 1 1 1 1 1 0]
[2 0 1 0 1 1 1 0 0 0]
[3 1 1 1 1 1 1 0 0 1 1]
[0 1 1 1 1 0 0 1 1 1 1 0]
"""
"""12 layers, 6 possible operations; the document leaves open which."""

SIX_OPERATIONS = [
    ("convolution", {"filter_size": "3", "num_filter": "8", "stride": "1"}),
    ("convolution", {"filter_size": "5", "num_filter": "8", "stride": "2"}),
    ("separable_convolution", {"filter_size": "3", "num_filter": "8", "stride": "1", "depth_multiplier": "1"}),
    ("depthwise_convolution", {"filter_size": "3", "stride": "1", "depth_multiplier": "1"}),
    ("reduction", {"reduction_type": "max_pooling", "pool_size": 2}),
    ("reduction", {"reduction_type": "avg_pooling", "pool_size": 2}),
]

ARCHITECTURE = (
    "[[27], [29, 0], [22, 1, 0], [13, 0, 0, 0], [26, 1, 1, 0, 0], [30, 1, 0, 1, 0, 0], "
    "[11, 0, 1, 1, 0, 1, 1], [9, 1, 0, 0, 1, 0, 0, 0]]"
)

CONVOLUTIONS = {
    27: (7, 96, 2),
    29: (7, 128, 2),
    22: (7, 48, 1),
    13: (5, 48, 2),
    26: (7, 96, 1),
    11: (5, 32, 2),
    9: (3, 128, 2),
}
"""Filter size, number of filters and stride of the second example; operation 30 is a reduction."""


def _nn_config_of_the_second_example():
    embedding = {
        str(opt_id): {
            "opt_id": opt_id,
            "opt_type": "convolution",
            "opt_params": {"filter_size": str(size), "num_filter": str(filters), "stride": str(stride)},
        }
        for opt_id, (size, filters, stride) in CONVOLUTIONS.items()
    }
    reduction = {"reduction_type": "max_pooling", "pool_size": 2}
    embedding["30"] = {"opt_id": 30, "opt_type": "reduction", "opt_params": reduction}
    return {"num_layers": 8, "input_sizes": [32, 32, 3], "output_sizes": [10], "embedding": embedding}


def _matrix_with_its_six_operations():
    rows = [json.loads(line.replace(" ", ",")) for line in MATRIX.split("\n") if line]
    embedding = {
        str(opt_id): {"opt_id": opt_id, "opt_type": opt_type, "opt_params": params}
        for opt_id, (opt_type, params) in enumerate(SIX_OPERATIONS)
    }
    nn_config = {"num_layers": 12, "input_sizes": [32, 32, 3], "output_sizes": [10], "embedding": embedding}
    return assignment.encode(rows), nn_config


EXAMPLES = {
    "12 x 6 matrix": _matrix_with_its_six_operations(),
    "8 layers": (ARCHITECTURE, _nn_config_of_the_second_example()),
}


@pytest.fixture(params=EXAMPLES)
def example(request):
    return EXAMPLES[request.param]


def test_an_example_is_printed_back_unchanged(example):
    text, nn_config = example
    wire = assignment.encode(nn_config)

    architecture, _ = config.read(text, wire)

    assert assignment.encode(architecture.rows) == text
    assert assignment.encode(fields.parse(wire, "nn_config")) == wire


def test_an_example_becomes_a_network_that_trains(example):
    text, nn_config = example
    architecture, network = config.read(text, json.dumps(nn_config, indent=0))
    network.check_data((3, 32, 32), 10)

    child = Child(architecture, network, generator(0, "weights"))
    logits = child(torch.randn(4, 3, 32, 32, generator=generator(0, "x")))
    logits.logsumexp(dim=1).sum().backward()

    assert logits.shape == (4, 10)
    assert len(child.layers) == len(architecture.rows)
    assert all(weight.grad is not None for weight in child.parameters())


def test_the_matrix_is_printed_back_in_its_own_form():
    architecture, _ = config.read(EXAMPLES["12 x 6 matrix"][0], assignment.encode(EXAMPLES["12 x 6 matrix"][1]))

    printed = "\n".join(f"[{' '.join(map(str, row))}]" for row in architecture.rows)

    assert printed == MATRIX.strip()


def test_the_second_example_has_the_layers_that_it_names():
    architecture, network = config.read(ARCHITECTURE, assignment.encode(_nn_config_of_the_second_example()))
    child = Child(architecture, network, generator(0, "weights"))

    assert network.embedding[27] == Convolution(filter_size=7, num_filter=96, stride=2)
    assert network.embedding[30] == Reduction(reduction_type="max_pooling", pool_size=2)
    assert [tuple(shape) for shape in child.shapes] == [
        (3, 32, 32),
        (96, 16, 16),
        (128, 8, 8),
        (48, 8, 8),  # joined with the image, which is averaged down to 8 x 8
        (48, 4, 4),
        (96, 4, 4),
        (128, 2, 2),  # a reduction of layer 5, the image and layer 2, the widest of which has 128 channels
        (32, 1, 1),
        (128, 1, 1),
    ]
