"""Batches of images that stay on the device: scaled, shuffled and augmented there in a few tensor operations.

Legend of shapes: n images, b images of a batch, c channels, h and w pixels.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from trial_runtime.images.datasets import ImageDataset
from trial_runtime.processes.processes import ALONE, Processes

_CROP_PADDING = 4
"""Pixels by which an image of 32 x 32 moves at most, as is usual for CIFAR-10 (He et al., 1512.03385, section 4.2)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Normalisation:
    """Scaling of pixels to mean 0 and standard deviation 1 in each channel; the same for training and validation."""

    mean_c: Tensor
    """float32, of pixels scaled to 0..1."""
    std_c: Tensor
    """float32, of pixels scaled to 0..1; 1 for a channel that is the same everywhere."""

    @classmethod
    def of(cls, dataset: ImageDataset) -> "Normalisation":
        """Measure a data set, which should be the training part alone."""
        level_v = torch.arange(256, dtype=torch.float64) / 255
        means, stds = [], []
        for channel in range(dataset.images_nchw.shape[1]):
            # Counting the 256 levels is exact and needs no copy of the images in floating point.
            pixels_n = dataset.images_nchw[:, channel].reshape(-1)
            share_v = torch.bincount(pixels_n, minlength=256).double() / pixels_n.numel()
            mean = (share_v * level_v).sum()
            means.append(mean)
            stds.append((share_v * (level_v - mean) ** 2).sum().sqrt())
        std_c = torch.stack(stds)
        std_c = torch.where(std_c < 1e-6, torch.ones_like(std_c), std_c)
        return cls(mean_c=torch.stack(means).float(), std_c=std_c.float())

    def apply(self, images_bchw: Tensor) -> Tensor:
        """Scale uint8 images (B, C, H, W) to float32."""
        scale_c11 = (1 / (255 * self.std_c)).view(-1, 1, 1)
        offset_c11 = (self.mean_c / self.std_c).view(-1, 1, 1)
        return images_bchw.float() * scale_c11 - offset_c11

    def to(self, device: torch.device) -> "Normalisation":
        """Return the same scaling with its tensors on a device."""
        return Normalisation(mean_c=self.mean_c.to(device), std_c=self.std_c.to(device))


