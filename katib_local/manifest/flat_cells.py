"""The cells of an ENAS search as plain parameters: of each edge its source and its operation.

Names and values are those that a trial reads: `enas_trainer.micro.choices`, `enas_trainer.recurrent.choices`.
"""

from collections.abc import Iterator, Sequence

from darts_genotype import enas_form
from darts_genotype.enas_form import MICRO
from darts_genotype.genotype import EDGES_PER_NODE, NUM_INPUTS, GenotypeError
from katib_local.manifest import flat_operations
from katib_local.manifest.flat_operations import OperationList
from katib_suggestion.errors import Faults, InvalidExperiment

_MIN_OPERATIONS = 2


def choices(
    listed: Sequence[OperationList], search_for: str, num_nodes: int
) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """The parameters with their values, and what is the same in every trial.

    Args:
        listed: operations with the values of their parameters.
        search_for: ``micro`` or ``recurrent``.
        num_nodes: of a cell.

    Raises:
        InvalidExperiment: cells have no such operation, or there is no choice among them.
    """
    _check(listed, search_for)
    found = flat_operations.flat(listed)
    assert found is not None, "cells have few operations, with short names"
    if len(found.operations) < _MIN_OPERATIONS:
        allowed = f"a search of cells needs at least {_MIN_OPERATIONS} operations"
        raise InvalidExperiment("spec.nasConfig.operations", list(found.operations), allowed)
    parameters: dict[str, tuple[str, ...]] = {}
    fixed = dict(found.fixed)
    for source, operation, num_sources in _edges(search_for, num_nodes):
        if num_sources > 1:
            parameters[source] = tuple(map(str, range(num_sources)))
        else:
            fixed[source] = "0"
        parameters[operation] = found.operations
    return parameters, fixed


def _edges(search_for: str, num_nodes: int) -> Iterator[tuple[str, str, int]]:
    """Names of the source and of the operation of each edge, and how many sources there are."""
    if search_for == MICRO:
        for cell in ("normal", "reduce"):
            for node in range(NUM_INPUTS, NUM_INPUTS + num_nodes):
                for edge in range(1, EDGES_PER_NODE + 1):
                    yield f"{cell}_{node}_source_{edge}", f"{cell}_{node}_operation_{edge}", node
    else:
        for node in range(1, num_nodes + 1):
            yield f"node_{node}_source", f"node_{node}_activation", node


def _check(listed: Sequence[OperationList], search_for: str) -> None:
    """Refuse operations that such cells do not have."""
    faults = Faults()
    for index, one in enumerate(listed):
        where = f"spec.nasConfig.operations[{index}]"
        first = {name: values[0] for name, values in one.parameters.items()}
        variants = [first, *({**first, name: value} for name, values in one.parameters.items() for value in values[1:])]
        with faults.noted():
            for variant in variants:
                try:
                    enas_form.read_operation(search_for, one.type, variant, where)
                except GenotypeError as error:
                    place = error.place.replace("opt_type", "operationType").replace("opt_params", "parameters")
                    raise InvalidExperiment(place, error.value, error.allowed) from error
    faults.raise_noted()
