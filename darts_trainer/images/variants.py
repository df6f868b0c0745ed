"""Variants of the search that others have proposed; without options it is that of Liu et al. (arXiv 1806.09055)."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from darts_genotype.genotype import EDGES_PER_NODE
from darts_genotype.primitives import SKIP_CONNECTION
from darts_service.settings import DartsSettings
from darts_trainer.supernet.collapse import with_weights
from trial_runtime.command_line import CommandLineError, integer


@dataclass(frozen=True, kw_only=True, slots=True)
class Variants:
    """What a search does otherwise than the paper; the defaults are the paper's."""

    alpha_warmup_epochs: int = 0
    """Epochs at the start in which the alphas stay as they are (as in PC-DARTS, arXiv 1907.05737)."""
    stop_at_skips: int | None = None
    """Stop when the normal cell has that many skip connections (DARTS+, arXiv 1909.06035, criterion 1)."""
    stop_when_stable: int | None = None
    """Stop when the alphas have ranked the operations alike for that many epochs (DARTS+, criterion 1*)."""
    partial_channels: int | None = None
    """Weigh the edges, and mix operations on one in that many channels only (PC-DARTS); None for neither."""
    auxiliary_skip: bool = False
    """Add a skip connection to each edge that is no candidate and fades out (DARTS-, arXiv 2009.01027)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a flag for each variant, of its name."""
    group = parser.add_argument_group("variants of the search (without them it is that of the paper)")
    group.add_argument(
        "--alpha-warmup-epochs", type=integer(0), metavar="N", default=0,
        help="train the weights alone for the first N epochs (PC-DARTS: 15 of 50)",
    )  # fmt: skip
    group.add_argument(
        "--stop-at-skips", type=integer(1), metavar="N",
        help="stop when the normal cell has N skip connections (DARTS+: 2)",
    )  # fmt: skip
    group.add_argument(
        "--stop-when-stable", type=integer(1), metavar="N",
        help="stop when the alphas have ranked the operations with weights alike for N epochs (DARTS+: 10)",
    )  # fmt: skip
    group.add_argument(
        "--partial-channels", type=integer(1), metavar="K",
        help="weigh the edges, and mix operations on one in K channels (PC-DARTS: 4); 1 weighs the edges alone",
    )  # fmt: skip
    group.add_argument(
        "--auxiliary-skip", action="store_true",
        help="add a skip connection to each edge that is no candidate; its weight falls from 1 to 0 (DARTS-)",
    )  # fmt: skip


def of(arguments: argparse.Namespace, settings: DartsSettings, search_space: Sequence[str]) -> Variants:
    """Take the variants out of a parsed command line.

    Raises:
        CommandLineError: a variant makes no sense with the settings, the search space or another variant.
    """
    variants = Variants(
        alpha_warmup_epochs=arguments.alpha_warmup_epochs,
        stop_at_skips=arguments.stop_at_skips,
        stop_when_stable=arguments.stop_when_stable,
        partial_channels=arguments.partial_channels,
        auxiliary_skip=arguments.auxiliary_skip,
    )
    _check_epochs(variants, settings)
    _check_skips(variants, settings, search_space)
    _check_stability(variants, search_space)
    _check_channels(variants, settings)
    return variants


def _check_epochs(variants: Variants, settings: DartsSettings) -> None:
    if variants.alpha_warmup_epochs >= settings.num_epochs:
        allowed = f"the alphas would never move: it must be below num_epochs, which is {settings.num_epochs}"
        raise _wrong("--alpha-warmup-epochs", variants.alpha_warmup_epochs, allowed)
    moving = settings.num_epochs - variants.alpha_warmup_epochs
    if variants.stop_when_stable is not None and variants.stop_when_stable >= moving:
        allowed = f"the alphas move in {moving} epochs: it must be below"
        raise _wrong("--stop-when-stable", variants.stop_when_stable, allowed)


def _check_skips(variants: Variants, settings: DartsSettings, search_space: Sequence[str]) -> None:
    if variants.auxiliary_skip and SKIP_CONNECTION not in search_space:
        raise CommandLineError(
            f"--auxiliary-skip: the search space has no {SKIP_CONNECTION}, whose place it would take in training"
        )
    if variants.stop_at_skips is None:
        return
    num_edges = EDGES_PER_NODE * settings.num_nodes
    if variants.stop_at_skips > num_edges:
        allowed = f"a cell of {settings.num_nodes} nodes has {num_edges} edges: it must not be above"
        raise _wrong("--stop-at-skips", variants.stop_at_skips, allowed)
    if SKIP_CONNECTION not in search_space:
        allowed = f"the search space has no {SKIP_CONNECTION}, so the search would never stop"
        raise _wrong("--stop-at-skips", variants.stop_at_skips, allowed)
    if len(search_space) == 1:
        allowed = f"the search space has nothing but {SKIP_CONNECTION}, so the search would stop at once"
        raise _wrong("--stop-at-skips", variants.stop_at_skips, allowed)


def _check_stability(variants: Variants, search_space: Sequence[str]) -> None:
    if variants.stop_when_stable is not None and len(with_weights(search_space)) < 2:
        allowed = f"the search space {list(search_space)} has no two operations with weights that could change places"
        raise _wrong("--stop-when-stable", variants.stop_when_stable, allowed)


def _check_channels(variants: Variants, settings: DartsSettings) -> None:
    if variants.partial_channels is not None and settings.init_channels % variants.partial_channels:
        allowed = f"it must divide init_channels, which is {settings.init_channels}"
        raise _wrong("--partial-channels", variants.partial_channels, allowed)


def _wrong(flag: str, value: object, allowed: str) -> CommandLineError:
    return CommandLineError(f"{flag}: {value!r} is not allowed: {allowed}")
