"""Whether the final training of a macro network beats the trial that it comes from, on images that neither has read.

Of scikit-learn's digits 397 are put aside. A trial trains as `enas-digits` asks for it, on four fifths of the others;
the final training, by its defaults but for the epochs, on all others. Both then classify those put aside.

    python -m benchmarks.enas_trials.final_training [--architecture FOLDER] [--seeds 5] [--num-epochs 30 70]
"""

import argparse
import statistics
from dataclasses import replace
from math import sqrt

import torch

from enas_trainer.architecture import loading
from enas_trainer.images import children
from enas_trainer.images.train import Training, TrainingSettings
from enas_trainer.images.trial import divide
from enas_trainer.macro import config
from enas_trainer.macro.child import Child
from enas_trainer.macro.config import LayeredNetwork
from enas_trainer.retraining.config import RetrainSettings
from enas_trainer.retraining.learner import MacroLearner
from trial_runtime import seeds
from trial_runtime.images import datasets
from trial_runtime.images.batches import Batches, Normalisation
from trial_runtime.images.datasets import ImageDataset
from trial_runtime.retraining.data import RetrainData
from trial_runtime.retraining.training import Retraining

CPU = torch.device("cpu")
NUM_TEST = 397
TRIAL = TrainingSettings(num_epochs=4, batch_size=32)
"""That of examples/enas-digits.yaml."""

ARCHITECTURE = "[[1], [3, 1], [0, 0, 0], [2, 1, 0, 0]]"
"""Of four layers, in its space."""
_CONVOLUTION = {"num_filter": "16", "filter_size": "3"}
EMBEDDING = {
    "0": {"opt_type": "convolution", "opt_params": {**_CONVOLUTION, "stride": "1"}},
    "1": {"opt_type": "convolution", "opt_params": {**_CONVOLUTION, "stride": "2"}},
    "2": {"opt_type": "separable_convolution", "opt_params": {**_CONVOLUTION, "stride": "2", "depth_multiplier": "1"}},
    "3": {"opt_type": "reduction", "opt_params": {"reduction_type": "max_pooling", "pool_size": 2}},
}
NN_CONFIG = {
    "num_layers": 4,
    "input_sizes": [32, 32, 1],
    "output_sizes": [10],
    "embedding": {name: {"opt_id": int(name), **entry} for name, entry in EMBEDDING.items()},
}


def by_trial(network: LayeredNetwork, images: ImageDataset, test: ImageDataset, seed: int) -> float:
    """Return the test accuracy of what a trial has trained in the end."""
    training, _ = divide(images, 0.8)
    normalisation = Normalisation.of(training)
    child = children.build(network, seeds.generator(seed, "weights"), precision="fp32")
    batches, unread = (
        Batches(
            part, TRIAL.batch_size, normalisation=normalisation, device=CPU,
            generator=seeds.generator(seed, "batches"), training=part is training,
        )
        for part in (training, test)
    )  # fmt: skip
    objective = children.objective(child, network, generator=seeds.generator(seed, "paths"), batches=batches)
    *_, last = Training(child, batches, unread, TRIAL, objective=objective)
    return last.validation_accuracy


def by_final_training(
    network: LayeredNetwork, images: ImageDataset, test: ImageDataset, seed: int, num_epochs: int
) -> float:
    """Return the test accuracy after the final training."""
    settings = replace(RetrainSettings(), num_epochs=num_epochs)
    data = RetrainData.of(images, settings.batch_size, train_portion=1, cutout=0, device=CPU, seed=seed)
    child = Child(network.architecture, network.config, seeds.generator(seed, "network"))
    learner = MacroLearner(child, settings.dropout)
    training = Retraining(child, learner, data, settings, generator=seeds.generator(seed, "paths"))
    for _ in training:
        pass
    return training.classify(data.to_classify(test, CPU), "test").accuracy


def main() -> None:
    """Measure, and print a row each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architecture", help="what a trial has left (default: a network of four layers)")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--num-epochs", type=int, nargs="+", default=[30, 70])
    arguments = parser.parse_args()
    given = arguments.architecture
    texts = (ARCHITECTURE, str(NN_CONFIG)) if given is None else loading.load(given, None)
    architecture, nn_config = config.read(*texts)
    network = LayeredNetwork(architecture=architecture, config=nn_config)
    digits = datasets.load("digits", None)
    test, images = datasets.split(digits, NUM_TEST / len(digits), seeds.generator(seeds.COMMON_SEED, "test"))
    print(f"{len(images)} images to learn from, {len(test)} put aside; {arguments.seeds} seeds")
    row("trial, 4 epochs", [by_trial(network, images, test, seed) for seed in range(arguments.seeds)])
    for num_epochs in arguments.num_epochs:
        found = [by_final_training(network, images, test, seed, num_epochs) for seed in range(arguments.seeds)]
        row(f"final training, {num_epochs} epochs", found)


def row(name: str, accuracies: list[float]) -> None:
    """Print mean and standard error."""
    error = statistics.stdev(accuracies) / sqrt(len(accuracies)) if len(accuracies) > 1 else float("nan")
    print(f"| {name} | {statistics.mean(accuracies):.4f} ± {error:.4f} |", flush=True)


if __name__ == "__main__":
    main()
