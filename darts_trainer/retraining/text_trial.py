"""A training of a found recurrent cell from its options to its files, that goes on where it was killed."""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from cell_networks.recurrent import language_model
from darts_trainer import metric_names, text_predictor
from darts_trainer.retraining.text_config import TextRetrainConfig
from darts_trainer.retraining.text_training import EpochMetrics, TextTraining
from darts_trainer.text_predictor import TextPredictor
from trial_runtime import seeds
from trial_runtime.checkpointing import checkpoints
from trial_runtime.checkpointing.checkpoints import Checkpoint
from trial_runtime.checkpointing.resume import Saver
from trial_runtime.costs import network_budget
from trial_runtime.costs.network_budget import BeyondBudget
from trial_runtime.costs.network_cost import num_parameters
from trial_runtime.devices import precision
from trial_runtime.processes.processes import Processes
from trial_runtime.reporting import artifacts, metric_lines
from trial_runtime.reporting.progress import epoch_over
from trial_runtime.text import options
from trial_runtime.trained.files import NETWORK_FILE, WEIGHTS_FILE

logger = logging.getLogger(__name__)


def run(trial: TextRetrainConfig, group: Processes, checkpoint: Checkpoint | None = None) -> None:
    """Train; report each epoch, read the test part once at the end, and write the model that validated best.

    Lines of earlier epochs are printed again, with their times: who reads the output of this process sees all.

    Args:
        trial: the same in every process, but for the device.
        group: the processes that train together, joined.
        checkpoint: to go on from; of the same configuration.

    Raises:
        DatasetError: the text is not there, is broken, or has too few words for a batch.
        CheckpointError: the text is another than that of the checkpoint.
        OSError: the output folder cannot be written.
        TrainingDiverged: gradients are no numbers, again and again.
        Terminated: SIGTERM has come; a checkpoint is written.
        ProcessLost: another process has ended.
    """
    with Saver.of(trial, group) as saver:
        try:
            retrained = _Trial(trial, group, saver)
        except BeyondBudget as beyond:
            names = (*metric_names.TEXT_EPOCH, metric_names.TEST_LOSS, metric_names.TEST_PERPLEXITY)
            network_budget.report_untrained(beyond, trial.allowance, names, group)
            return
        if checkpoint is not None:
            retrained.load(checkpoint)
        retrained.run()


