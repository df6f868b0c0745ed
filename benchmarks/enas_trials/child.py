"""Images a second in the training of an ENAS child, beside a plain loop over the same network; prints Markdown.

    python -m benchmarks.enas_trials.child [--architectures chain joined katib] [--rounds 5] [--device cpu]

The plain loop is that of a tutorial: a DataLoader with two workers, torchvision's transforms, one image at a time,
float32 in torch's default layout, and SGD's default form. Both have the same weights at the start, batch size,
augmentation and optimiser. Their epochs alternate, after one each that does not count; validation is left out.
"""

import argparse
import itertools
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from enas_trainer.images.train import Training, TrainingSettings
from enas_trainer.macro.child import Child
from enas_trainer.macro.config import Architecture, NetworkConfig
from enas_trainer.macro.operation_types import (
    Convolution,
    DepthwiseConvolution,
    Operation,
    Reduction,
    SeparableConvolution,
)
from trial_runtime import seeds
from trial_runtime.costs.network_cost import multiply_adds, num_parameters
from trial_runtime.images.batches import Batches, Normalisation
from trial_runtime.images.datasets import ImageDataset, load, subset

NUM_WORKERS = 2
SIZES, FILTERS, STRIDES, MULTIPLIERS = (3, 5, 7), (32, 48, 64, 96, 128), (1, 2), (1, 2)


@dataclass(frozen=True)
class Case:
    """A network, and how much of it an epoch is."""

    rows: tuple[tuple[int, ...], ...]
    embedding: dict[int, Operation]
    batch_size: int
    num_batches: int
    """Of an epoch."""

    def child(self, precision: str) -> Child:
        network = NetworkConfig(
            num_layers=len(self.rows), input_sizes=(32, 32, 3), output_sizes=(10,), embedding=self.embedding
        )
        return Child(Architecture(rows=self.rows), network, seeds.generator(0, "weights"), precision=precision)


def katibs_operations() -> dict[int, Operation]:
    """The 106 operations of Katib's enas-gpu example, by their ids."""
    product = itertools.product
    return dict(
        enumerate(
            [
                *(Convolution(filter_size=k, num_filter=f, stride=s) for k, f, s in product(SIZES, FILTERS, STRIDES)),
                *(
                    SeparableConvolution(filter_size=k, num_filter=f, stride=s, depth_multiplier=m)
                    for k, f, s, m in product(SIZES, FILTERS, STRIDES, MULTIPLIERS)
                ),
                *(
                    DepthwiseConvolution(filter_size=k, stride=s, depth_multiplier=m)
                    for k, s, m in product(SIZES, STRIDES, MULTIPLIERS)
                ),
                *(
                    Reduction(reduction_type=kind, pool_size=size)
                    for kind, size in product(("max_pooling", "avg_pooling"), (2, 3))
                ),
            ]
        )
    )


def random_rows(num_layers: int, num_operations: int, seed: int) -> tuple[tuple[int, ...], ...]:
    draw = random.Random(seed)
    return tuple(
        (draw.randrange(num_operations), *(draw.randrange(2) for _ in range(layer))) for layer in range(num_layers)
    )


SMALL: dict[int, Operation] = {
    0: Convolution(filter_size=3, num_filter=32, stride=1),
    1: SeparableConvolution(filter_size=5, num_filter=32, stride=1, depth_multiplier=1),
    2: Reduction(reduction_type="max_pooling", pool_size=2),
}
CASES = {
    "chain": Case(((0,), (2, 0), (0, 0, 0), (2, 0, 0, 0), (0, 0, 0, 0, 0)), SMALL, 128, 16),
    "joined": Case(((0,), (2, 1), (1, 1, 1), (2, 0, 1, 1), (1, 1, 1, 1, 1), (0, 0, 1, 1, 1, 1)), SMALL, 128, 8),
    "katib": Case(random_rows(8, 106, seed=0), katibs_operations(), 128, 2),
    "katib, other": Case(random_rows(8, 106, seed=1), katibs_operations(), 128, 2),
}


class PlainForm(nn.Module):
    """A child in torch's default layout."""

    def __init__(self, child: Child) -> None:
        super().__init__()
        self.child = child.to(memory_format=torch.contiguous_format)

    def forward(self, x_bchw: Tensor) -> Tensor:
        maps = [x_bchw]
        for sources, layer in zip(self.child.sources, self.child.layers, strict=True):
            maps.append(layer([maps[source] for source in sources]))
        logits_bk: Tensor = self.child.head(maps[-1].mean(dim=(2, 3)))
        return logits_bk


