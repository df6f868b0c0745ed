"""A training of a found macro network on images, from its options to its files."""

from collections.abc import Mapping

from enas_trainer import metric_names, predictor
from enas_trainer.batch_size import check_batch_size
from enas_trainer.macro.child import Child
from enas_trainer.predictor import Predictor
from enas_trainer.retraining.config import RetrainConfig
from enas_trainer.retraining.learner import MacroLearner
from trial_runtime import seeds
from trial_runtime.checkpointing.checkpoints import Checkpoint
from trial_runtime.costs.network_cost import multiply_adds, num_parameters
from trial_runtime.devices import precision
from trial_runtime.images.datasets import ImageDataset
from trial_runtime.processes.processes import Processes
from trial_runtime.retraining import trial as retraining


def run(trial: RetrainConfig, group: Processes, checkpoint: Checkpoint | None = None) -> None:
    """Train; see `trial_runtime.retraining.trial.run`, also for what is raised beside this.

    Raises:
        InvalidNetwork: the network does not fit the images.
        CommandLineError: the batch is too small for so many processes.
    """

    def make(images: ImageDataset, batch_size: int) -> "Macro":
        check_batch_size(batch_size, group)
        return Macro(trial, images)

    retraining.run(trial, group, checkpoint, make)


class Macro:
    """The network of an architecture, as it is trained; see `trial_runtime.retraining.trial.Subject`."""

    def __init__(self, trial: RetrainConfig, images: ImageDataset) -> None:
        self._trial = trial
        trial.network.check_data(images.image_shape, images.num_classes)
        precision.settle(trial.device)
        generator = seeds.generator(trial.seed, "network")
        self.network = Child(trial.architecture, trial.widened, generator, precision=trial.precision).to(trial.device)
        self.learner = MacroLearner(self.network, trial.settings.dropout)
        self.cost = {
            metric_names.PARAMETERS: num_parameters(self.network),
            metric_names.MACS: multiply_adds(self.network, images.image_shape),
        }

    def save(self, trained: Predictor, record: Mapping[str, object]) -> None:
        """Write both files."""
        predictor.save(self._trial.output_dir, trained, self._trial.architecture, self._trial.widened, record)
