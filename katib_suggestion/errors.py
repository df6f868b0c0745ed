"""What can be wrong with an experiment.

Standard library only: the trainers import this module.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_MAX_SHOWN = 200
_MAX_LINE = 2_000
_MOST_FAULTS = 20
"""That are gathered."""
_MAX_FAULT = 500
"""Of one fault among several, in characters: a line is to hold more than one."""


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
    return _cut(line, _MAX_LINE)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}…"


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

    @property
    def faults(self) -> "tuple[InvalidExperiment, ...]":
        """Each single thing that is wrong: this one."""
        return (self,)

    @property
    def in_one_line(self) -> str:
        """The message as a line that any terminal shows as it is, cut to 2,000 characters."""
        return one_line(self)


class SeveralFaults(InvalidExperiment):
    """An experiment has more than one thing wrong with it.

    Args:
        faults: two or more.
    """

    def __init__(self, faults: Sequence[InvalidExperiment]) -> None:
        self._faults = tuple(faults)
        self.field = faults[0].field
        ValueError.__init__(self, "; ".join(map(str, faults)))

    @property
    def faults(self) -> tuple[InvalidExperiment, ...]:
        """Each single thing that is wrong."""
        return self._faults

    @property
    def in_one_line(self) -> str:
        """All of it, numbered, in a line; of those that have no room, how many there are."""
        line = f"{len(self._faults)} faults:"
        for number, fault in enumerate(self._faults, start=1):
            text = f" ({number}) {_cut(one_line(fault), _MAX_FAULT)};"
            if len(line) + len(text) > _MAX_LINE:
                return f"{line} and {len(self._faults) - number + 1} more"
            line += text
        return line.removesuffix(";")


class Faults:
    """Gathers what is wrong with an experiment, so that all of it is said at once.

    ::

        faults = Faults()
        with faults.noted():
            width = read(spec.width)
        with faults.noted():
            depth = read(spec.depth)
        faults.raise_noted()
        return Size(width, depth)  # both have been read
    """

    def __init__(self) -> None:
        self._noted: list[InvalidExperiment] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Go on behind it, whatever is found to be wrong within; but not once there is more than anybody reads."""
        try:
            yield
        except InvalidExperiment as error:
            self._noted += error.faults
            if len(self._noted) >= _MOST_FAULTS:
                self.raise_noted()

    def raise_noted(self) -> None:
        """Say what was wrong.

        Raises:
            InvalidExperiment: something was.
        """
        if self._noted:
            raise together(self._noted)


def together(faults: Sequence[InvalidExperiment]) -> InvalidExperiment:
    """Return one error that says all of some, one at least."""
    return faults[0] if len(faults) == 1 else SeveralFaults(faults)
