"""The parts that a data set is divided into, by the names that people give to folders and files of them."""

import enum
import re
from collections.abc import Mapping
from types import MappingProxyType


class Split(enum.Enum):
    """What a part of a data set is for."""

    TRAINING = "training"
    VALIDATION = "validation"
    TEST = "test"


_NAMES: Mapping[str, Split] = MappingProxyType(
    {
        **dict.fromkeys(("train", "training", "trn", "trains"), Split.TRAINING),
        **dict.fromkeys(("val", "valid", "validate", "validation", "dev", "devel", "development"), Split.VALIDATION),
        **dict.fromkeys(("test", "testing", "tst", "tests", "eval", "evaluation", "holdout", "heldout"), Split.TEST),
    }
)
"""In lower case, without what `_FILLING` has."""

_FILLING = r"(?:data|dataset|set|split|part|fold|folder|dir|image|img|picture|photo|sample|example)s?"
"""Says nothing about what the part is for: ``train_images``, ``TestSet``."""

_WORD = re.compile(r"[^\W\d_]+")


def named(name: str) -> Split | None:
    """Say which part a folder or a file (without its suffix) is by its whole name; None where it may be anything.

    Case, digits, punctuation and words that say nothing do not matter: ``Train``, ``TEST_SET``, ``hold-out``,
    ``train2017``.
    """
    letters = "".join(_words(name))
    return _NAMES.get(letters) or _NAMES.get(re.sub(f"^{_FILLING}|{_FILLING}$", "", letters))


def mentioned(name: str) -> Split | None:
    """Say which part a name may be of by one of its words, such as ``seg_train``; None where no word names one."""
    return named(name) or next((_NAMES[word] for word in _words(name) if word in _NAMES), None)


def _words(name: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name))]
