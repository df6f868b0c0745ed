"""What is kept of an epoch of a search for a recurrent cell."""

from collections.abc import Iterator
from dataclasses import dataclass

from cell_networks.language_model import LanguageModel
from darts_genotype import katib_form
from darts_genotype.recurrent import RecurrentGenotype
from darts_trainer import metric_names
from darts_trainer.recurrent.supernet import RecurrentSupernet
from darts_trainer.search.loop import EpochMetrics
from darts_trainer.search.records import EdgeWeight
from trial_runtime.costs.network_cost import num_parameters
from trial_runtime.reporting import metric_lines
from trial_runtime.text.perplexity import Perplexity


@dataclass(frozen=True, kw_only=True, slots=True)
class Epoch:
    """See `darts_trainer.search.records.Epoch`; for what is not explained here, `EpochMetrics` and `Perplexity`."""

    epoch: int
    train_loss: float
    train_perplexity: float
    validation_loss: float
    validation_perplexity: float
    learning_rate: float
    entropy: float
    """Mean over the edges of the entropy of the softmax of their alphas, in nats: 0 when all is decided."""
    seconds: float
    words_per_second: float
    time: str
    genotype: str
    parameters: int
    """Of the genotype's language model, as large as the supernet."""
    multiply_adds: int
    """The same for one word."""

    @classmethod
    def of(
        cls,
        metrics: EpochMetrics[Perplexity],
        supernet: RecurrentSupernet,
        found: RecurrentGenotype,
        derived: LanguageModel,
    ) -> "Epoch":
        """Describe the epoch that has just ended, with the genotype found and its language model."""
        return cls(
            epoch=metrics.epoch,
            train_loss=metrics.training.loss,
            train_perplexity=metrics.training.perplexity,
            validation_loss=metrics.validation.loss,
            validation_perplexity=metrics.validation.perplexity,
            learning_rate=metrics.learning_rate,
            entropy=entropy(supernet),
            seconds=metrics.seconds,
            words_per_second=metrics.examples_per_second,
            time=metric_lines.now(),
            genotype=katib_form.write(found),
            parameters=num_parameters(derived),
            multiply_adds=derived.multiply_adds,
        )

    @property
    def validation_score(self) -> float:
        """See the class."""
        return -self.validation_loss

    def metrics(self) -> dict[str, float | str]:
        """See the class."""
        return {name: getattr(self, field) for name, field in metric_names.TEXT_SEARCH.items()}

    def curves(self) -> dict[str, float]:
        """See the class."""
        return {
            "loss/train": self.train_loss,
            "loss/validation": self.validation_loss,
            "perplexity/train": self.train_perplexity,
            "perplexity/validation": self.validation_perplexity,
            "search/learning rate": self.learning_rate,
            "search/seconds": self.seconds,
            "search/words a second": self.words_per_second,
            "entropy/recurrent": self.entropy,
        }


def edge_weights(supernet: RecurrentSupernet) -> Iterator[EdgeWeight]:
    """Each operation on each edge."""
    for (source, node), row in zip(supernet.edges, supernet.mixture().tolist(), strict=True):
        for primitive, weight in zip(supernet.primitives, row, strict=True):
            yield EdgeWeight("recurrent", source, node, primitive, weight)


def entropy(supernet: RecurrentSupernet) -> float:
    """Mean over the edges of the entropy of the softmax of their alphas, in nats."""
    log_eo = supernet.alpha_eo.detach().double().log_softmax(dim=-1)
    return float(-(log_eo.exp() * log_eo).sum(dim=-1).mean())
