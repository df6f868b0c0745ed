"""A trial: the training of one recurrent cell's language model from its options to its files, resumable."""

import logging
from dataclasses import asdict
from typing import Any

from darts_genotype import json_form
from enas_trainer import epochs, metric_names
from enas_trainer.architecture import search_for
from enas_trainer.architecture.loading import RECORD
from enas_trainer.epochs import Epoch
from enas_trainer.recurrent.asked import TextTrial
from enas_trainer.recurrent.child import Child
from enas_trainer.recurrent.train import EpochMetrics, TextTraining
from enas_trainer.sharing import shared_weights
from enas_trainer.sharing.shared_weights import Loan
from katib_suggestion.parsing.assignment import JSON
from trial_runtime import seeds
from trial_runtime.checkpointing.checkpoints import Checkpoint
from trial_runtime.checkpointing.resume import Saver
from trial_runtime.costs import network_budget
from trial_runtime.costs.network_budget import BeyondBudget
from trial_runtime.devices import precision
from trial_runtime.processes.processes import Processes
from trial_runtime.reporting import artifacts, metric_lines
from trial_runtime.reporting.progress import epoch_over
from trial_runtime.text import options

logger = logging.getLogger(__name__)


def run(trial: TextTrial, group: Processes, checkpoint: Checkpoint | None = None) -> None:
    """Build the model, train it, report each epoch and keep ``architecture.json`` in the output folder up to date.

    The test part of the text is not read. Lines of epochs before the checkpoint are printed again, with their times.

    Args:
        trial: the same in every process, but for the device.
        group: the processes that train together, joined.
        checkpoint: to go on from; of the same configuration.

    Raises:
        InvalidNetwork: the vocabulary is not that of the text.
        DatasetError: the text is not there, is broken, or has too few words for a batch.
        CheckpointError: the text is another than that of the checkpoint.
        OSError: the output folder cannot be written.
        TrainingDiverged: a loss is not finite.
        Terminated: SIGTERM has come; a checkpoint is written.
        ProcessLost: another process has ended.
    """
    with Saver.of(trial, group) as saver:
        try:
            running = _Run(trial, group, saver, checkpoint)
        except BeyondBudget as beyond:
            # A speed is neither good nor bad.
            names = [name for name in metric_names.TEXT_EPOCH if name != metric_names.TOKENS_PER_SECOND]
            network_budget.report_untrained(beyond, trial.allowance, names, group)
        else:
            running.run()


class _Run:
    """A training with what it has come to so far."""

    def __init__(self, trial: TextTrial, group: Processes, saver: Saver, checkpoint: Checkpoint | None) -> None:
        self._trial = trial
        self._group = group
        self._saver = saver
        # The division of a text that has no parts of its own is the same in every trial, so that trials compare.
        self._corpus = corpus = trial.data.load(seeds.COMMON_SEED)
        trial.network.check_data(len(corpus.vocabulary))
        precision.settle(trial.device)
        self._child = Child(
            trial.network,
            trial.settings.hidden_size,
            seeds.generator(trial.seed, "weights"),
            precision=trial.precision,
        )
        self._cost = network_budget.reported(
            {
                metric_names.PARAMETERS: self._child.num_parameters,
                metric_names.MACS: self._child.multiply_adds,
            },
            trial.allowance,
            group,
            lambda: network_budget.word_latency_ms(*self._child.step(), trial.device),
        )
        self._summary = options.summary(corpus)
        self._loan = self._borrow(checkpoint)
        self._training = TextTraining(
            self._child.to(trial.device),
            corpus,
            trial.settings,
            device=trial.device,
            seed=trial.seed,
            processes=group,
            after_step=lambda training: saver.after_step(training.step, self._state),
        )
        self._num_steps = 0
        self._epochs: list[Epoch[EpochMetrics]] = []
        logger.info(
            "%s: %d words to train on, vocabulary %d; on %s, seed %d",
            corpus.name, len(corpus.train_n), len(corpus.vocabulary), trial.device, trial.seed,
        )  # fmt: skip
        if checkpoint is not None:
            with checkpoint.restoring():
                checkpoint.check_part("text", self._summary)
                self._training.load_state_dict(checkpoint.state["training"])
                self._epochs = epochs.restored(EpochMetrics, checkpoint.state["epochs"])
                self._num_steps = int(checkpoint.state["num_steps"])
            step = self._training.step
            logger.info("goes on from %s: epoch %d, step %d", checkpoint.path, len(self._epochs) + 1, step)

    def run(self) -> None:
        """Train on to the end."""
        if self._group.is_first:
            self._write()  # a folder that refuses does so before the work
            metric_lines.report({**self._cost, metric_names.UNIGRAM_PERPLEXITY: self._corpus.unigram_perplexity()})
            for epoch in self._epochs:
                epoch.report(metric_names.TEXT_EPOCH)
        for metrics in self._training:
            self._end_epoch(metrics)
            if metrics.epoch < self._trial.settings.num_epochs:
                self._saver.end_if_asked()
        if self._loan is not None and self._group.is_first:
            shared_weights.give_back(self._loan, self._child, self._num_steps)

    def _borrow(self, checkpoint: Checkpoint | None) -> Loan | None:
        """Put a bank's weights into the child, unless they are in the checkpoint, as the training has changed them."""
        if self._trial.shared_weights is None:
            return None
        kind: dict[str, JSON] = {
            search_for.NAME: search_for.RECURRENT,
            "num_layers": self._trial.network.num_layers,
            "vocabulary": self._trial.network.vocabulary_size,
            "hidden_size": self._trial.settings.hidden_size,
            "dataset": self._corpus.name,
            "training_words": len(self._corpus.train_n),
        }
        data = [self._corpus.train_n]
        folder = shared_weights.folder_for(self._trial.shared_weights, kind, self._corpus.name, data)
        if checkpoint is not None:
            with checkpoint.restoring():
                return Loan.resumed(checkpoint.state["loan"], folder)
        return shared_weights.borrow(self._child, folder, self._group)

    def _end_epoch(self, metrics: EpochMetrics) -> None:
        """Keep what an epoch has come to, then tell of it: what a kill leaves out is made again from the checkpoint."""
        epoch = Epoch.over(metrics)
        self._epochs.append(epoch)
        self._num_steps += self._training.num_steps
        self._saver.save(self._state())
        if self._group.is_first:
            self._write()
            epoch.report(metric_names.TEXT_EPOCH)
        num_epochs = self._trial.settings.num_epochs
        logger.info(epoch_over(metrics.epoch, num_epochs, metrics.seconds, metrics.tokens_per_second, "words"))

    def _state(self) -> dict[str, Any]:
        return {
            "training": self._training.state_dict(),
            "epochs": [asdict(epoch) for epoch in self._epochs],
            "num_steps": self._num_steps,
            "text": self._summary,
            "loan": None if self._loan is None else self._loan.state(),
        }

    def _write(self) -> None:
        trial = self._trial
        record = {
            **trial.record(),
            "parameters": self._cost[metric_names.PARAMETERS],
            "multiply_adds": self._cost[metric_names.MACS],
            **network_budget.latency_record(self._cost),
            "epochs": [epoch.record(metric_names.TEXT_EPOCH) for epoch in self._epochs],
            "genotype": json_form.document(trial.network.genotype),
            "training": asdict(trial.settings),
            **trial.data.record(),
            "processes": self._group.size,
        }
        artifacts.write_json(trial.output_dir / RECORD, record)