class Batches:
    """An iterable of batches; each `iter` is one pass over the data.

    For training, each pass has a new order, each image is shifted by up to 4 pixels (black comes in; less for images
    under 32 pixels) and, where the data set allows it, mirrored with probability 1/2; where asked for, a square is cut
    out of it; the incomplete last batch is dropped, unless it is the only one. For validation, the order stays, nothing
    is augmented, and every image counts.

    Of several processes each gets its share of every batch. With generators in the same state the shares together are
    what one process alone would get: each draws for the whole batch.

    Attributes:
        processes: those that share the batches.
        batch_size: images of a batch, all processes together; for validation, of all but the last.

    Iteration gives x (B, C, H, W), float32, and labels (B,), int64, both on the device.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        batch_size: int,
        *,
        normalisation: Normalisation,
        device: torch.device,
        generator: torch.Generator,
        training: bool,
        cutout: int = 0,
        processes: Processes = ALONE,
    ) -> None:
        """Move the data to the device, as uint8.

        Args:
            dataset: the images.
            batch_size: images of a batch, at least 1; all processes together.
            normalisation: of the training part, for training and validation.
            device: where the batches are.
            generator: on the CPU, so that order and augmentation are the same whatever the device; training only.
            training: see the class.
            cutout: side of the square that is cut out of each training image, in pixels; 0 for none.
            processes: those that share the batches.
        """
        assert batch_size >= 1, batch_size
        self.processes = processes
        self._size = len(dataset)
        self.batch_size = min(batch_size, self._size)
        self._normalisation = normalisation.to(device)
        self._generator = generator
        self._device = device
        self._training = training
        self._may_flip = dataset.may_flip
        self._cutout = cutout if training else 0
        _, self._height, self._width = dataset.image_shape
        self._padding = min(_CROP_PADDING, self._height // 8, self._width // 8) if training else 0
        self._images_nchw = functional.pad(dataset.images_nchw.to(device), (self._padding,) * 4)
        self._labels_n = dataset.labels_n.to(device)
        self._order_n = torch.arange(self._size)
        self._num_given = 0
        self._is_within_pass = False

    def __len__(self) -> int:
        """Batches of a pass."""
        full, rest = divmod(self._size, self.batch_size)
        return full + (rest > 0 and not self._training)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Start a pass, or go on with the one that `load_state_dict` put this into."""
        if not self._is_within_pass:
            self._order_n, self._num_given = self._order(), 0
        self._is_within_pass = False
        order_n = self._order_n.to(self._device)
        while self._num_given < len(self):
            start = self._num_given * self.batch_size
            index_b = order_n[start : start + self.batch_size]
            self._num_given += 1
            share = self.processes.share(len(index_b))
            images_bchw = self._augmented(index_b, share) if self._training else self._images_nchw[index_b[share]]
            x_bchw = self._normalisation.apply(images_bchw)
            if self._cutout:
                x_bchw = x_bchw.masked_fill(self._hole(len(index_b), share), 0.0)
            yield x_bchw, self._labels_n[index_b[share]]

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs to give the batches that come next here; the same in every process."""
        return {
            "generator": self._generator.get_state(),
            "order": self._order_n,
            "num_given": self._num_given,
        }

    def load_state_dict(self, state: Mapping[str, Any], *, is_within_pass: bool) -> None:
        """Go on where others of the same data stood.

        Args:
            state: theirs.
            is_within_pass: the next `iter` goes on with their last pass; otherwise it starts one, as theirs would.

        Raises:
            ValueError: they stood nowhere in these data.
        """
        self._generator.set_state(state["generator"])
        self._order_n, self._num_given = state["order"], state["num_given"]
        if not torch.equal(self._order_n.sort().values, torch.arange(self._size)):
            raise ValueError(f"the order is none of {self._size} images")
        if not 0 <= self._num_given <= len(self):
            raise ValueError(f"{self._num_given} of {len(self)} batches were given")
        self._is_within_pass = is_within_pass

    def _order(self) -> Tensor:
        if not self._training:
            return torch.arange(self._size)
        return torch.randperm(self._size, generator=self._generator)

    def _augmented(self, index_b: Tensor, share: slice) -> Tensor:
        """Cut a window out of each padded image, mirrored or not: one gather over images, channels, rows, columns.

        Windows are drawn for the whole batch, and those of a share are cut.
        """
        row_bh = self._offsets(len(index_b)) + torch.arange(self._height)
        column_w = torch.arange(self._width)
        column_bw = column_w.expand(len(index_b), -1)
        if self._may_flip:
            flip_b1 = torch.rand(len(index_b), 1, generator=self._generator) < 0.5
            column_bw = torch.where(flip_b1, column_w.flip(0), column_w)
        column_bw = column_bw + self._offsets(len(index_b))
        channel_c = torch.arange(self._images_nchw.shape[1], device=self._device)
        return self._images_nchw[
            index_b[share, None, None, None],
            channel_c[None, :, None, None],
            self._sent(row_bh[share])[:, None, :, None],
            self._sent(column_bw[share])[:, None, None, :],
        ]

    def _hole(self, count: int, share: slice) -> Tensor:
        """Where an image becomes the mean, (B, 1, H, W): a square around any pixel, at the border the part inside.

        Cutout (DeVries and Taylor, 1708.04552), whose code takes a pixel less where the length is odd. Centres are
        drawn for the whole batch, and those of a share are used.
        """
        inside = []
        for size in (self._height, self._width):
            first_b1 = torch.randint(size, (count, 1), generator=self._generator)[share] - self._cutout // 2
            place_bs = torch.arange(size) - first_b1
            inside.append(self._sent((place_bs >= 0) & (place_bs < self._cutout)))
        row_bh, column_bw = inside
        return row_bh[:, None, :, None] & column_bw[:, None, None, :]

    def _sent(self, drawn: Tensor) -> Tensor:
        """Bring what was drawn to the device; a CUDA device takes it on its way, without being waited for."""
        if self._device.type == "cuda":
            return drawn.pin_memory().to(self._device, non_blocking=True)
        return drawn.to(self._device)

    def _offsets(self, count: int) -> Tensor:
        """Corners of windows, (B, 1)."""
        return torch.randint(2 * self._padding + 1, (count, 1), generator=self._generator)
