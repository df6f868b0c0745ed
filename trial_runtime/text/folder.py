"""A text of one's own, and the usual ones: a folder with a file for each part."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from katib_suggestion.files.user_paths import user_path
from trial_runtime import from_runner
from trial_runtime.errors import DatasetError
from trial_runtime.text.vocabulary import words_of

PARTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {part: (f"{part}.txt", f"ptb.{part}.txt", f"wiki.{part}.tokens") for part in ("train", "valid", "test")}
)
"""The files that a part may be in, as Penn Treebank and WikiText-2 name them, too; the first that is there is read."""


def read(path: str, part: str, data_dir: Path) -> list[str]:
    """Read the words of a part: blanks separate them, and ``<eos>`` ends each line.

    Args:
        path: of the folder; a relative one is looked up where relative paths count from, then in data_dir.
        part: one of `PARTS`.
        data_dir: see above.

    Raises:
        DatasetError: there is no such folder or file, it is empty, or no UTF-8.
    """
    name = f"text:{path}"
    folder = _folder(path, data_dir)
    file = next((folder / file for file in PARTS[part] if (folder / file).is_file()), None)
    if file is None:
        raise DatasetError("dataset", name, f"{folder} must hold the {part} part, as {' or '.join(PARTS[part])}")
    try:
        text = file.read_bytes().decode()
    except OSError as error:
        raise DatasetError("dataset", name, f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DatasetError("dataset", name, f"{file} must be text in UTF-8, and byte {error.start} is not") from error
    if not text.strip():
        raise DatasetError("dataset", name, f"{file} holds no word")
    # Line ends alone end a line: str.splitlines would also take separators that stand within one.
    return words_of(text.removesuffix("\n").split("\n"))


def _folder(path: str, data_dir: Path) -> Path:
    for base in (from_runner.base_dir(), data_dir):
        if (folder := base / user_path(path)).is_dir():
            return folder
    raise DatasetError(
        "dataset", f"text:{path}", f"it must be a folder that is there{from_runner.searched(path, data_dir)}"
    )
