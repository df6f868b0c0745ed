"""The flags that the command lines of both trainers share.

A trainer reads::

    parser = command_line.Parser(prog="…")
    command_line.add_data_arguments(parser, train_portion=0.5)
    command_line.add_resume_arguments(parser)
    options = command_line.trial_options(parser.parse_args(argv))

inside the function that it hands to `trial_runtime.program.run`, so that every mistake becomes one line.
"""

import argparse
import logging
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypedDict

import torch

from katib_suggestion.files.user_paths import user_path
from trial_runtime import from_runner, seeds
from trial_runtime.checkpointing.resume import ResumeOptions
from trial_runtime.devices import devices
from trial_runtime.images import datasets
from trial_runtime.images.data_options import REMAP, DataOptions
from trial_runtime.images.npz import Layout
from trial_runtime.processes import processes

logger = logging.getLogger(__name__)


class CommandLineError(ValueError):
    """A flag is unknown, missing, or has a value that it does not take."""


class Parser(argparse.ArgumentParser):
    """A parser that raises `CommandLineError` where argparse would print its usage and exit.

    What a runner was told goes before the command: see `from_runner`.
    """

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> Any:
        """Read a command line, and behind it what overrides it."""
        given = list(sys.argv[1:] if args is None else args)
        overrides = from_runner.overrides(list(self._option_string_actions))
        for override in overrides:
            flag = override.partition("=")[0]
            if any(word == flag or word.startswith(f"{flag}=") for word in given):
                logger.info("%s goes before what the trial's command says", override)
        return super().parse_args([*given, *overrides], namespace)

    def error(self, message: str) -> NoReturn:
        """Raise the message."""
        raise CommandLineError(message)


def add_data_arguments(parser: argparse.ArgumentParser, *, train_portion: float, cutout: int = 0) -> None:
    """Add the flags of `DataOptions`, and ``--output-dir``, ``--seed`` and ``--device``.

    For flags that are not given see `VariableArguments`.

    Args:
        parser: the trainer's.
        train_portion: the default; 1 for a trainer that needs no images but those that its weights learn from.
        cutout: the default.
    """
    group = VariableArguments(parser, "data and machine")
    group.add("--dataset", str, datasets.DEFAULT_DATASET, datasets.KNOWN)
    group.add("--data-dir", from_runner.place, None, f"folder of the data; without any, {datasets.default_data_dir()}")
    group.add("--max-images", integer(1), None, "use that many training images, drawn at random")
    portion = "share of the training images that the weights learn from; the others are held out"
    group.add("--train-portion", _portion(may_be_all=train_portion == 1), f"{train_portion:g}", portion)
    group.add("--image-size", _size, None, "bring images to N or HxW pixels; without any, they stay as they are")
    flips = _choice({"auto": None, "on": True, "off": False})
    group.add("--flip", flips, "auto", "mirror training images: on, off, or auto, where the data set allows it")
    group.add("--cutout", integer(0), str(cutout), "cut a square of that side out of each training image; 0 for none")
    layout = (
        "where arrays of npz: have their channels: nhwc, nchw, or auto, which is nhwc and refuses what looks like nchw"
    )
    group.add("--npz-layout", _choice({"auto": None, **{item.value: item.value for item in Layout}}), "auto", layout)
    numbers = "remap numbers the labels of npz: anew from 0; as-is takes them as they are"
    group.add("--labels", _choice({"as-is": None, REMAP: REMAP}), "as-is", numbers)
    add_machine_arguments(group)


class VariableArguments:
    """A group of flags with a variable of the environment each, which decides where the flag is not given.

    So a runner or a cluster changes the data without changing a command.
    """

    def __init__(self, parser: argparse.ArgumentParser, title: str) -> None:
        self.group = parser.add_argument_group(title)

    def add(self, flag: str, convert: Callable[[str], object], default: str | None, text: str) -> None:
        """Add a flag."""
        variable = f"KATIB_NAS_{flag.removeprefix('--').replace('-', '_').upper()}"
        self.group.add_argument(
            flag,
            type=convert,
            # An empty variable counts as none: manifests set variables to nothing to switch them off.
            default=os.environ.get(variable) or default,
            help=f"{text} (without it: ${variable}, else {default or 'none'})",
        )


