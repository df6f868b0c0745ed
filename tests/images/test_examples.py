"""The trial of each example: its own command, with what the service's image suggests, in the trainer's image."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from katib_local.manifest import manifest, template
from katib_local.manifest.experiment import Experiment
from katib_local.running import wire
from tests.images.conftest import running

EXAMPLES = sorted(path.stem for path in (Path(__file__).parents[2] / "examples").glob("*.yaml"))

SMALLER = {"num_epochs": "1", "num_nodes": "1", "init_channels": "2", "stem_multiplier": "1"}
SMALLER_TEXT = {"num_epochs": "1", "num_nodes": "1", "hidden_size": "8", "batch_size": "256"}
"""Settings of a DARTS search in the place of the example's."""
OVERRIDES = {"--num_epochs": "1", "--num-epochs": "1", "--max-images": "64", "--hidden-size": "8"}
"""Flags of a trial in the place of its command's, as `katib-nas run` hands them over."""
HERE = {
    "KATIB_NAS_OVERRIDES": json.dumps(OVERRIDES),
    "KATIB_NAS_SHARED_WEIGHTS": "/tmp/weights",
    "OMP_NUM_THREADS": "1",
}
IMAGES = {"KATIB_NAS_DATASET": "fake:64", "KATIB_NAS_DATA_DIR": "/tmp/data", "KATIB_NAS_IMAGE_SIZE": ""}
"""In the place of images that are downloaded or lie on a volume."""
TUNED = {"learning-rate": ".02", "weight-decay": "3e-4", "drop-path": ".1", "batch-size": "32"}
"""What random search might suggest."""


@pytest.fixture(scope="module")
def suggest() -> Iterator[Callable[[Experiment], Mapping[str, str]]]:
    """Ask the service of an algorithm for one trial."""
    with ExitStack() as stack:
        started: dict[str, Any] = {}

        def ask(experiment: Experiment) -> Mapping[str, str]:
            if experiment.algorithm not in started:
                service = stack.enter_context(running(f"{experiment.algorithm}-service"))
                service.wait_until_serving(60)
                started[experiment.algorithm] = service
            request = wire.suggestions_request(experiment, {}, [], 1)
            reply = wire.read_reply(started[experiment.algorithm].stub.GetSuggestions(request, timeout=60))
            return dict(reply.assignments[0].pairs)

        yield ask


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for `/data`, with a text as large as Penn Treebank's vocabulary, for any user to read."""
    folder = tmp_path_factory.mktemp("volume")
    (folder / "ptb").mkdir()
    for part in ("train", "valid", "test"):
        # The end of a line is a word, too.
        text = " ".join(["<unk>", *(f"word{number}" for number in range(9_998))])
        (folder / "ptb" / f"ptb.{part}.txt").write_text(f"{text}\n")
    folder.chmod(0o755)
    return folder


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_trial_of_an_example_runs_in_its_image(
    example: str, suggest: Callable[[Experiment], Mapping[str, str]], volume: Path, command: Callable[..., Any]
) -> None:
    experiment, _ = manifest.load(manifest.find(example))
    is_text = example.endswith(("-text", "-ptb"))
    if experiment.algorithm == "darts":
        smaller = SMALLER_TEXT if is_text else SMALLER
        experiment = replace(experiment, settings=tuple((dict(experiment.settings) | smaller).items()))
    assignments = TUNED if experiment.algorithm == "random" else suggest(experiment)
    trial = template.render(experiment.template, "trial", "team", assignments)
    (name,) = re.findall(r"katib-nas/([a-z]+-trainer)[:@]", trial.image)
    variables = {**trial.environment, **HERE, **({} if is_text else IMAGES)}
    flags = (f"--volume={volume}:/data:ro", *(f"--env={variable}={text}" for variable, text in variables.items()))
    # Two processes tell what four do.
    words = [word.replace("--nproc-per-node=4", "--nproc-per-node=2") for word in trial.argv]
    finished = command(name, *words, flags=flags)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert re.search(rf"^\S+ .*\b{experiment.objective.metric}=\S", finished.stdout, re.MULTILINE), finished.stdout