class _Trial:
    """A training with what it has come to so far."""

    def __init__(self, trial: TextRetrainConfig, group: Processes, saver: Saver) -> None:
        self._trial = trial
        self._group = group
        self._saver = saver
        # The division of a text that has no parts of its own is the same in every run, so that runs can be compared.
        self._corpus = corpus = trial.data.load(seeds.COMMON_SEED)
        # Loaded now, so that a test part that is missing is missed before the training and not after it.
        test_n = trial.data.load_test(corpus)
        self._summary = options.summary(corpus)
        precision.settle(trial.device)
        self._model = language_model(
            trial.genotype,
            len(corpus.vocabulary),
            trial.size.hidden_size,
            num_layers=trial.size.num_layers,
            generator=seeds.generator(trial.seed, "network"),
            precision=trial.precision,
        ).to(trial.device)
        self._cost = network_budget.reported(
            {
                metric_names.PARAMETERS: num_parameters(self._model),
                metric_names.MACS: self._model.multiply_adds,
            },
            trial.allowance,
            group,
            lambda: network_budget.word_latency_ms(*self._model.step(), trial.device),
        )
        logger.info(
            "%s: %d words to train on, vocabulary %d; %d parameters, on %s, seed %d",
            corpus.name, len(corpus.train_n), len(corpus.vocabulary), self._cost[metric_names.PARAMETERS], trial.device,
            trial.seed,
        )  # fmt: skip
        if group.is_first:
            artifacts.prepare_folder(trial.output_dir)
        self._training = TextTraining(
            self._model,
            corpus,
            trial.settings,
            device=trial.device,
            seed=trial.seed,
            processes=group,
            after_step=lambda training: saver.after_step(training.step, self._state),
        )
        self._test = self._training.to_evaluate(test_n, "test")
        self._epochs: list[dict[str, Any]] = []

    def load(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint."""
        with checkpoint.restoring():
            checkpoint.check_part("text", self._summary)
            self._training.load_state_dict(checkpoint.state["training"])
            self._epochs = [_epoch(epoch) for epoch in checkpoint.state["epochs"]]
            checkpoints.restore_random_states(checkpoint.state["random"])
        logger.info("goes on from %s: epoch %d, step %d", checkpoint.path, len(self._epochs) + 1, self._training.step)

    def run(self) -> None:
        """Train on to the end, and write what has become of the model."""
        self._report({**self._cost, metric_names.UNIGRAM_PERPLEXITY: self._corpus.unigram_perplexity()})
        for epoch in self._epochs:
            self._report(epoch["metrics"], epoch=epoch["epoch"], time=epoch["time"])
        for metrics in self._training:
            epoch = {"epoch": metrics.epoch, "time": metric_lines.now(), "metrics": _named(metrics)}
            self._epochs.append(epoch)
            self._saver.save(self._state())
            self._report(epoch["metrics"], epoch=epoch["epoch"], time=epoch["time"])
            self._log(metrics)
            self._saver.end_if_asked()
        self._training.take_best()
        best = min(self._epochs, key=lambda epoch: float(epoch["metrics"]["Validation-Loss"]))
        tested = self._training.evaluate(self._test, "test")
        result = {metric_names.TEST_LOSS: tested.loss, metric_names.TEST_PERPLEXITY: tested.perplexity}
        self._report(result)
        if self._group.is_first:
            self._write({**best["metrics"], **result}, best["epoch"])

    def _report(self, metrics: Mapping[str, float], *, epoch: int | None = None, time: str | None = None) -> None:
        if self._group.is_first:
            metric_lines.report(metrics, epoch=epoch, time=time)

    def _log(self, metrics: EpochMetrics) -> None:
        num_epochs = self._trial.settings.num_epochs
        logger.info(epoch_over(metrics.epoch, num_epochs, metrics.seconds, metrics.words_per_second, "words"))

    def _state(self) -> dict[str, Any]:
        return {
            "training": self._training.state_dict(),
            "epochs": self._epochs,
            "text": self._summary,
            "random": checkpoints.random_states(),
        }

    def _write(self, result: Mapping[str, float], epoch: int) -> None:
        trial = self._trial
        record = {
            "metrics": result,
            "epoch": epoch,
            "epochs": self._epochs,
            "parameters": self._cost[metric_names.PARAMETERS],
            "multiply_adds": self._cost[metric_names.MACS],
            **network_budget.latency_record(self._cost),
            "settings": asdict(trial.settings),
            **trial.data.record(),
            "precision": trial.precision,
            "seed": trial.seed,
            "device": str(trial.device),
            "processes": self._group.size,
            "versions": artifacts.versions(),
        }
        text_predictor.save(
            trial.output_dir, TextPredictor(self._model, self._corpus.vocabulary), trial.genotype, record
        )
        logger.info("wrote %s and %s to %s", WEIGHTS_FILE, NETWORK_FILE, trial.output_dir)


def _epoch(found: Mapping[str, Any]) -> dict[str, Any]:
    """Check what a checkpoint holds of an epoch."""
    metrics = {str(name): float(value) for name, value in found["metrics"].items()}
    return {"epoch": int(found["epoch"]), "time": str(found["time"]), "metrics": metrics}


def _named(metrics: EpochMetrics) -> dict[str, float]:
    numbers = (
        metrics.training.loss,
        metrics.training.perplexity,
        metrics.validation.loss,
        metrics.validation.perplexity,
    )
    return dict(zip(metric_names.TEXT_EPOCH, numbers, strict=True))
