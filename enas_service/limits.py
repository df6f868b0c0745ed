"""Sizes that protect the ENAS service: the single ones, and what they come to together."""

from dataclasses import dataclass

from katib_suggestion.limits import Limits, limit


@dataclass(frozen=True, kw_only=True, slots=True)
class EnasLimits(Limits):
    """The limits of the ENAS service. The last two are on what the others come to together: see `cost`."""

    max_layers: int = limit(100, "layers")
    """The attention over earlier layers grows with the square of the depth."""
    max_hidden_size: int = limit(1_024, "for the width of the controller")
    """Every weight matrix of the controller grows with its square."""
    max_train_steps: int = limit(1_000, "gradient steps a call")
    """A call with new trials takes so many."""
    max_memory: int = limit(400, "MiB for a call, with the service itself")
    """What Katib gives a pod of ENAS."""
    max_call_time: int = limit(30, "seconds of one core for a call")
    """Katib waits 60 s, and gives a pod half a core."""


DEFAULT = EnasLimits()
"""Those without a flag."""
