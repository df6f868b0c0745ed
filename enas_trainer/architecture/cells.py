"""What the two texts of a trial have in common where the architecture is of cells, of pictures or recurrent."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from darts_genotype import enas_form
from darts_genotype.genotype import MAX_NODES, GenotypeError
from enas_trainer.architecture import fields
from enas_trainer.architecture.fields import InvalidNetwork
from enas_trainer.architecture.search_for import NAME
from katib_suggestion.parsing.assignment import JSON

_NAMES = ("num_layers", "input_sizes", "output_sizes", NAME, "num_nodes", "embedding")


def read_nn_config(text: str, kind: str) -> Mapping[str, JSON]:
    """Return the fields of the configuration of a network of cells, and no others.

    Raises:
        InvalidNetwork: one is missing or unknown, or the configuration is of another kind.
    """
    values = fields.mapping(fields.parse(text, "nn_config"), "nn_config", _NAMES)
    fields.choice(values[NAME], f"nn_config.{NAME}", (kind,))
    return values


def num_nodes(values: Mapping[str, JSON]) -> int:
    """Return how many nodes a cell has.

    Raises:
        InvalidNetwork: it is no number from 1 to `MAX_NODES`.
    """
    number = fields.integer(values["num_nodes"], "nn_config.num_nodes")
    if number > MAX_NODES:
        raise InvalidNetwork("nn_config.num_nodes", number, f"it must be a whole number from 1 to {MAX_NODES}")
    return number


def read_operation(kind: str, opt_type: JSON, opt_params: JSON, where: str) -> str:
    """Return the entry of a search space that a type with its parameters stands for.

    Args:
        kind: of the architecture.
        opt_type: as the wire names it.
        opt_params: as on the wire.
        where: the place of the entry, for errors.

    Raises:
        InvalidNetwork: there is none in such architectures.
    """
    with of_a_trial():
        return enas_form.read_operation(kind, opt_type, opt_params, where)


@contextmanager
def of_a_trial() -> Iterator[None]:
    """Within, what is wrong with a cell is what is wrong with a trial's texts.

    Raises:
        InvalidNetwork: in the place of a `GenotypeError`.
    """
    try:
        yield
    except GenotypeError as error:
        raise InvalidNetwork(error.place, error.value, error.allowed) from error
