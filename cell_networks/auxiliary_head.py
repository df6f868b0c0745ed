"""A second classifier in the middle of a network, which helps to train the cells before it.

Shape suffixes: b images, c channels, h height, w width, k classes.
"""

from torch import Tensor, nn

from cell_networks.batch_norm import BatchNorm

_POOLED = 2
"""Height and width after the pool, which the second convolution takes whole."""
_CHANNELS = (128, 768)


class AuxiliaryHead(nn.Module):
    """A pool, two convolutions and a linear layer, as in the published code of arXiv 1806.09055.

    There the pool has windows of 5x5 with stride 3, which fits maps of 8x8 alone: images of 32x32. Here the windows
    grow and shrink with the map, so that any from 2x2 on is pooled to 2x2; at 8x8 they are the same.

    Args:
        in_channels: of the maps.
        map_size: (H, W) of the maps, each at least 2.
        num_classes: classes to tell apart.
    """

    def __init__(self, in_channels: int, map_size: tuple[int, int], num_classes: int) -> None:
        super().__init__()
        assert min(map_size) >= _POOLED, map_size
        windows = [min(-(-5 * side // 8), side - 1) for side in map_size]
        strides = [side - window for side, window in zip(map_size, windows, strict=True)]
        first, second = _CHANNELS
        self.features = nn.Sequential(
            nn.ReLU(),
            nn.AvgPool2d((windows[0], windows[1]), (strides[0], strides[1])),
            nn.Conv2d(in_channels, first, 1, bias=False),
            BatchNorm(first),
            nn.ReLU(),
            nn.Conv2d(first, second, _POOLED, bias=False),
            BatchNorm(second),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(second, num_classes)

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Compute the logits, shape (B, K), of maps."""
        return self.classifier(self.features(x_bchw).flatten(start_dim=1))  # type: ignore[no-any-return]
