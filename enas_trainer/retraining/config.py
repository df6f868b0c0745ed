"""What the training of a found macro network is told on its command line, as typed values.

The recipe is that of the final training in the code that was published with ENAS (Pham et al., 1802.03268),
``scripts/cifar10_macro_final.sh`` of melodyguan/enas.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass

from enas_trainer.architecture import loading, search_for
from enas_trainer.architecture.fields import InvalidNetwork
from enas_trainer.macro import config
from enas_trainer.macro.config import Architecture, NetworkConfig
from katib_suggestion.parsing.settings import Interval, integer, number
from trial_runtime import command_line, from_runner
from trial_runtime.checkpointing.checkpoints import Plain
from trial_runtime.costs import network_budget
from trial_runtime.retraining import flags, restarts
from trial_runtime.retraining.asked import Trial
from trial_runtime.retraining.restarts import RestartedSettings

_OF_NETWORK = frozenset({"architecture", "network", "size.width"})
"""Fields of the network, for which its texts stand."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkSize:
    """Size of the network; the published final training has 96 filters where its search had 36, so 2.67 of them."""

    width: float = number(1.0, Interval(minimum=0.01, maximum=100))
    """Filters of each convolution, as a multiple of those of the trial."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrainSettings(RestartedSettings):
    """How the network learns; the defaults are the published ones for CIFAR-10."""

    num_epochs: int = integer(310, Interval(minimum=1))
    """Passes over the training images: 10, 20, 40, 80 and 160."""
    batch_size: int = integer(100, Interval(minimum=1, maximum=1_000_000))
    learning_rate_min: float = number(0.001, Interval(minimum=0))
    dropout: float = number(0.5, Interval(minimum=0, below=1))


_HELP = {
    "width": "filters of each convolution, as a multiple of those of the trial",
    "num_epochs": "passes over the training images",
    "batch_size": "images of a step, of all processes together",
    "learning_rate": "at the start of each cosine",
    "learning_rate_min": "at the end of each cosine",
    "momentum": "of SGD, after Nesterov",
    "weight_decay": "of SGD",
    "grad_clip": "largest norm of the gradient in a step; 0 switches clipping off",
    **restarts.HELP,
    "print_step": "steps between two progress lines",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrainConfig(Trial):
    """One run."""

    architecture: Architecture
    """Operations and joins."""
    network: NetworkConfig
    """Sizes and operations, those that the trial had."""
    size: NetworkSize
    """How much larger the network is than the trial's."""
    settings: RetrainSettings

    @property
    def widened(self) -> NetworkConfig:
        """Sizes and operations of the network that is trained."""
        return self.network.widened(self.size.width)

    def configuration(self) -> dict[str, Plain]:
        """Return what decides the result: with another of these it is another training."""
        texts = {"architecture": json.dumps(self.architecture.rows), "nn_config": json.dumps(self.widened.document())}
        return self.decided_by(texts, without=_OF_NETWORK)


def from_arguments(argv: Sequence[str]) -> RetrainConfig:
    """Read a command line.

    Raises:
        CommandLineError: a flag is unknown, missing, or has a value that it does not take.
        InvalidNetwork: architecture and nn_config are none, or do not fit.
        InvalidExperiment: a setting is out of its bounds.
    """
    arguments = _parser().parse_args(argv)
    texts = loading.load(arguments.architecture, arguments.nn_config, from_runner.base_dir())
    if (kind := search_for.of(texts[1])) != search_for.MACRO:
        allowed = "networks of cells are trained by darts_trainer.retrain --genotype, which takes the same folder"
        raise InvalidNetwork(f"nn_config.{search_for.NAME}", kind, allowed)
    architecture, network = config.read(*texts)
    settings = flags.parsed(RetrainSettings, arguments)
    settings.warn_of_its_end()
    return RetrainConfig(
        architecture=architecture,
        network=network,
        size=flags.parsed(NetworkSize, arguments),
        settings=settings,
        precision=arguments.precision,
        keep=flags.keep(arguments),
        allowance=network_budget.allowance_of(arguments),
        **command_line.trial_options(arguments),
    )


def _parser() -> argparse.ArgumentParser:
    parser = command_line.Parser(
        prog="enas_trainer.retrain",
        description="Train the network of an architecture longer, and keep it; prints a line of metrics an epoch, and "
        "Test-Accuracy at the end.",
        allow_abbrev=False,
    )
    architecture = "rows of the architecture, as JSON; a file; or what a trial left, by its folder or the run's"
    parser.add_argument("--architecture", required=True, help=architecture)
    parser.add_argument("--nn_config", help="sizes and operations, likewise; without it, those that the trial left")
    flags.add_settings(parser, "network", NetworkSize, _HELP)
    flags.add_settings(parser, "training", RetrainSettings, _HELP)
    flags.add_precision(parser)
    flags.add_keep(parser)
    network_budget.add_arguments(parser)
    command_line.add_data_arguments(parser, train_portion=1)
    command_line.add_resume_arguments(parser)
    return parser
