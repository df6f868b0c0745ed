"""A trial on images, as its command line asks for it."""

from dataclasses import dataclass

from enas_trainer.asked import ArchitectureTrial
from enas_trainer.images.train import TrainingSettings
from enas_trainer.macro.config import LayeredNetwork
from enas_trainer.micro.config import CellNetwork
from trial_runtime.checkpointing.checkpoints import Plain, configuration_of
from trial_runtime.images.data_options import DataOptions


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial(ArchitectureTrial):
    """A trial, as its command line asks for it."""

    network: LayeredNetwork | CellNetwork
    """What both texts say, with what the command says of a network of cells."""
    settings: TrainingSettings
    """How it is trained."""
    data: DataOptions
    """The images."""

    def configuration(self) -> dict[str, Plain]:
        """See `ArchitectureTrial.configuration`."""
        cells = configuration_of(self.network.options) if isinstance(self.network, CellNetwork) else {}
        return cells | ArchitectureTrial.configuration(self)
