"""What a network costs, and whether it may cost that much: the flags ``--budget`` and ``--measure-latency``.

A network beyond the budget is not trained. It reports its costs, and the worst of each metric.
"""

import argparse
import copy
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.parsing.budget import Budget, untrained
from trial_runtime.command_line import CommandLineError
from trial_runtime.processes.processes import Processes
from trial_runtime.reporting import metric_lines
from trial_runtime.trained import graph, latency
from trial_runtime.trained.graph import Graph

PARAMETERS, MACS, LATENCY = "Parameters", "MACs", "Latency-ms"
"""Names of the costs: weights, multiply-adds of one image or word, and median milliseconds of a batch of one."""

MATTERS_NOT = frozenset({"allowance.budget", "allowance.budget.bounds", "allowance.measures_latency"})
"""Names of the fields, as a trial's configuration has them: they do not change what a network learns."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance:
    """What both flags ask for."""

    budget: Budget | None = None
    """None where a network may cost anything."""
    measures_latency: bool = False
    """Whether the latency is measured and reported, too."""


class BeyondBudget(Exception):
    """A network costs more than the budget allows.

    Args:
        costs: what it costs.
    """

    def __init__(self, costs: Mapping[str, float]) -> None:
        self.costs = costs
        super().__init__()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add both flags."""
    group = parser.add_argument_group("what the network may cost")
    costs = f"costs are {PARAMETERS}, {MACS}, {LATENCY} with --measure-latency"
    group.add_argument(
        "--budget",
        type=_budget,
        metavar="COST<=NUMBER,…",
        help=f"a network beyond it is not trained, such as '{MACS}<=5e6, {PARAMETERS}<=1e6'; {costs}",
    )
    text = f"report {LATENCY}, too: the median of a batch of one by ONNX Runtime in one thread, or on the GPU"
    group.add_argument("--measure-latency", action="store_true", help=text)


def allowance_of(arguments: argparse.Namespace) -> Allowance:
    """Read both flags.

    Raises:
        CommandLineError: the budget bounds what is not measured, or nothing is installed that measures.
    """
    found = Allowance(budget=arguments.budget, measures_latency=arguments.measure_latency)
    known = [PARAMETERS, MACS, *([LATENCY] if found.measures_latency else [])]
    for metric in found.budget.metrics if found.budget else ():
        if metric not in known:
            hint = "" if metric != LATENCY else "; --measure-latency measures it"
            raise CommandLineError(f"--budget: {metric!r} is not allowed: the costs are {', '.join(known)}{hint}")
    return found


def reported(
    costs: Mapping[str, float],
    allowance: Allowance,
    group: Processes,
    latency_ms: Callable[[], float],
) -> dict[str, float]:
    """Return all costs that are to be reported; each process must ask.

    Args:
        costs: those that are counted.
        allowance: of the trial.
        group: the first process measures for all.
        latency_ms: measures.

    Raises:
        BeyondBudget: they are beyond the budget.
        CommandLineError: what measures is not installed.
    """
    found = dict(costs)
    if allowance.measures_latency:
        nanoseconds = round(1e6 * latency_ms()) if group.is_first else 0
        found[LATENCY] = group.of_first(nanoseconds) / 1e6
    check(found, allowance)
    return found


def check(costs: Mapping[str, float], allowance: Allowance) -> None:
    """Check costs.

    Raises:
        BeyondBudget: they are beyond the budget.
    """
    if allowance.budget is not None and not allowance.budget.is_met(costs):
        raise BeyondBudget(costs)


def latency_ms(network: nn.Module, image_shape: tuple[int, int, int], device: torch.device) -> float:
    """Return the median milliseconds of one image; the network is left as it is.

    Args:
        network: images (B, C, H, W) to logits.
        image_shape: (C, H, W).
        device: a GPU is measured by its own events, for anything else the CPU.

    Raises:
        CommandLineError: what an export and a run need is not installed.
    """

    def draw(batch_size: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        return (torch.randn(batch_size, *image_shape, generator=generator),)

    return _median_ms(Graph(network=_copied(network), inputs={"images": 0}, outputs=("logits",), draw=draw), device)


def word_latency_ms(step: nn.Module, vocabulary_size: int, state_shape: tuple[int, int], device: torch.device) -> float:
    """The same of a word that a language model reads.

    Args:
        step: see `graph.of_words`.
        vocabulary_size: V.
        state_shape: (L, H).
        device: see `latency_ms`.

    Raises:
        CommandLineError: see `latency_ms`.
    """
    return _median_ms(graph.of_words(_copied(step), vocabulary_size, state_shape), device)


def _copied(network: nn.Module) -> nn.Module:
    return copy.deepcopy(network).to("cpu").eval()


def _median_ms(exported: Graph, device: torch.device) -> float:
    found = latency.measure(exported, device)
    logger.info("latency: %s", found)
    return found.median_ms


def latency_record(costs: Mapping[str, float]) -> dict[str, float]:
    """Return what the files of a trial hold of its latency, if it is measured."""
    return {"latency_ms": costs[LATENCY]} if LATENCY in costs else {}


def report_untrained(beyond: BeyondBudget, allowance: Allowance, metrics: Iterable[str], group: Processes) -> None:
    """Report a network that is not trained: its costs, and the worst of each metric."""
    logger.warning("the network is beyond the budget %s, and is not trained", allowance.budget)
    if group.is_first:
        metric_lines.report(beyond.costs)
        metric_lines.report({name: untrained(name) for name in metrics})


def _budget(text: str) -> Budget:
    """Read a budget."""
    try:
        return Budget.parse(text, "--budget")
    except InvalidExperiment as error:
        # argparse names the flag itself.
        raise argparse.ArgumentTypeError(str(error).removeprefix("--budget: ")) from error
