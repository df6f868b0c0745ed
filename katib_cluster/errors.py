"""What can go wrong around a cluster's configuration."""


class InvalidConfiguration(ValueError):
    """A text is no configuration of Katib that suggestions can be registered in.

    Args:
        field: where it stands, as a user would look for it, such as ``runtime.suggestions``.
        reason: what is wrong there and what it must be, as the end of a sentence.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")


class ClusterError(RuntimeError):
    """The cluster cannot be reached, or refuses."""
