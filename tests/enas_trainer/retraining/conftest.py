import numpy
import pytest

CONVOLUTION = {"filter_size": "3", "num_filter": "6", "stride": "2"}
NN_CONFIG = {
    "num_layers": 3,
    "input_sizes": [8, 8, 1],
    "output_sizes": [2],
    "embedding": {
        "0": {"opt_id": 0, "opt_type": "convolution", "opt_params": CONVOLUTION},
        "4": {"opt_id": 4, "opt_type": "reduction", "opt_params": {"reduction_type": "max_pooling", "pool_size": 2}},
    },
}
ARCHITECTURE = "[[0], [4, 1], [0, 0, 1]]"


@pytest.fixture
def network_flags():
    """Three layers, for images of 8x8 in two classes."""
    return [f"--architecture={ARCHITECTURE}", f"--nn_config={NN_CONFIG}"]


@pytest.fixture
def folder(tmp_path):
    """Images of two classes that differ in brightness, 8x8, with test images."""
    generator = numpy.random.default_rng(0)
    (tmp_path / "data").mkdir()
    for name, count in (("train", 64), ("test", 20)):
        y = numpy.arange(count) % 2
        x = (generator.integers(100, size=(count, 8, 8)) + 120 * y[:, None, None]).astype("uint8")
        numpy.savez(tmp_path / "data" / f"{name}.npz", x=x, y=y)
    return tmp_path
