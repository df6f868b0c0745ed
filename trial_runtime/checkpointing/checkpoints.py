"""What a trial goes on from after it was killed: one file, replaced as a whole.

Whoever kills the process, and whenever, the file is the last one that was written completely. It holds the
configuration of its run beside the state, so that a run of another configuration does not go on from it.
"""

import dataclasses
import io
import logging
import math
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from katib_suggestion.files import durable_files

Plain = str | int | float | bool | None | tuple[str | int, ...]
"""A value of a configuration."""

T = TypeVar("T")

_FORMAT = 1
_FIELDS = {"format", "configuration", "state"}
_MISSING = "nothing"

logger = logging.getLogger(__name__)


class CheckpointError(ValueError):
    """A checkpoint is damaged, or of another configuration."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """What a file holds; all tensors are on the CPU."""

    path: Path
    configuration: Mapping[str, Plain]
    """Of the run that wrote it."""
    state: Mapping[str, Any]
    """Whatever the run needs to go on: tensors, numbers, texts, and lists and dictionaries of these."""

    def check(self, asked: Mapping[str, Plain]) -> None:
        """Refuse to go on with another configuration.

        A field that one of both lacks is None there: an option that came with a later version, and is not given.

        Raises:
            CheckpointError: the configurations differ; the message names each field with both values.
        """
        differences = [
            f"{name} is {_shown(self.configuration, name)} there and {_shown(asked, name)} here"
            for name in {**self.configuration, **asked}
            if repr(self.configuration.get(name)) != repr(asked.get(name))
        ]
        if differences:
            raise CheckpointError(
                f"{self.path} is of another configuration: {'; '.join(differences)}. Take another --output-dir, or let "
                "--fresh begin anew in this one"
            )

    def check_part(self, name: str, asked: Mapping[str, Plain]) -> None:
        """Refuse to go on where a part of the state says otherwise, such as what the data were.

        Raises:
            CheckpointError: as for `check`.
        """
        dataclasses.replace(self, configuration=self.state[name]).check(asked)

    @contextmanager
    def restoring(self) -> Iterator[None]:
        """Within, a state that does not fit what is restored from it makes a `CheckpointError`.

        A file that is whole may still have been written by another version of this program, or by another program.
        """
        try:
            yield
        except CheckpointError:
            raise
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise _unreadable(self.path, f"its state does not fit: {type(error).__name__}: {error}") from error


def write(path: Path, state: Mapping[str, Any], configuration: Mapping[str, Plain]) -> bool:
    """Replace a checkpoint, with its folder; return whether that worked.

    A machine that refuses, such as one whose disk is full, is warned of: the one before it stays, and a trial that can
    still end with a result should.

    Args:
        path: of the file.
        state: see `Checkpoint.state`; anything else could not be read back.
        configuration: see `configuration_of`.
    """
    buffer = io.BytesIO()
    torch.save({"format": _FORMAT, "configuration": dict(configuration), "state": dict(state)}, buffer)
    try:
        durable_files.write(path, buffer.getbuffer())
    except OSError as error:
        logger.warning("%s cannot be written, and after a kill less could be gone on from: %s", path, error)
        return False
    return True


def read(path: Path) -> Checkpoint | None:
    """Read a checkpoint; None where there is no file. Nothing but tensors and plain values is ever unpickled.

    Raises:
        CheckpointError: the file is damaged, or something else.
        OSError: the machine refuses.
    """
    try:
        with path.open("rb") as file:
            # torch reads over a flipped bit; its files carry checksums all the same.
            archive = zipfile.ZipFile(file)
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise zipfile.BadZipFile("it is packed, which no checkpoint is")
            if archive.testzip() is not None:
                raise zipfile.BadZipFile("a checksum is wrong")
            file.seek(0)
            found = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return None
    except OSError:
        raise
    except Exception as error:  # whatever unpickling damaged data comes to
        raise _unreadable(path, str(error)) from error
    if not isinstance(found, dict) or set(found) != _FIELDS or found["format"] != _FORMAT:
        raise _unreadable(path, f"it is no checkpoint of format {_FORMAT}")
    configuration, state = found["configuration"], found["state"]
    if not isinstance(configuration, dict) or not isinstance(state, dict):
        raise _unreadable(path, "its configuration and its state must be dictionaries")
    return Checkpoint(path=path, configuration=configuration, state=state)


def configuration_of(config: Any, *, without: frozenset[str] = frozenset()) -> dict[str, Plain]:
    """Return the fields of a dataclass as a flat mapping; those of a dataclass inside it as ``field.field``.

    Args:
        config: a dataclass.
        without: names, in that form, of fields on which the run's result does not depend.
    """
    flat: dict[str, Plain] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            flat |= {f"{field.name}.{name}": inner for name, inner in configuration_of(value).items()}
        else:
            flat[field.name] = value if isinstance(value, str | int | float | tuple | None) else str(value)
    return {name: value for name, value in flat.items() if name not in without}


def restored(kind: type[T], values: Mapping[str, Any]) -> T:
    """Make a dataclass of numbers and texts anew.

    Raises:
        KeyError, TypeError, ValueError: the values are none of its fields.
    """
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.name not in values and field.default is not dataclasses.MISSING:
            continue  # an earlier version did not know it
        value = values[field.name]
        if not isinstance(value, field.type):  # type: ignore[arg-type]
            raise TypeError(f"{field.name} is {value!r}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{field.name} is {value!r}")
        if isinstance(value, str):
            printable(field.name, value)
    return kind(**values)


def printable(name: str, value: object) -> str:
    """Return a text that can be printed in a line.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(f"{name} is {value!r}")
    return value


def random_states() -> dict[str, Tensor]:
    """Return the states of torch's own generators: the CPU's, and where CUDA is in use its present device's."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def restore_random_states(states: Mapping[str, Tensor]) -> None:
    """Put torch's own generators into states that `random_states` returned."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])


def _unreadable(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"{path} cannot be gone on from: {' '.join(reason.split())[:200]}. Remove it, or let --fresh begin anew"
    )


def _shown(configuration: Mapping[str, Plain], name: str) -> str:
    return repr(configuration[name]) if name in configuration else _MISSING
