"""What can be wrong with an experiment."""


class InvalidExperiment(ValueError):
    """The experiment asks for what cannot run.

    Args:
        field: where it stands, as a user would look for it, such as ``algorithmSettings.w_lr``.
        value: what was given.
        allowed: what may stand there, as the end of a sentence.
    """

    def __init__(self, field: str, value: object, allowed: str) -> None:
        self.field = field
        given = repr(value)
        if len(given) > 200:
            given = f"{given[:200]}… ({len(given)} characters)"
        super().__init__(f"{field}: {given} is not allowed: {allowed}")