def add_machine_arguments(arguments: VariableArguments) -> None:
    """Add ``--output-dir``, ``--seed`` and ``--device``."""
    arguments.add("--output-dir", user_path, "output", "folder for what the trial writes")
    arguments.add("--seed", integer(0), None, "makes a run repeatable; without any, a new one is drawn, and logged")
    device = "auto, cpu, cuda, cuda:N or mps (default: auto); under torchrun each process takes its own CUDA device"
    arguments.group.add_argument("--device", type=_device, default="auto", help=device)


def add_resume_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `ResumeOptions`."""
    group = parser.add_argument_group("going on after a kill: the same command in the same output folder does it")
    group.add_argument(
        "--checkpoint-every-steps", type=integer(1), metavar="N",
        help="write a checkpoint every N steps of an epoch, too, besides that at its end",
    )  # fmt: skip
    group.add_argument("--fresh", action="store_true", help="begin anew, whatever is in the output folder")


class MachineOptions(TypedDict):
    """What every trial is asked for, whatever its data; see `trial_runtime.checkpointing.resume.Trial`."""

    output_dir: Path
    seed: int
    is_seeded: bool
    resume: ResumeOptions
    device: torch.device


class TrialOptions(MachineOptions):
    """What every trial on images is asked for by the flags that are added here."""

    data: DataOptions


def machine_options(arguments: argparse.Namespace) -> MachineOptions:
    """Read what `add_machine_arguments` and `add_resume_arguments` added; without ``--seed`` one is drawn."""
    return MachineOptions(
        output_dir=arguments.output_dir,
        seed=seeds.fresh_seed() if arguments.seed is None else arguments.seed,
        # A runner's is the same each time, but for a trial that an earlier version has begun without.
        is_seeded=arguments.seed is not None and not from_runner.overrides(["--seed"]),
        resume=ResumeOptions(every_steps=arguments.checkpoint_every_steps, fresh=arguments.fresh),
        device=arguments.device,
    )


def trial_options(arguments: argparse.Namespace) -> TrialOptions:
    """Read what `add_data_arguments` and `add_resume_arguments` added; without ``--seed`` one is drawn."""
    return TrialOptions(data=data_options(arguments), **machine_options(arguments))


def data_options(arguments: argparse.Namespace) -> DataOptions:
    """Read the flags of `DataOptions` alone."""
    return DataOptions(
        dataset=arguments.dataset,
        data_dir=arguments.data_dir,
        max_images=arguments.max_images,
        train_portion=arguments.train_portion,
        image_size=arguments.image_size,
        flip=arguments.flip,
        cutout=arguments.cutout,
        npz_layout=arguments.npz_layout,
        labels=arguments.labels,
    )


def integer(minimum: int) -> Callable[[str], int]:
    """Return a type for argparse: an integer from a minimum, which is not negative."""

    def read(text: str) -> int:
        if not re.fullmatch(r"\d{1,18}", text, re.ASCII) or int(text) < minimum:
            raise argparse.ArgumentTypeError(f"{text!r} is not allowed: it must be an integer >= {minimum}")
        return int(text)

    return read


def _portion(*, may_be_all: bool) -> Callable[[str], float]:
    allowed = "a number between 0 and 1, such as 0.5" + (", or 1" if may_be_all else "")

    def read(text: str) -> float:
        is_all = may_be_all and bool(re.fullmatch(r"1(\.0{0,9})?", text, re.ASCII))
        if not is_all and (not re.fullmatch(r"0?\.\d{1,9}", text, re.ASCII) or not float(text)):
            raise argparse.ArgumentTypeError(f"{text!r} is not allowed: it must be {allowed}")
        return float(text)

    return read


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9]\d{0,3})(?:x([1-9]\d{0,3}))?", text, re.ASCII)
    if not found:
        allowed = "it must be N or HxW, each from 1 to 9999"
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: {allowed}")
    return int(found[1]), int(found[2] or found[1])


def _choice(choices: Mapping[str, object]) -> Callable[[str], object]:
    """Return a type for argparse: a word, and what it stands for."""

    def read(text: str) -> object:
        if text not in choices:
            raise argparse.ArgumentTypeError(f"{text!r} is not allowed: it must be {', '.join(choices)}")
        return choices[text]

    return read


def _device(text: str) -> object:
    try:
        return devices.resolve(text, processes.here())
    except (devices.DeviceError, processes.ProcessesError) as error:
        raise argparse.ArgumentTypeError(str(error)) from error
