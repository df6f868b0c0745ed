import pytest


@pytest.fixture
def one_layer():
    """Flags of the smallest network, for images of 32x32."""
    convolution = {
        "opt_id": 0,
        "opt_type": "convolution",
        "opt_params": {"filter_size": "3", "num_filter": "4", "stride": "2"},
    }
    nn_config = {"num_layers": 1, "input_sizes": [32, 32, 3], "output_sizes": [10], "embedding": {"0": convolution}}
    return ["--architecture=[[0]]", f"--nn_config={nn_config}", "--device=cpu"]