class Pictures(Dataset[tuple[Tensor, int]]):
    """Images one by one, as torchvision's CIFAR10 gives them."""

    def __init__(self, images: ImageDataset, normalisation: Normalisation) -> None:
        self._pixels_nhwc = images.images_nchw.permute(0, 2, 3, 1).numpy()
        self._labels_n = images.labels_n.tolist()
        self._transform = transforms.Compose(
            [
                transforms.RandomCrop(32, padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(normalisation.mean_c.tolist(), normalisation.std_c.tolist()),
            ]
        )

    def __len__(self) -> int:
        return len(self._labels_n)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self._transform(Image.fromarray(self._pixels_nhwc[index])), self._labels_n[index]


def plain_epochs(case: Case, images: ImageDataset, device: torch.device) -> Iterator[float]:
    """Train a child by the plain loop; yield images a second of each epoch."""
    network = PlainForm(case.child("fp32")).to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    loader = DataLoader(
        Pictures(images, Normalisation.of(images)), batch_size=case.batch_size, shuffle=True, drop_last=True,
        num_workers=NUM_WORKERS, persistent_workers=True, pin_memory=device.type == "cuda",
    )  # fmt: skip
    while True:
        started, running_loss = time.perf_counter(), 0.0
        network.train()
        for x_bchw, labels_b in loader:
            optimizer.zero_grad()
            loss = functional.cross_entropy(network(x_bchw.to(device)), labels_b.to(device))
            torch.autograd.backward(loss)
            optimizer.step()
            running_loss += loss.item()
        yield case.num_batches * case.batch_size / (time.perf_counter() - started)


def our_epochs(case: Case, images: ImageDataset, device: torch.device, precision: str) -> Iterator[float]:
    """Train a child as a trial does; yield images a second of each epoch."""

    def batches(part: ImageDataset, *, training: bool) -> Batches:
        return Batches(
            part, case.batch_size, normalisation=Normalisation.of(images), device=device,
            generator=seeds.generator(0, "batches"), training=training,
        )  # fmt: skip

    few = subset(images, 2, seeds.generator(0, "few"))
    settings = TrainingSettings(num_epochs=1000, batch_size=case.batch_size)
    child = case.child(precision).to(device)
    for metrics in Training(child, batches(images, training=True), batches(few, training=False), settings):
        yield metrics.images_per_second


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architectures", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu", type=torch.device)
    parser.add_argument("--batches", type=int, help="of an epoch; without it, what suits a CPU")
    arguments = parser.parse_args()
    forms: dict[str, Callable[[Case, ImageDataset], Iterator[float]]] = {
        "plain loop": lambda case, images: plain_epochs(case, images, arguments.device),
        "ours": lambda case, images: our_epochs(case, images, arguments.device, "fp32"),
    }
    if arguments.device.type == "cuda":
        forms["ours, bf16"] = lambda case, images: our_epochs(case, images, arguments.device, "bf16")
    others = [form for form in forms if form != "plain loop"]
    print(
        f"torch {torch.__version__}, {arguments.device}, {torch.get_num_threads()} threads; images a second, medians\n"
    )
    print(
        "| architecture | parameters | MACs, millions | "
        + " | ".join(forms)
        + " | "
        + " | ".join(f"{o} / plain" for o in others)
        + " |"
    )
    print("|---" * (3 + len(forms) + len(others)) + "|")
    for name in arguments.architectures:
        case = CASES[name]
        if arguments.batches:
            case = replace(case, num_batches=arguments.batches)
        images = load(f"fake:{case.batch_size * case.num_batches}", None)
        runs = {form: epochs(case, images) for form, epochs in forms.items()}
        rounds = [{form: next(run) for form, run in runs.items()} for _ in range(1 + arguments.rounds)]
        medians = {form: statistics.median(found[form] for found in rounds[1:]) for form in forms}
        child = case.child("fp32")
        cells = [
            name,
            f"{num_parameters(child):,}",
            f"{multiply_adds(child, (3, 32, 32)) / 1e6:.1f}",
            *(f"{medians[form]:.0f}" for form in forms),
            *(f"{medians[form] / medians['plain loop']:.2f}" for form in others),
        ]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
