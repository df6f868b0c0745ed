"""What is kept of an epoch of a search for cells of pictures.

Shape suffixes: e edges of a cell, o operations.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from darts_genotype import katib_form
from darts_genotype.genotype import Genotype, num_skips
from darts_trainer import metric_names
from darts_trainer.search.loop import EpochMetrics
from darts_trainer.search.records import EdgeWeight
from darts_trainer.supernet.derived_cost import DerivedCost
from darts_trainer.supernet.supernet import Supernet
from trial_runtime.images.tally import Means
from trial_runtime.reporting import metric_lines


@dataclass(frozen=True, kw_only=True, slots=True)
class Epoch:
    """See `darts_trainer.search.records.Epoch`; for what is not explained here, `EpochMetrics` and `Means`."""

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    normal_entropy: float
    """Mean over the edges of the entropy of the softmax of their alphas, in nats: 0 when all is decided."""
    reduction_entropy: float | None
    """None where there are no reduction cells."""
    normal_skips: int
    """Edges of the genotype's cell that are skip connections."""
    reduction_skips: int
    seconds: float
    images_per_second: float
    time: str
    genotype: str
    parameters: int | None = None
    """Of the genotype's network, as many cells as wide as the supernet; None in what 0.1.0 has searched."""
    multiply_adds: int | None = None
    """The same for one image."""

    @classmethod
    def of(cls, metrics: EpochMetrics[Means], supernet: Supernet, found: Genotype, cost: DerivedCost) -> "Epoch":
        """Describe the epoch that has just ended."""
        entropy = entropies(supernet)
        return cls(
            epoch=metrics.epoch,
            train_loss=metrics.training.loss,
            train_accuracy=metrics.training.accuracy,
            validation_loss=metrics.validation.loss,
            validation_accuracy=metrics.validation.accuracy,
            learning_rate=metrics.learning_rate,
            normal_entropy=entropy["normal"],
            reduction_entropy=entropy.get("reduction"),
            normal_skips=num_skips(found.normal),
            reduction_skips=num_skips(found.reduce),
            seconds=metrics.seconds,
            images_per_second=metrics.examples_per_second,
            time=metric_lines.now(),
            genotype=katib_form.write(found),
            parameters=cost.parameters,
            multiply_adds=cost.multiply_adds,
        )

    @property
    def validation_score(self) -> float:
        """See the class."""
        return self.validation_accuracy

    def metrics(self) -> dict[str, float | str]:
        """See the class."""
        named = {name: getattr(self, field) for name, field in metric_names.SEARCH.items()}
        return {name: value for name, value in named.items() if value is not None}

    def curves(self) -> dict[str, float]:
        """See the class."""
        numbers: dict[str, float] = {
            "loss/train": self.train_loss,
            "loss/validation": self.validation_loss,
            "accuracy/train": self.train_accuracy,
            "accuracy/validation": self.validation_accuracy,
            "search/learning rate": self.learning_rate,
            "search/seconds": self.seconds,
            "search/images a second": self.images_per_second,
            "entropy/normal": self.normal_entropy,
            "skips/normal": self.normal_skips,
        }
        if self.reduction_entropy is not None:
            numbers |= {"entropy/reduction": self.reduction_entropy, "skips/reduction": self.reduction_skips}
        return numbers


def edge_weights(supernet: Supernet) -> Iterator[EdgeWeight]:
    """Each operation on each edge of the normal cells, and then of the reduction cells, if there are any."""
    for kind, weight_eo in zip(("normal", "reduction"), supernet.mixtures(), strict=True):
        if weight_eo is None:
            continue
        for (source, node), row in zip(supernet.edges, weight_eo.tolist(), strict=True):
            for primitive, weight in zip(supernet.primitives, row, strict=True):
                yield EdgeWeight(kind, source, node, primitive, weight)


def entropies(supernet: Supernet) -> dict[str, float]:
    """By the kind of cell: mean over the edges of the entropy of the softmax of their alphas, in nats."""
    alphas = {"normal": supernet.alpha_normal_eo, "reduction": supernet.alpha_reduce_eo}
    return {kind: _entropy(alpha_eo) for kind, alpha_eo in alphas.items() if alpha_eo is not None}


def _entropy(alpha_eo: Tensor) -> float:
    log_eo = alpha_eo.detach().double().log_softmax(dim=-1)
    return float(-(log_eo.exp() * log_eo).sum(dim=-1).mean())
