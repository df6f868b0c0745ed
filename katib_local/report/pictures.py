"""The picture of what a trial found."""

import re
from functools import lru_cache

from markupsafe import Markup

from darts_genotype import forms
from darts_genotype.finding import START
from darts_genotype.genotype import GenotypeError
from enas_trainer.architecture.fields import InvalidNetwork
from katib_local.drawing import asked, genotypes
from katib_local.record.trials import Trial

_KEPT = 1024
"""Pictures that are kept for the next page of a run: finished trials do not change, and drawing takes milliseconds."""


def draw(trial: Trial) -> Markup | None:
    """Draw a trial's architecture as an SVG element; None where there is none that can be drawn."""
    assignments = trial.assignments
    svg = None
    if {"architecture", "nn_config"} <= set(assignments):
        svg = _architecture(assignments["architecture"], assignments["nn_config"])
    genotype = next((text for text in (trial.observation or {}).values() if text.startswith(START)), None)
    if svg is None and genotype is not None:
        svg = _genotype(genotype)
    if svg is None:
        return None
    return Markup(_with_own_ids(svg, f"trial-{trial.number}-"))  # noqa: S704 - drawn by katib_local.drawing.svg, which escapes


@lru_cache(_KEPT)
def _architecture(architecture: str, nn_config: str) -> str | None:
    """The network that an ENAS trial was asked for."""
    try:
        return asked.draw(asked.read(architecture, nn_config))
    except InvalidNetwork:
        return None


@lru_cache(_KEPT)
def _genotype(text: str) -> str | None:
    """The cells that a DARTS trial found."""
    try:
        return genotypes.draw(forms.read(text))
    except GenotypeError:
        return None


def _with_own_ids(svg: str, prefix: str) -> str:
    """Tell the ids of one picture from those of the others of the page."""
    svg = re.sub(r'( id="|url\(#)', rf"\g<1>{prefix}", svg)
    return re.sub(
        r'aria-labelledby="([^"]*)"',
        lambda match: f'aria-labelledby="{" ".join(prefix + name for name in match[1].split())}"',
        svg,
    )
