"""What is in the images, and what is not."""

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("check_contents.py").read_text()

FORBIDDEN = {
    "darts-service": ["numpy", "tensorflow", "torch", "darts_trainer", "trial_runtime"],
    "enas-service": ["torch", "torchvision", "enas_trainer", "trial_runtime"],
    # Protobuf itself is there: tensorboardX writes its files by it.
    "darts-trainer": ["grpc", "katib_suggestion.wire", "tensorflow", "enas_trainer"],
    "enas-trainer": ["grpc", "katib_suggestion.wire", "tensorflow", "darts_trainer"],
    "dashboard": ["numpy", "rich", "tensorflow", "torch", "darts_trainer", "enas_service", "katib_local.running"],
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_every_module_finds_what_it_imports_and_nothing_else_is_there(command: Callable[..., Any], name: str) -> None:
    finished = command(name, "python3", "-", *FORBIDDEN[name], stdin=SCRIPT)
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout.splitlines()[-1]) == {}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_images_say_what_they_are_and_run_as_a_fixed_user(inspect: Callable[..., Any], name: str) -> None:
    config = inspect(name)
    labels = config["Labels"]
    assert labels["org.opencontainers.image.title"] == f"katib-nas {name.replace('-', ' ')}"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.version"] == version("katib-nas")
    assert labels["org.opencontainers.image.description"]
    assert config["User"] == "65532:0"


@pytest.mark.parametrize("name", FORBIDDEN)
def test_no_caches_are_left(command: Callable[..., Any], name: str) -> None:
    finished = command(name, "sh", "-c", "find /root /var/tmp -path '*cache*' -type f", flags=("--user=0:0",))
    assert finished.stdout == ""
    assert finished.stderr == ""
