"""The images of the trials, before there is a trial: whether they are there, and fit the network that is searched."""

import json
import logging
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from katib_local.errors import UsageError
from katib_local.manifest import images, template
from katib_local.manifest.experiment import Experiment, NasConfig
from katib_local.manifest.template import TEST_VALUE, Container
from katib_local.record.options import Options
from katib_local.running import known_programs, trial_environment
from katib_suggestion.errors import Faults, InvalidExperiment
from trial_runtime.images.known_shapes import KNOWN_SHAPES, ImageShape

_FLAGS = ("--dataset", "--data-dir", "--image-size", "--max-images", "--npz-layout", "--labels")
"""Of a trainer's command, those that decide what its images are."""
_DEFAULT = "cifar10"
_TEXTS = ("text", "python-docs", "grammar")
"""Data sets without images."""
_GRAPH = "spec.nasConfig.graphConfig"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Request:
    """What a trial of ours asks for."""

    flags: Sequence[str]
    """Of `_FLAGS`, as its command has them."""
    environment: Mapping[str, str]
    dataset: str | None
    """None where nobody names one, so that it is the default."""
    image_size: str | None


def fitted(experiment: Experiment, options: Options, *, is_run: bool) -> Experiment:
    """Compare the search space with the images of the trials; fill in sizes that it leaves out, and say so.

    Nothing is known of the images of a program that is not ours, nor of one that a script starts.

    Args:
        experiment: that has passed `preflight.check`.
        options: beyond the manifest.
        is_run: whether trials are to follow here; otherwise only what is named is looked at, and only what `options`
            names has to be there.

    Raises:
        InvalidExperiment: sizes of the search space are not those of the images.
        UsageError: the images are not there, or cannot be used.
        OSError: the machine refuses.
    """
    container = template.check(experiment.template)
    package = images.package_of(images.program_dir(container.image, options.images))
    program = known_programs.find(package, container.argv[-1])
    request = None if program is None else _request(container, options)
    if request is None or (request.dataset is None and not is_run):
        return experiment
    if (request.dataset or "").partition(":")[0] in _TEXTS:
        return experiment
    shape = _known(request) or (_asked(request) if is_run or options.dataset else None)
    nas = experiment.nas
    if shape is None or nas is None or program is not known_programs.ENAS:
        return experiment
    name = request.dataset or _DEFAULT
    _check(nas, shape, name)
    return replace(experiment, nas=_filled(nas, shape, name)) if is_run or options.dataset else experiment


def _request(container: Container, options: Options) -> _Request | None:
    """Read the command of a trial; None where it says what only a trial can know."""
    try:
        words = shlex.split(container.argv[-1])
    except ValueError:
        return None
    flags = _flags_of(words)
    if any(TEST_VALUE in text for text in flags.values()):
        return None
    flags |= {flag: text for flag, text in trial_environment.given_for_trials(options).items() if flag in _FLAGS}
    environment = trial_environment.of_data(container, options)
    return _Request(
        flags=[f"{flag}={text}" for flag, text in flags.items()],
        environment=environment,
        dataset=flags.get("--dataset") or environment.get("KATIB_NAS_DATASET"),
        image_size=flags.get("--image-size") or environment.get("KATIB_NAS_IMAGE_SIZE"),
    )


def _flags_of(words: Sequence[str]) -> dict[str, str]:
    """The flags of `_FLAGS` among the words of a command; of two the latter counts."""
    found = {}
    for word, following in zip(words, [*words[1:], ""], strict=True):
        flag, equals, text = word.partition("=")
        if flag in _FLAGS:
            found[flag] = text if equals else following
    return found


def _known(request: _Request) -> ImageShape | None:
    """What is known without a look at any image."""
    name = (request.dataset or _DEFAULT).partition(":")[0]
    size = re.fullmatch(r"(\d{1,4})(?:x(\d{1,4}))?", request.image_size or "")
    if name not in KNOWN_SHAPES or (request.image_size and not size):
        return None
    if size is None:
        return KNOWN_SHAPES[name]
    return replace(KNOWN_SHAPES[name], height=int(size[1]), width=int(size[2] or size[1]))


def _asked(request: _Request) -> ImageShape:
    """Ask the trainers' own code, in a process of its own: torch has no place in this one."""
    command = [sys.executable, "-P", "-m", "trial_runtime.image_shape", *request.flags]
    done = subprocess.run(
        command, env=dict(request.environment), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    said = [line.removeprefix("error: ") for line in done.stderr.splitlines() if line.startswith("error: ")]
    if done.returncode == 2 and said:
        raise UsageError(f"the images of the trials: {said[-1]}")
    if done.returncode != 0:
        raise OSError(said[-1] if said else f"{shlex.join(command)} ended with exit code {done.returncode}")
    return ImageShape(**json.loads(done.stdout))


def _check(nas: NasConfig, shape: ImageShape, name: str) -> None:
    sizes = [shape.height, shape.width, shape.channels]
    faults = Faults()
    with faults.noted():
        if nas.input_sizes and list(nas.input_sizes) != sizes:
            is_of_size = len(nas.input_sizes) == 3 and nas.input_sizes[2] == shape.channels
            other = ", or bring them to {0}x{1} by --image-size {0}x{1}".format(*nas.input_sizes)
            allowed = (
                f"the images of {name} have {shape.height}x{shape.width} pixels and {shape.channels} channels: write "
                f"inputSizes: {sizes}{other if is_of_size else ''}"
            )
            raise InvalidExperiment(f"{_GRAPH}.inputSizes", list(nas.input_sizes), allowed)
    with faults.noted():
        if nas.output_sizes and nas.output_sizes[-1] < shape.num_classes:
            allowed = f"{name} has {shape.num_classes} classes: write outputSizes: [{shape.num_classes}]"
            raise InvalidExperiment(f"{_GRAPH}.outputSizes", list(nas.output_sizes), allowed)
    faults.raise_noted()


def _filled(nas: NasConfig, shape: ImageShape, name: str) -> NasConfig:
    sizes = (shape.height, shape.width, shape.channels)
    filled = replace(nas, input_sizes=nas.input_sizes or sizes, output_sizes=nas.output_sizes or (shape.num_classes,))
    lines = [
        f"{field}: {list(now)}"
        for field, before, now in (
            ("inputSizes", nas.input_sizes, filled.input_sizes),
            ("outputSizes", nas.output_sizes, filled.output_sizes),
        )
        if not before
    ]
    if lines:
        logger.warning("taken from the images of %s; a cluster needs it under %s: %s", name, _GRAPH, "; ".join(lines))
    return filled
