"""How the network of a genotype learns: two classifiers, and paths that are dropped (arXiv 1806.09055, section 3.2).

Shape suffixes: b images, c channels, h height, w width, k classes, p paths, f features.
"""

from torch import Tensor
from torch.nn import functional

from cell_networks.images import Network, drop_paths
from darts_trainer.retraining.config import RetrainSettings
from darts_trainer.retraining.enas_recipe import EnasSettings
from trial_runtime.retraining.training import Chance, Losses


class CellsLearner:
    """Computes the losses of a network; see `trial_runtime.retraining.training.Learner`."""

    def __init__(self, network: Network, settings: RetrainSettings | EnasSettings) -> None:
        self._network = network
        self._settings = settings

    def __call__(self, x_bchw: Tensor, labels_b: Tensor, chance: Chance) -> Losses:
        """Return the losses of both classifiers, on paths of which some are dropped."""
        path_scale_pb = self._draw_paths(chance)
        if path_scale_pb is not None:
            path_scale_pb = path_scale_pb.to(x_bchw.device)
        feature_scale_bf = self._draw_features(chance)
        if feature_scale_bf is not None:
            feature_scale_bf = feature_scale_bf.to(x_bchw.device)
        logits_bk, auxiliary_bk = self._network.training_logits(x_bchw, path_scale_pb, feature_scale_bf)
        loss = total = functional.cross_entropy(logits_bk, labels_b)
        if auxiliary_bk is not None:
            total = loss + self._settings.auxiliary_weight * functional.cross_entropy(auxiliary_bk, labels_b)
        return Losses(total=total, loss=loss, logits_bk=logits_bk)

    def _draw_paths(self, chance: Chance) -> Tensor | None:
        """Draw what this process's images need for `Network.training_logits`."""
        probability = self._settings.drop_path * (chance.epoch - 1) / self._settings.num_epochs
        if probability == 0:
            return None
        of_path_p1: Tensor | float = probability
        if isinstance(self._settings, EnasSettings):
            of_path_p1 = probability * self._network.path_depths()[:, None]
        return drop_paths(self._network.num_paths, chance.batch_size, of_path_p1, chance.generator)[:, chance.share]

    def _draw_features(self, chance: Chance) -> Tensor | None:
        if not isinstance(self._settings, EnasSettings) or self._settings.dropout == 0:
            return None
        features = self._network.classifier.in_features
        return drop_paths(features, chance.batch_size, self._settings.dropout, chance.generator)[:, chance.share].t()
