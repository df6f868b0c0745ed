"""What the ENAS service promises an experiment, as a model that is small enough to be believed.

Trials in, replies out, in the order in which they were answered. Of a call that nobody had the answer of, it may or may
not have happened: the model knows no more than the next answer tells.

What it cannot check: whether proposals are good; in which order trials taught; replies that are older than the latest
`REMEMBERED`; and repetitions in a space that is used up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from enas_service.search.memory import MAX_REPLIES

REMEMBERED = 8
"""Fewer than the service remembers: calls that nobody had the answer of count, too."""

MAY_BE_REMEMBERED = MAX_REPLIES
"""As many as it does at most: what it answers again within them is a repetition, whoever asks, and teaches nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What was asked for."""

    architectures: Mapping[str, str]
    """Of each trial so far."""
    taught: frozenset[str]
    """Trials that finished with a metric."""
    count: int
    total: int

    @property
    def key(self) -> tuple[int, int, frozenset[str]]:
        """The same of two that are the same to the service, however far their trials have come."""
        return self.count, self.total, frozenset(self.architectures)


@dataclass(slots=True)
class Promises:
    """Of an experiment of some name, deleted and made again or not."""

    told: dict[tuple[int, int, frozenset[str]], list[str]] = field(default_factory=dict)
    learned: set[str] = field(default_factory=set)
    proposed: set[str] = field(default_factory=set)

    def answered(self, request: Request, reply: Sequence[str], num_learned: int | None) -> list[str]:
        """Take note of an answer; say which promises it breaks.

        Args:
            request: what was answered.
            reply: the architectures.
            num_learned: of how many trials the service says, after it, that it has learned from them; None for untold.
        """
        broken = [] if len(reply) == request.count else [f"{len(reply)} proposals of {request.count}"]
        known = self.told.get(request.key)
        if request.key in list(self.told)[-REMEMBERED:] and known != list(reply):
            broken.append("another reply to the same request")
        elif known != list(reply):
            broken += self._new(request, reply)
        if num_learned is not None and num_learned != len(self.learned):
            broken.append(f"it has learned from {num_learned} trials of {len(self.learned)}")
        return broken

    def _new(self, request: Request, reply: Sequence[str]) -> list[str]:
        if self.learned and not self.learned & request.architectures.keys():
            # Deleted, and made again: nothing of before counts.
            self.told, self.learned, self.proposed = {}, set(), set()
        seen = self.proposed | set(request.architectures.values())
        again = [one for index, one in enumerate(reply) if one in seen or one in reply[:index]]
        self.learned |= request.taught
        self.proposed |= {*reply}
        self.told.pop(request.key, None)
        self.told[request.key] = list(reply)
        for old in list(self.told)[:-MAY_BE_REMEMBERED]:
            del self.told[old]
        return [f"proposed before: {one}" for one in again]
