"""What a network of cells goes down while it trains: both classifiers' losses, on paths of which some are dropped.

Legend of shapes: b images of a batch, c channels, h and w pixels, k classes, p paths.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from cell_networks.images import drop_paths
from enas_trainer.micro.child import Child
from enas_trainer.objective import Losses
from trial_runtime.images.batches import Batches


class CellObjective:
    """See `enas_trainer.objective.Objective`.

    Args:
        child: the network.
        drop_path: probability of a path to be dropped at the end; it rises from 0.
        generator: on the CPU; draws which are dropped, the same in every process.
        batches: that the network is trained on.
    """

    def __init__(self, child: Child, drop_path: float, *, generator: torch.Generator, batches: Batches) -> None:
        self._child = child
        self._drop_path = drop_path
        self._generator = generator
        self._batch_size = batches.batch_size
        self._share = batches.processes.share(batches.batch_size)

    def __call__(self, x_bchw: Tensor, labels_b: Tensor, progress: float) -> Losses:
        """See `Objective`."""
        network = self._child.network
        path_scale_pb = None
        if self._drop_path:
            # Drawn for the joint batch: then it does not matter how many processes share it.
            drawn_pb = drop_paths(network.num_paths, self._batch_size, self._drop_path * progress, self._generator)
            path_scale_pb = drawn_pb[:, self._share].to(x_bchw.device)
        logits_bk, auxiliary_bk = network.training_logits(x_bchw, path_scale_pb)
        loss = total = functional.cross_entropy(logits_bk, labels_b)
        if auxiliary_bk is not None:
            total = loss + self._child.auxiliary_weight * functional.cross_entropy(auxiliary_bk, labels_b)
        return Losses(total, loss, logits_bk)

    def state_dict(self) -> dict[str, Any]:
        """See `Objective`."""
        return {"paths": self._generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See `Objective`."""
        self._generator.set_state(state["paths"])
