"""What the test of several processes runs, alone and under torchrun: each process leaves what it learnt in a file."""

import sys
from pathlib import Path

import torch

from cell_networks.images import Network
from cell_networks.layout import Layout
from darts_genotype import forms
from darts_trainer.retraining.config import RetrainSettings
from darts_trainer.retraining.learner import CellsLearner
from trial_runtime.images.datasets import ImageDataset
from trial_runtime.processes.processes import here
from trial_runtime.retraining.data import RetrainData
from trial_runtime.retraining.training import Retraining

GENOTYPE = (
    "Genotype(normal=[[('separable_convolution_3x3',0),('skip_connection',1)]],normal_concat=range(2,3),"
    "reduce=[[('max_pooling_3x3',0),('skip_connection',1)]],reduce_concat=range(2,3))"
)
LAYOUT = Layout(num_layers=2, num_nodes=1, init_channels=2, stem_multiplier=1, image_channels=1, num_classes=3)
SETTINGS = RetrainSettings(num_epochs=3, batch_size=5, learning_rate=0.1, drop_path=0.5, grad_clip=0.5)


class ImageByImage(Network):
    """Computes in float64 and normalises by fixed statistics: an image's logits do not depend on the others."""

    def train(self, mode=True):
        return super().train(False)

    def _logits(self, x_bchw, *scales):
        return super()._logits(x_bchw.double(), *scales)


def trained(group, kind):
    """Metrics and state after a training in which paths are dropped and images are held out."""
    generator = torch.Generator().manual_seed(0)
    net = kind(forms.read(GENOTYPE), LAYOUT, generator=generator, auxiliary_image_size=(8, 8))
    images_nchw = torch.randint(256, (22, 1, 8, 8), generator=generator, dtype=torch.uint8)
    images = ImageDataset(
        name="noise", images_nchw=images_nchw, labels_n=torch.arange(22) % 3, num_classes=3, may_flip=True
    )
    data = RetrainData.of(
        images, 5, train_portion=0.5, cutout=4, device=torch.device("cpu"), seed=3, processes=group
    )  # fmt: skip
    if kind is ImageByImage:
        net.double()
    training = Retraining(net, CellsLearner(net, SETTINGS), data, SETTINGS, generator=torch.Generator().manual_seed(4))
    epochs = [
        {
            **{f"training {name}": mean for name, mean in metrics.training._asdict().items()},
            **{f"validation {name}": mean for name, mean in metrics.validation._asdict().items()},
        }
        for metrics in training
    ]
    return {"epochs": epochs, "state": net.state_dict()}


def main(folder):
    torch.set_num_threads(1)
    group = here()
    with group.joined(torch.device("cpu")):
        found = {kind.__name__: trained(group, kind) for kind in (ImageByImage, Network)}
    torch.save(found, folder / f"{group.rank} of {group.size}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
