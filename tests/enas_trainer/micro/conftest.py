"""Texts of the published cells, and of small ones."""

import pytest

from katib_suggestion.parsing import assignment

ARC = "0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1 1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1"
ROWS = [[int(number) for number in half.split()] for half in (ARC[:39], ARC[40:])]
SMALL = [[1, 0, 1, 3, 2, 4, 2, 2], [0, 0, 0, 0, 0, 4, 2, 1]]
"""Nodes with both edges from one source, a normal cell that concatenates input 0, a reduction cell input 1."""
TYPES = [
    ("separable_convolution", {"filter_size": "3"}),
    ("separable_convolution", {"filter_size": "5"}),
    ("avg_pooling", {"filter_size": "3"}),
    ("max_pooling", {"filter_size": "3"}),
    ("skip_connection", {}),
]


def config(num_nodes, **changes):
    """An ``nn_config``, as an object."""
    found = {
        "num_layers": 3,
        "input_sizes": [8, 8, 3],
        "output_sizes": [10],
        "search_for": "micro",
        "num_nodes": num_nodes,
        "embedding": {
            str(number): {"opt_id": number, "opt_type": kind, "opt_params": params}
            for number, (kind, params) in enumerate(TYPES)
        },
    }
    return found | changes


@pytest.fixture
def texts():
    """Both texts of some rows."""

    def made(rows=SMALL, **changes):
        num_nodes = changes.pop("num_nodes", len(rows[0]) // 4)
        return assignment.encode(rows), assignment.encode(config(num_nodes, **changes))

    return made
