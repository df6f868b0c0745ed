"""How well a network does over a pass: mean loss, and share of images that it tells right.

Shape suffixes: b images, k classes, s steps.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from trial_runtime.errors import TrainingDiverged
from trial_runtime.processes.processes import Processes


class Means(NamedTuple):
    """Over the images of a pass."""

    loss: float
    """Mean cross entropy, in nats."""
    accuracy: float
    """Share of the images that the network tells right, 0 to 1."""

    def __str__(self) -> str:
        return f"loss {self.loss:.4f}, accuracy {self.accuracy:.4f}"


class Tally:
    """Losses and hits of a pass, kept on the device: reading one there would make each step wait for the one before.

    For the same reason processes keep their own until a mean is asked for.
    """

    def __init__(self, name: str, processes: Processes, remedy: str) -> None:
        """Begin a pass.

        Args:
            name: of the pass, such as ``epoch 1, training``.
            processes: those that share its batches.
            remedy: what may help against a loss that is not finite, as a clause.
        """
        self._name = name
        self._processes = processes
        self._remedy = remedy
        self._losses: list[Tensor] = []
        self._hits: list[Tensor] = []
        self._sizes: list[int] = []
        self._before = {name: torch.zeros(0, dtype=torch.float64) for name in ("losses", "hits", "images")}

    def __len__(self) -> int:
        """Batches so far."""
        return len(self._before["images"]) + len(self._sizes)

    def add(self, loss: Tensor, logits_bk: Tensor, labels_b: Tensor) -> None:
        """Add this process's share of a batch, with the mean loss over the share."""
        self._losses.append(loss.detach())
        self._hits.append((logits_bk.argmax(dim=1) == labels_b).sum())
        self._sizes.append(len(labels_b))

    def means(self) -> Means:
        """Return mean loss and accuracy over all images so far, those of all processes; each of them must call this.

        Raises:
            TrainingDiverged: a loss is not finite; the message names the first.
        """
        joint = self.state_dict()
        sum_s, hits_s, size_s = joint["losses"], joint["hits"], joint["images"]
        for step in (~sum_s.isfinite()).nonzero().flatten().tolist():
            loss = sum_s[step] / size_s[step]
            raise TrainingDiverged(f"{self._name} step {step + 1}: the loss is {loss:g}; {self._remedy}")
        num_images = size_s.sum()
        return Means(loss=float(sum_s.sum() / num_images), accuracy=float(hits_s.sum() / num_images))

    def state_dict(self) -> dict[str, Tensor]:
        """Return sums over each batch so far, those of all processes; each of them must call this."""
        size_s = torch.tensor(self._sizes, dtype=torch.float64)
        own = [_stacked(self._losses) * size_s, _stacked(self._hits), size_s]
        joint = self._processes.add_up(own)
        return {name: torch.cat([before, new]) for (name, before), new in zip(self._before.items(), joint, strict=True)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Count what another tally of the same pass had counted as well; for a fresh one.

        Raises:
            ValueError: the state is none.
        """
        before = {name: state[name] for name in self._before}
        if len({tensor.shape for tensor in before.values()}) != 1 or before["losses"].dim() != 1:
            raise ValueError(f"a tally has three columns of one length, not {[*before.values()]}")
        self._before = {name: tensor.double() for name, tensor in before.items()}


def _stacked(numbers: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(numbers)).cpu().double() if numbers else torch.zeros(0, dtype=torch.float64)


@torch.no_grad()
def evaluate(
    network: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    tally: Tally,
    *,
    forward: Callable[[Tensor], Tensor] | None = None,
) -> Means:
    """Return mean loss and accuracy of a network, normalised by its running statistics.

    Args:
        network: computes logits; in evaluation mode afterwards.
        batches: images (B, C, H, W) and labels (B,); one pass is made over them.
        tally: a fresh one, for the processes of the batches.
        forward: computes the network's logits in some faster way.

    Raises:
        TrainingDiverged: a loss is not finite.
    """
    network.eval()
    for x_bchw, labels_b in batches:
        if not len(labels_b):  # of the last batch, which has fewer images than there are processes
            tally.add(x_bchw.new_zeros(()), x_bchw.new_zeros(0, 1), labels_b)
            continue
        logits_bk = (forward or network)(x_bchw)
        tally.add(functional.cross_entropy(logits_bk, labels_b), logits_bk, labels_b)
    return tally.means()
