"""Which program trains a network longer, by the kind of what was found."""

import json
from dataclasses import dataclass

from enas_trainer.architecture import fields, search_for

CELLS = "darts_trainer.retrain"
"""Trains networks of cells: of pictures, and of text where the cell is recurrent."""
MACRO = "enas_trainer.retrain"
"""Trains networks of layers with joins."""


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
    """Return the training of what an ENAS search found: of layers with joins, or of cells, which become a genotype.

    Args:
        architecture: a text, or the file of a trial that holds both.
        nn_config: likewise; None where nothing is known of it.

    Raises:
        InvalidNetwork: nn_config is no JSON, or of no kind.
    """
    given = (f"--architecture={architecture}",)
    if nn_config is None:
        return Recipe(program=MACRO, flags=given)
    kind = search_for.of(nn_config)
    if kind == search_for.MACRO:
        return Recipe(program=MACRO, flags=(*given, f"--nn_config={nn_config}"))
    genotype = architecture  # a file of both
    if architecture.lstrip().startswith("["):
        texts = {"architecture": architecture, "nn_config": nn_config}
        genotype = json.dumps({name: fields.parse(text, name) for name, text in texts.items()})
    # Of the cells themselves not all tell which search they come from.
    recipe = ("--recipe=enas",) if kind == search_for.MICRO else ()
    return Recipe(program=CELLS, flags=(*of_genotype(genotype).flags, *recipe))
