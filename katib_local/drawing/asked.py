"""What a trial of ENAS was asked for, layers or cells, out of its two texts, and as a picture."""

from typing import TypeAlias

from darts_genotype.genotype import Genotype
from darts_genotype.recurrent import AnyGenotype, RecurrentGenotype
from enas_trainer.architecture import search_for
from enas_trainer.macro.config import Architecture
from enas_trainer.micro import config as micro
from enas_trainer.recurrent import config as recurrent
from katib_local.drawing import architectures, genotypes
from katib_local.drawing.architectures import AnyNetwork

Asked: TypeAlias = tuple[Architecture, AnyNetwork] | Genotype | RecurrentGenotype


def read(architecture: str, nn_config: str) -> Asked:
    """Read both texts of a trial, whoever's trainer they are for.

    Raises:
        InvalidNetwork: they are none; as the ENAS trainer says it.
    """
    match search_for.of(nn_config):
        case search_for.MICRO:
            return micro.read(architecture, nn_config).genotype
        case search_for.RECURRENT:
            return recurrent.read(architecture, nn_config).genotype
    return architectures.read(architecture, nn_config)


def draw(asked: Asked) -> str:
    """Return the text of an SVG file."""
    return genotypes.draw(asked) if isinstance(asked, AnyGenotype) else architectures.draw(*asked)
