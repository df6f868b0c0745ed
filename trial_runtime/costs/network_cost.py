"""What a network costs: its parameters, and the multiply-adds of one image."""

import copy

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def num_parameters(network: nn.Module) -> int:
    """Return how many numbers of a network are trained."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def multiply_adds(network: nn.Module, image_shape: tuple[int, int, int]) -> int:
    """Return the multiply-adds of one image's forward pass, as torch counts them: convolutions and matrix products.

    Nothing is computed and the network is left as it is: a copy without numbers passes an image without numbers.

    Args:
        network: images (B, C, H, W) to logits.
        image_shape: (C, H, W).
    """
    without_numbers = copy.deepcopy(network).to("meta").eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        without_numbers(torch.empty(1, *image_shape, device="meta"))
    return int(counter.get_total_flops()) // 2  # an operation for each multiplication and each addition
