"""What the tests of several processes run, alone and under torchrun: each process leaves what it found in a file."""

import sys
from pathlib import Path

import torch
from torch.nn import functional

from cell_networks.layout import Layout
from darts_service.settings import DartsSettings
from darts_trainer.search.bilevel import WeightStep, first_order_alpha_gradient, unrolled_alpha_gradient
from darts_trainer.search.loop import Search
from darts_trainer.supernet.classification import Classification
from darts_trainer.supernet.data import SearchData
from darts_trainer.supernet.supernet import Supernet
from trial_runtime.images.datasets import ImageDataset
from trial_runtime.processes.processes import here

LAYOUT = Layout(num_layers=2, num_nodes=2, init_channels=2, stem_multiplier=1, image_channels=1, num_classes=3)
PRIMITIVES = ("separable_convolution_3x3", "max_pooling_3x3", "skip_connection", "none")
JOINT_BATCH = 5
SETTINGS = DartsSettings(num_epochs=2, w_lr=0.1, alpha_lr=0.01, print_step=1)
STILL = DartsSettings(num_epochs=1, w_lr=0.0, w_lr_min=0.0, alpha_lr=0.0)


class ImageByImage(Supernet):
    """Computes in float64 and normalises by fixed statistics: an image's logits do not depend on the others."""

    def train(self, mode=True):
        return super().train(False)

    def forward(self, x_bchw):
        return super().forward(x_bchw.double())


def supernet(kind):
    return kind(LAYOUT, PRIMITIVES, generator=torch.Generator().manual_seed(0))


def gradients(group):
    """Alpha gradients of both orders on a joint batch."""
    generator = torch.Generator().manual_seed(1)
    net = supernet(ImageByImage).double().eval()
    weights, alphas = net.weights(), net.alphas()
    halves = [torch.randn(JOINT_BATCH, 1, 8, 8, generator=generator, dtype=torch.float64) for _ in range(2)]
    labels_b = torch.arange(JOINT_BATCH) % 3
    buffers = [torch.randn(w.shape, generator=generator, dtype=torch.float64) for w in weights]
    step = WeightStep(
        learning_rate=torch.tensor(0.1, dtype=torch.float64), momentum=0.9, weight_decay=3e-2, momentum_buffers=buffers
    )
    share = group.share(JOINT_BATCH)

    def loss(half):
        logits_bk = net(halves[half][share])
        return functional.cross_entropy(logits_bk, labels_b[share], reduction="sum") / JOINT_BATCH

    losses = (lambda: loss(0), lambda: loss(1))
    return {
        1: first_order_alpha_gradient(weights, alphas, losses[1], add_up=group.add_up),
        2: unrolled_alpha_gradient(weights, alphas, *losses, step=step, add_up=group.add_up),
    }


def searched(group, net, order, *, settings=SETTINGS, batch_size=JOINT_BATCH):
    """Metrics, parameters and buffers of a search on 11 images a half: the last batch to validate on is one image."""
    generator = torch.Generator().manual_seed(2)
    images_nchw = torch.randint(256, (22, 1, 16, 16), generator=generator, dtype=torch.uint8)
    images = ImageDataset(
        name="noise", images_nchw=images_nchw, labels_n=torch.arange(22) % 3, num_classes=3, may_flip=True
    )
    data = SearchData.of(images, batch_size, device=torch.device("cpu"), seed=3, processes=group)
    epochs = [
        {
            **{f"training {name}": mean for name, mean in metrics.training._asdict().items()},
            **{f"validation {name}": mean for name, mean in metrics.validation._asdict().items()},
            "learning rate": metrics.learning_rate,
        }
        for metrics in Search(Classification(net, data), settings, order=order)
    ]
    return {"epochs": epochs, "state": net.state_dict()}


def main(folder):
    torch.set_num_threads(1)
    group = here()
    with group.joined(torch.device("cpu")):
        found = {
            "gradients": gradients(group),
            "image by image": {n: searched(group, supernet(ImageByImage).double(), n) for n in (1, 2)},
            "batch norm": {n: searched(group, supernet(Supernet), n) for n in (1, 2)},
            "standing still": searched(group, supernet(Supernet), 1, settings=STILL, batch_size=6),
        }
    torch.save(found, folder / f"{group.rank} of {group.size}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
