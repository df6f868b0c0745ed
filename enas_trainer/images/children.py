"""What becomes of the network that a trial on images was asked for: the one place that tells layers from cells."""

from dataclasses import asdict
from typing import Any, TypeAlias

import torch

from darts_genotype import json_form
from enas_trainer.architecture import search_for
from enas_trainer.macro.child import Child as LayeredChild
from enas_trainer.macro.config import LayeredNetwork
from enas_trainer.micro.child import Child as CellChild
from enas_trainer.micro.config import CellNetwork
from enas_trainer.micro.objective import CellObjective
from enas_trainer.objective import CrossEntropy, Objective
from katib_suggestion.parsing.assignment import JSON
from trial_runtime.images.batches import Batches

Network: TypeAlias = LayeredNetwork | CellNetwork
Child: TypeAlias = LayeredChild | CellChild


def build(network: Network, generator: torch.Generator, *, precision: str) -> Child:
    """Build the child.

    Args:
        network: as it was asked for.
        generator: on the CPU; draws the weights.
        precision: that passes compute in; see `trial_runtime.devices.precision`.

    Raises:
        InvalidNetwork: the images are too small for it.
    """
    if isinstance(network, CellNetwork):
        return CellChild(network, generator, precision=precision)
    return LayeredChild(network.architecture, network.config, generator, precision=precision)


def objective(child: Child, network: Network, *, generator: torch.Generator, batches: Batches) -> Objective:
    """Return what the child's weights go down.

    Args:
        child: that is trained.
        network: that it was built of.
        generator: on the CPU, for what is drawn; the same in every process.
        batches: that it is trained on.
    """
    if isinstance(child, CellChild) and isinstance(network, CellNetwork):
        return CellObjective(child, network.options.drop_path, generator=generator, batches=batches)
    return CrossEntropy(child)


def sizes(network: Network) -> dict[str, JSON]:
    """Return what networks have in common whose weights are shared, beside their data."""
    is_of_cells = isinstance(network, CellNetwork)
    found = network if isinstance(network, CellNetwork) else network.config
    return {
        **({search_for.NAME: search_for.MICRO} if is_of_cells else {}),
        "num_layers": found.num_layers,
        "input_sizes": found.input_sizes,
        "output_sizes": found.output_sizes,
    }


def record(network: Network) -> dict[str, Any]:
    """Return what the record of a trial says of cells: their genotype, and what the command said; nothing of layers."""
    if not isinstance(network, CellNetwork):
        return {}
    options = asdict(network.options) | {"num_layers": network.num_layers}
    return {"genotype": json_form.document(network.genotype), "network": options}
