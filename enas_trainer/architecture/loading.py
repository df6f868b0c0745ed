"""The two texts of an architecture as users name them: by the text itself, by a file, or by what a trial has left."""

from collections.abc import Mapping
from pathlib import Path

from enas_trainer.architecture import fields, fixed_arc, search_for
from enas_trainer.architecture.fields import InvalidNetwork
from katib_suggestion.files import result_files
from katib_suggestion.files.user_paths import user_path
from katib_suggestion.parsing import assignment
from katib_suggestion.parsing.assignment import JSON

RECORD = "architecture.json"
"""What a trial leaves in its output folder: it holds both."""

TRAINED = "network.json"
"""What the training of a found network leaves: it holds both, too."""

MAX_CHARACTERS = 10_000_000


def load(architecture: str, nn_config: str | None, base: Path | None = None) -> tuple[str, str]:
    """Return both texts.

    Args:
        architecture: JSON, or a `fixed_arc`; a file of it; or a trial's `RECORD`, or a folder that it is found in.
        nn_config: likewise; None where the record holds it.
        base: the folder that relative names count from; None for the working directory.

    Raises:
        InvalidNetwork: a file cannot be read, or does not hold what it should.
    """
    if nn_config is None:
        text = text_of(architecture, "architecture", base)
        record = fields.any_mapping(fields.parse(text, "architecture"), "architecture, without an nn_config after it")
        return _of_record(record, "architecture", architecture), _of_record(record, "nn_config", architecture)
    config = part(nn_config, "nn_config", base)
    return _rows(part(architecture, "architecture", base), config), config


def _rows(architecture: str, nn_config: str) -> str:
    """Return an architecture as JSON, of which published code writes the numbers alone."""
    if not fixed_arc.is_one(architecture):
        return architecture
    return assignment.encode(fixed_arc.rows(architecture, search_for.of(nn_config)))


def part(argument: str, name: str, base: Path | None) -> str:
    """Return one of the texts, out of a record if it is one.

    Args:
        argument: as for `load`.
        name: of the text in a record.
        base: as for `load`.

    Raises:
        InvalidNetwork: a file cannot be read, or does not hold what it should.
    """
    text = text_of(argument, name, base)
    if not text.lstrip().startswith("{") or '"architecture"' not in text:
        return text
    return _of_record(fields.any_mapping(fields.parse(text, name), name), name, argument)


def _of_record(record: Mapping[str, JSON], name: str, argument: str) -> str:
    if name not in record:
        raise InvalidNetwork(name, None, f"it is missing in {argument}; a trial's {RECORD} has it")
    return assignment.encode(record[name])


def text_of(argument: str, where: str, base: Path | None = None) -> str:
    """Read a text that is JSON, or a `fixed_arc`, as it stands, or else a file, or that of a folder.

    Raises:
        InvalidNetwork: it cannot be read.
    """
    if argument.lstrip().startswith(("[", "{", '"')) or fixed_arc.is_one(argument):
        return argument
    try:
        path = result_files.find(Path(base or "", user_path(argument)), RECORD, TRAINED)
        with path.open("rb") as file:
            return file.read(MAX_CHARACTERS).decode()
    except UnicodeDecodeError as error:
        raise InvalidNetwork(where, argument, "it must be text in UTF-8") from error
    except (OSError, ValueError, result_files.NotFound) as error:
        why = error.strerror if isinstance(error, OSError) else error
        allowed = f"it must be JSON, or a file, a trial's folder or a run's folder that holds it ({why})"
        raise InvalidNetwork(where, argument, allowed) from error
