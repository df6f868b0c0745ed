"""What the network of a search's genotype costs: of discrete cells, as many and as wide as the supernet's."""

from dataclasses import dataclass

import torch

from cell_networks.images import Network
from cell_networks.layout import Layout
from darts_genotype.genotype import Genotype
from trial_runtime.costs.network_cost import multiply_adds, num_parameters


@dataclass(frozen=True, slots=True)
class DerivedCost:
    """See the module."""

    parameters: int
    """Weights."""
    multiply_adds: int
    """Of one image."""

    @classmethod
    def of(cls, found: Genotype, layout: Layout, image_shape: tuple[int, int, int]) -> "DerivedCost":
        """Count; nothing is computed, and no random number drawn that anything else depends on.

        Args:
            found: the genotype.
            layout: of the supernet.
            image_shape: (C, H, W).
        """
        # torch draws weights of its own before ours take their place.
        with torch.random.fork_rng(devices=[]):
            network = Network(found, layout, generator=torch.Generator())
        return cls(num_parameters(network), multiply_adds(network, image_shape))
