"""What the tests of several processes run, alone and under torchrun: each process leaves what it found in a file."""

import sys
from dataclasses import asdict
from pathlib import Path

import torch

from enas_trainer.images.train import Training, TrainingSettings
from enas_trainer.macro import config
from enas_trainer.macro.child import Child
from enas_trainer.micro import config as micro
from enas_trainer.micro.child import Child as CellChild
from enas_trainer.micro.config import CellOptions
from enas_trainer.micro.objective import CellObjective
from trial_runtime.images.batches import Batches, Normalisation
from trial_runtime.images.datasets import ImageDataset
from trial_runtime.processes.processes import here
from trial_runtime.seeds import generator

ARCHITECTURE = "[[0], [1, 1], [2, 1, 1]]"
NN_CONFIG = """{'num_layers': 3, 'input_sizes': [8, 8, 1], 'output_sizes': [3], 'embedding': {
'0': {'opt_id': 0, 'opt_type': 'convolution', 'opt_params': {'filter_size': 3, 'num_filter': 4, 'stride': 1}},
'1': {'opt_id': 1, 'opt_type': 'reduction', 'opt_params': {'reduction_type': 'avg_pooling', 'pool_size': 2}},
'2': {'opt_id': 2, 'opt_type': 'separable_convolution',
      'opt_params': {'filter_size': 3, 'num_filter': 3, 'stride': 1, 'depth_multiplier': 2}}}}"""
SETTINGS = TrainingSettings(num_epochs=2, batch_size=5)


class ImageByImage(Child):
    """Computes in float64 and normalises by fixed statistics: an image's logits do not depend on the others."""

    def train(self, mode=True):
        return super().train(False)

    def forward(self, x_bchw):
        return super().forward(x_bchw.double())


class CellsImageByImage(CellChild):
    """The same of cells."""

    def train(self, mode=True):
        return super().train(False)


CELLS = "[[1, 0, 1, 1], [0, 1, 1, 0]]"
OF_CELLS = """{'num_layers': 3, 'input_sizes': [8, 8, 1], 'output_sizes': [3], 'search_for': 'micro', 'num_nodes': 1,
'embedding': {'0': {'opt_id': 0, 'opt_type': 'separable_convolution', 'opt_params': {'filter_size': 3}},
'1': {'opt_id': 1, 'opt_type': 'skip_connection', 'opt_params': {}}}}"""


def child(kind):
    return kind(*config.read(ARCHITECTURE, NN_CONFIG), generator(0, "weights"))


def of_cells():
    return CellsImageByImage(micro.read(CELLS, OF_CELLS, CellOptions(init_channels=2)), generator(0, "weights"))


def trained(group, network):
    """Metrics and state of a training on 11 images: the last batch to validate on is one image."""
    images_nchw = torch.randint(256, (11, 1, 8, 8), generator=generator(0, "images"), dtype=torch.uint8)
    images = ImageDataset(
        name="noise", images_nchw=images_nchw, labels_n=torch.arange(11) % 3, num_classes=3, may_flip=True
    )
    training, validation = (
        Batches(
            images,
            SETTINGS.batch_size,
            normalisation=Normalisation.of(images),
            device=torch.device("cpu"),
            generator=generator(0, "batches"),
            training=is_training,
            processes=group,
        )
        for is_training in (True, False)
    )
    timeless = {"seconds": 0.0, "images_per_second": 0.0}
    objective = None
    if isinstance(network, CellChild):
        objective = CellObjective(network, 0.3, generator=generator(0, "paths"), batches=training)
    training = Training(network, training, validation, SETTINGS, objective=objective)
    epochs = [asdict(metrics) | timeless for metrics in training]
    return {"epochs": epochs, "state": network.state_dict()}


def main(folder):
    torch.set_num_threads(1)
    group = here()
    with group.joined(torch.device("cpu")):
        found = {
            "image by image": trained(group, child(ImageByImage).double()),
            "cells, image by image": trained(group, of_cells()),
            "batch norm": trained(group, child(Child)),
        }
    torch.save(found, folder / f"{group.rank} of {group.size}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
