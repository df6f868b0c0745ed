"""Who may see what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class UnidentifiedError(PermissionError):
    """Nobody says who asks."""


class RefusedError(PermissionError):
    """Who asks may not see it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """What one must be allowed in a namespace, in the words of Kubernetes."""

    verb: str
    resource: str
    subresource: str = ""
    group: str = "kubeflow.org"

    def __str__(self) -> str:
        name = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        return f"{self.verb} {name}.{self.group}".rstrip(".")


LIST = (Need(verb="list", resource="experiments"), Need(verb="list", resource="trials"))
EXPERIMENT = (
    Need(verb="get", resource="experiments"),
    Need(verb="list", resource="trials"),
    Need(verb="get", resource="suggestions"),
)
TRIAL = (
    Need(verb="get", resource="experiments"),
    Need(verb="get", resource="trials"),
    Need(verb="get", resource="suggestions"),
)
LOG = (
    *TRIAL,
    Need(verb="list", resource="pods", group=""),
    Need(verb="get", resource="pods", subresource="log", group=""),
)


class Access(Protocol):
    """Decides whether a request is answered."""

    def check(self, headers: Mapping[str, str], place: str, needs: Sequence[Need]) -> None:
        """Let a request through, or not; may block.

        Args:
            headers: of the request.
            place: that it is about.
            needs: all that who asks must be allowed there.

        Raises:
            UnidentifiedError: the headers do not say who asks.
            RefusedError: one of the needs is not allowed.
        """
        ...


class OwnMachine:
    """Lets everything through: who reaches the loopback address of this machine may read its runs."""

    def check(self, headers: Mapping[str, str], place: str, needs: Sequence[Need]) -> None:
        """Let a request through."""
