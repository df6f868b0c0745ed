"""What can go wrong in a trial, whichever the trainer."""

HOLD_OUT = "or images must be held out of the training ones, by --train-portion .8"
"""What to do where there are no test images, as the end of a message."""


class DatasetError(ValueError):
    """A data set is unknown, missing, broken, or its parts do not match each other.

    Args:
        field: what was looked at, such as ``dataset`` or an array of a file.
        value: what was given or found.
        allowed: what may stand there, as the end of a sentence.
    """

    def __init__(self, field: str, value: object, allowed: str) -> None:
        super().__init__(f"{field}: {value!r} is not allowed: {allowed}")


class TrainingDiverged(ArithmeticError):
    """A loss is no finite number any more; the metrics of the epochs before it stand."""
