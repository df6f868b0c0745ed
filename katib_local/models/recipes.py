"""Which program trains a network longer, by the kind of what was found."""

from collections.abc import Mapping
from dataclasses import dataclass

from enas_trainer import fields
from katib_local.errors import UsageError

CELLS = "darts_trainer.retrain"
"""Trains networks of cells: of pictures, and of text where the cell is recurrent."""
MACRO = "enas_trainer.retrain"
"""Trains networks of layers with joins."""

_MACRO_SEARCH = "macro"


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """A training of what was found, by the defaults of its kind."""

    program: str
    """A module, for ``python -m``."""
    flags: tuple[str, ...]
    """What it is to train."""


def of_genotype(genotype: str) -> Recipe:
    """Return the training of a genotype: a text, a file or a folder."""
    return Recipe(program=CELLS, flags=(f"--genotype={genotype}",))


def of_architecture(architecture: str, nn_config: str | None) -> Recipe:
    """Return the training of what an ENAS search found.

    Args:
        architecture: a text, a file or a folder.
        nn_config: likewise; None where that holds both.

    Raises:
        InvalidNetwork: nn_config is no JSON.
        UsageError: nothing trains networks of its kind.
    """
    given = (f"--architecture={architecture}",)
    if nn_config is None:
        return Recipe(program=MACRO, flags=given)
    found = fields.parse(nn_config, "nn_config")
    kind = found.get("search_for", _MACRO_SEARCH) if isinstance(found, Mapping) else _MACRO_SEARCH
    if kind != _MACRO_SEARCH:
        raise UsageError(f"nn_config.search_for: {kind!r} is not allowed: networks of {_MACRO_SEARCH} are trained here")
    return Recipe(program=MACRO, flags=(*given, f"--nn_config={nn_config}"))
