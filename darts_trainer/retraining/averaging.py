"""The mean of a model's weights over the steps of its training (ASGD: Polyak and Juditsky, 1992)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


class WeightAverage:
    """The mean since `begin` was last called; before that there is none.

    Args:
        weights: of the model; they are read, and changed within `held` alone.
    """

    def __init__(self, weights: Sequence[Tensor]) -> None:
        self._weights = weights
        self._mean: list[Tensor] | None = None
        self._num_added = 0

    @property
    def is_begun(self) -> bool:
        """Whether there is one."""
        return self._mean is not None

    def begin(self) -> None:
        """Begin, or begin anew, with the weights as they stand; they count until the first step."""
        self._mean = [weight.detach().clone() for weight in self._weights]
        self._num_added = 0

    @torch.no_grad()
    def add(self) -> None:
        """Count the weights after a step, where there is a mean."""
        if self._mean is not None:
            self._num_added += 1
            torch._foreach_lerp_(self._mean, list(self._weights), 1 / self._num_added)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within, the model has the mean, if there is one."""
        if self._mean is None:
            yield
            return
        present = [weight.detach().clone() for weight in self._weights]
        put(self._weights, self._mean)
        try:
            yield
        finally:
            put(self._weights, present)

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` reads."""
        return {"average": self._mean, "num_averaged": self._num_added}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Stand where another one of the same weights stood."""
        self._mean = None
        if state["average"] is not None:
            self._mean = [torch.empty_like(weight) for weight in self._weights]
            put(self._mean, state["average"])
        self._num_added = int(state["num_averaged"])


@torch.no_grad()
def put(weights: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Give weights other values."""
    torch._foreach_copy_(list(weights), list(values))
