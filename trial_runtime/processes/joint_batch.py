"""What makes the steps of several processes, each on its share of a batch, that of one process on the joint batch.

Shape suffixes: b images or columns of text, h hidden units, l layers.
"""

import torch
from torch import Tensor, nn

from trial_runtime.processes.processes import Processes


def share_of_loss(loss: Tensor, labels_b: Tensor, batch_size: int) -> Tensor:
    """Return what a process's mean loss adds to the mean over the images of a step: that loss itself if it has all."""
    return loss * (len(labels_b) / batch_size)


@torch.no_grad()
def average_statistics(network: nn.Module, processes: Processes) -> None:
    """Give every process the mean of all running statistics of batch norms: each saw its own share of the images."""
    statistics = [
        statistic
        for norm in network.modules()
        if isinstance(norm, nn.BatchNorm2d)
        for statistic in (norm.running_mean, norm.running_var)
        if statistic is not None
    ]
    for statistic, total in zip(statistics, processes.add_up(statistics), strict=True):
        statistic.copy_(total / processes.size)


def joint_columns(share_lbh: Tensor, all_lbh: Tensor, processes: Processes) -> Tensor:
    """Return the states of all processes' columns of text side by side; each process must ask.

    Args:
        share_lbh: of this process's columns.
        all_lbh: zeros, for the columns of all.
        processes: those that share them.
    """
    all_lbh[:, processes.share(all_lbh.shape[1])] = share_lbh
    (joint_lbh,) = processes.add_up([all_lbh])
    return joint_lbh
