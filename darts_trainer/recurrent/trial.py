"""A trial that searches a recurrent cell: what was asked for, on the text that there is."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import torch

from cell_networks.language_model import DropoutRates
from cell_networks.recurrent import language_model
from darts_service.settings import RecurrentSettings
from darts_trainer import metric_names
from darts_trainer.recurrent.config import RecurrentConfig
from darts_trainer.recurrent.data import SearchText
from darts_trainer.recurrent.derivation import derive
from darts_trainer.recurrent.epoch import Epoch, edge_weights, entropy
from darts_trainer.recurrent.reading import Reading
from darts_trainer.recurrent.supernet import RecurrentSupernet
from darts_trainer.search import remarks
from darts_trainer.search import trial as search_trial
from darts_trainer.search.loop import EpochMetrics, Search
from darts_trainer.search.records import EdgeWeight
from darts_trainer.search.trial import AfterStep
from katib_suggestion.errors import InvalidExperiment
from trial_runtime import seeds
from trial_runtime.checkpointing.checkpoints import Checkpoint
from trial_runtime.devices import precision
from trial_runtime.processes.processes import Processes
from trial_runtime.reporting import artifacts, metric_lines
from trial_runtime.text import options
from trial_runtime.text.perplexity import Perplexity

ALPHA_BETAS = (0.9, 0.999)
"""Of Adam, which moves the alphas of recurrent cells (arXiv 1806.09055, appendix A.1.2)."""

logger = logging.getLogger(__name__)


def run(trial: RecurrentConfig, group: Processes, checkpoint: Checkpoint | None = None) -> None:
    """Search; see `darts_trainer.search.trial.run`, also for what is raised beside this.

    Raises:
        DatasetError: the text is not there, is broken, or has too few words for a batch.
        InvalidExperiment: settings do not fit the number of processes.
    """
    search_trial.run(trial, group, checkpoint, epoch_type=Epoch, make=lambda: _Words(trial, group))


class _Words:
    """The supernet and its text; see `darts_trainer.search.trial.Subject`."""

    examples = "words"
    stopped: str | None = None

    def __init__(self, trial: RecurrentConfig, group: Processes) -> None:
        _check_batch(trial.settings.batch_size, group.size)
        self._trial = trial
        self._group = group
        precision.settle(trial.device)
        corpus = trial.data.load(trial.seed)
        self._summary = options.summary(corpus)
        self._supernet = RecurrentSupernet(
            trial.primitives,
            vocabulary_size=len(corpus.vocabulary),
            num_nodes=trial.settings.num_nodes,
            hidden_size=trial.settings.hidden_size,
            num_layers=trial.num_layers,
            generator=seeds.generator(trial.seed, "supernet"),
            precision=trial.precision,
            compiled=trial.compile,
        ).to(trial.device)
        self._data = SearchText(
            corpus,
            batch_size=trial.settings.batch_size,
            bptt=trial.settings.bptt,
            rates=rates(trial.settings),
            model=self._supernet.model,
            device=trial.device,
            seed=trial.seed,
            processes=group,
        )
        num_weights = sum(weight.numel() for weight in self._supernet.weights())
        logger.info(
            "%s: %d words to train on, %d for the alphas, vocabulary %d; %d weights, on %s, seed %d",
            corpus.name, len(corpus.train_n), len(corpus.valid_n), len(corpus.vocabulary), num_weights, trial.device,
            trial.seed,
        )  # fmt: skip
        if group.is_first:
            metric_lines.report({metric_names.UNIGRAM_PERPLEXITY: corpus.unigram_perplexity()})

    def search(self, after_step: AfterStep) -> Search[Perplexity]:
        """See the subject, as for all that follows."""
        problem = Reading(
            self._supernet,
            self._data,
            slowness_weight=self._trial.settings.w_slowness,
            replays=self._trial.replays(self._group.size),
        )
        return Search(
            problem,
            self._trial.settings,
            order=self._trial.order,
            alpha_betas=ALPHA_BETAS,
            clips_ahead=True,
            after_step=after_step,
        )

    def end_epoch(self, metrics: EpochMetrics[Perplexity]) -> Epoch:
        found = derive(self._supernet.mixture(), self._supernet.primitives, self._supernet.num_nodes)
        # torch draws nothing here that anything else depends on.
        derived = language_model(
            found,
            len(self._supernet.model.embedding_vh),
            self._supernet.model.hidden_size,
            num_layers=self._supernet.model.num_layers,
            generator=torch.Generator(),
        )
        return Epoch.of(metrics, self._supernet, found, derived)

    def edge_weights(self) -> Iterator[EdgeWeight]:
        return edge_weights(self._supernet)

    def remarks(self, scores: Sequence[float]) -> tuple[str, ...]:
        # A perplexity is the same twice in no text, and there are no running statistics.
        return remarks.flat({"recurrent": entropy(self._supernet)}, len(self._supernet.primitives))

    def record(self) -> dict[str, object]:
        trial = self._trial
        return {
            "settings": asdict(trial.settings),
            "search_space": list(trial.search_space),
            "num_layers": trial.num_layers,
            "order": trial.order,
            "precision": trial.precision,
            "compiled": trial.compile,
            **trial.data.record(),
            "vocabulary": self._summary["vocabulary"],
            "seed": trial.seed,
            "device": str(trial.device),
            "processes": self._group.size,
            "versions": artifacts.versions(),
        }

    def state_dict(self) -> dict[str, Any]:
        return {"text": self._summary}

    def restore(self, checkpoint: Checkpoint) -> None:
        checkpoint.check_part("text", self._summary)


def rates(settings: RecurrentSettings) -> DropoutRates:
    """Return the rates of dropout that settings name."""
    return DropoutRates(
        output=settings.dropout,
        state=settings.dropouth,
        input=settings.dropoutx,
        embedded=settings.dropouti,
        word=settings.dropoute,
    )


def _check_batch(batch_size: int, num_processes: int) -> None:
    """Refuse a batch whose norms would see a single value a unit, which has no spread."""
    if batch_size < 2 * num_processes:
        together = "" if num_processes == 1 else f" with {num_processes} processes"
        raise InvalidExperiment(
            "batch_size", batch_size, f"norms need two columns: it must be at least {2 * num_processes}{together}"
        )
