import numpy as np
import pytest

from enas_service.spaces.macro import MacroSpace
from enas_service.spaces.operations import OperationChoice


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def space():
    """Four layers; convolutions with two parameters, a pooling without them: all forms of features, and gaps."""
    convolutions = [
        OperationChoice("convolution", (("filter_size", size), ("separable", flag)))
        for size in ("3", "5", "7")
        for flag in ("no", "yes")
    ]
    return MacroSpace(
        num_layers=4,
        input_sizes=(32, 32, 3),
        output_sizes=(10,),
        operations=(*convolutions, OperationChoice("pooling", ())),
    )
