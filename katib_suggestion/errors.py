"""What can be wrong with an experiment.

Standard library only: the trainers import this module.
"""

_MAX_SHOWN = 200
_MAX_LINE = 2_000


def shown(value: object) -> str:
    """Return a value as Python writes it, cut to 200 characters: a message is for a line that somebody reads."""
    if isinstance(value, str) and len(value) > _MAX_SHOWN:
        # A text can be as long as a message: no copy of all of it.
        return f"{repr(value[:_MAX_SHOWN])[:_MAX_SHOWN]}… ({len(value)} characters)"
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}… ({len(text)} characters)"


def one_line(error: BaseException) -> str:
    """Return an error's message as a line that any terminal shows as it is, cut to 2,000 characters."""
    return escaped(" ".join(str(error).split()) or type(error).__name__)


def escaped(text: str) -> str:
    """Return a text as a line that any terminal shows as it is, cut to 2,000 characters."""
    line = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text[: _MAX_LINE + 1])
    return line if len(line) <= _MAX_LINE else f"{line[:_MAX_LINE]}…"


class InvalidExperiment(ValueError):
    """The experiment asks for what cannot run.

    Args:
        field: where it stands, as a user would look for it, such as ``algorithmSettings.w_lr``.
        value: what was given.
        allowed: what may stand there, as the end of a sentence.
    """

    def __init__(self, field: str, value: object, allowed: str) -> None:
        self.field = field
        super().__init__(f"{field}: {shown(value)} is not allowed: {allowed}")
