"""What a search knows beside its policy: lessons, what is taken, and which request got which reply."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from enas_service.decisions import Decisions
from enas_service.lessons import Lesson
from enas_service.policies.policy_gradient import Step
from katib_suggestion.experiment import Trial

MAX_REPLIES = 16
"""Replies that are kept, for requests that come again."""


@dataclass(frozen=True, slots=True)
class Status:
    """How far a search has come."""

    num_trials: int = 0
    """Trials that it has learned from."""
    best: float | None = None
    """The best objective among them, within the budget; None before the first."""
    step: Step | None = None
    """The latest gradient step; None before the first."""


@dataclass(slots=True)
class Memory:
    """What a search knows beside its policy; all of it goes into a checkpoint."""

    lessons: list[Lesson] = field(default_factory=list)
    """In the order in which they were learned."""
    taken: set[bytes] = field(default_factory=set)
    """Keys of what was proposed or seen in a trial."""
    replies: dict[str, list[Decisions]] = field(default_factory=dict)
    """The latest replies by their requests, as read back from their keys."""
    history: list[Status] = field(default_factory=list)
    """How far it had come, each time that the policy had learned."""
    num_trained: int = 0
    """Lessons that the policy has learned."""

    def keep(self, request: str, reply: list[Decisions]) -> None:
        """Keep a reply by its request; the oldest is let go of."""
        self.replies[request] = reply
        for old in list(self.replies)[:-MAX_REPLIES]:
            del self.replies[old]


def request_of(trials: Sequence[Trial], count: int, total: int) -> str:
    """What makes a request the same as another: its numbers and its trials' names, not how far those have come."""
    key = hashlib.sha256(f"{total} {count}".encode())
    for name in sorted(trial.name for trial in trials):
        key.update(f"\n{name}".encode())
    return key.hexdigest()
