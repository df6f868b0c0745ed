"""What can be wrong with an experiment.

Standard library only: the trainers import this module.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

_MAX_SHOWN = 200
_MAX_LINE = 2_000
_MOST_FAULTS = 20
"""That are gathered."""
_MAX_FAULT, _MAX_FIELD, _MAX_SEVERAL = 500, 100, 950
"""Of one fault among several, of its field where it is only named, and of all of them in a line, in characters."""
_MAX_TOLD = {True: _MAX_SEVERAL, False: 600}
"""Of those that are told in full, if all are, and if others are only named."""


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
        """All of it in a line; what has no room is named, and what has no room even for that is counted."""
        told = [_cut(one_line(fault), _MAX_FAULT) for fault in self._faults]
        num_told = len(told)
        while num_told > 1 and len("; ".join(told[:num_told])) > _MAX_TOLD[num_told == len(told)]:
            num_told -= 1
        line = "; ".join(told[:num_told])
        for number, fault in enumerate(self._faults[num_told:]):
            named = ("; also " if number == 0 else ", ") + _cut(escaped(fault.field), _MAX_FIELD)
            if len(line) + len(named) > _MAX_SEVERAL:
                return f"{line}; and {len(told) - num_told - number} more"
            line += named
        return line


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
    def noted(self, *, but: Collection[str] = ()) -> Iterator[None]:
        """Go on behind it, whatever is found to be wrong within; but not once there is more than anybody reads.

        Args:
            but: fields of which enough is said already.
        """
        try:
            yield
        except InvalidExperiment as error:
            self._noted += [fault for fault in error.faults if fault.field not in but]
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
    single = [fault for error in faults for fault in error.faults]
    return single[0] if len(single) == 1 else SeveralFaults(single)
