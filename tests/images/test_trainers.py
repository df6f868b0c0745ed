"""One tiny trial of each trainer, from the published command line as Katib's collector wraps it."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

SETTINGS = (
    "{'num_epochs': '1', 'w_lr': 0.025, 'w_lr_min': 0.001, 'w_momentum': 0.9, 'w_weight_decay': 0.0003, "
    "'w_grad_clip': 5.0, 'alpha_lr': 0.0003, 'alpha_weight_decay': 0.001, 'batch_size': 128, 'num_workers': 4, "
    "'init_channels': '1', 'print_step': 50, 'num_nodes': '1', 'stem_multiplier': '1'}"
)
NN_CONFIG = json.dumps(
    {
        "num_layers": 2,
        "input_sizes": [32, 32, 1],
        "output_sizes": [10],
        "embedding": {
            "0": {
                "opt_id": 0,
                "opt_type": "convolution",
                "opt_params": {"filter_size": "3", "num_filter": "8", "stride": "2"},
            },
            "1": {
                "opt_id": 1,
                "opt_type": "reduction",
                "opt_params": {"reduction_type": "max_pooling", "pool_size": 2},
            },
        },
    }
).replace('"', "'")

SPACE = "['max_pooling_3x3', 'skip_connection']"


def of_cells(kind: str, num_layers: int, sizes: dict[str, list[int]], types: dict[str, dict[str, str]]) -> str:
    embedding = {
        str(number): {"opt_id": number, "opt_type": name, "opt_params": params}
        for number, (name, params) in enumerate(types.items())
    }
    config = {"num_layers": num_layers, **sizes, "search_for": kind, "num_nodes": 1, "embedding": embedding}
    return json.dumps(config).replace('"', "'")


MICRO = of_cells(
    "micro",
    3,
    {"input_sizes": [32, 32, 1], "output_sizes": [10]},
    {"skip_connection": {}, "max_pooling": {"filter_size": "3"}},
)
RECURRENT = of_cells("recurrent", 1, {"input_sizes": [99], "output_sizes": [99]}, {"tanh": {}, "relu": {}})

TRIALS = [
    (
        "darts-trainer",
        f'python3 run_trial.py --algorithm-settings="{SETTINGS}" --search-space="{SPACE}" --num-layers="1"',
        r"Best-Genotype=Genotype\(normal=\[.+\],normal_concat=range\(2,3\),reduce=\[\],reduce_concat=range\(2,3\)\)",
    ),
    (
        "enas-trainer",
        f'python3 -u RunTrial.py --num_epochs=1 --architecture="[[0], [1, 1]]" --nn_config="{NN_CONFIG}"',
        r"Validation-Accuracy=[01]\.?\d*",
    ),
    (
        "enas-trainer",
        (
            f'python3 -u RunTrial.py --num_epochs=1 --init-channels=2 --architecture="[[0, 0, 1, 1], [1, 1, 0, 0]]" '
            f'--nn_config="{MICRO}"'
        ),
        r"Validation-Accuracy=[01]\.?\d*",
    ),
    (
        "enas-trainer",
        (
            f'python3 -u RunTrial.py --num_epochs=1 --hidden-size=2 --dataset=python-docs --architecture="[[0, 1]]" '
            f'--nn_config="{RECURRENT}"'
        ),
        r"Validation-Perplexity=\d+",
    ),
]
FLAGS = ("--env=KATIB_NAS_DATASET=digits", "--env=KATIB_NAS_MAX_IMAGES=128", "--env=OMP_NUM_THREADS=1")


@pytest.mark.parametrize(("name", "program", "metric"), TRIALS, ids=["darts", "layers", "cells", "text"])
def test_a_published_command_runs_a_trial(command: Callable[..., Any], name: str, program: str, metric: str) -> None:
    log = "/tmp/metrics.log"
    finished = command(name, "sh", "-c", f"{program} 1>{log} 2>&1; code=$?; cat {log}; exit $code", flags=FLAGS)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert re.search(metric, finished.stdout), finished.stdout
