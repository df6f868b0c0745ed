"""DARTS as a suggestion: one trial does the whole search, so every suggestion says the same."""

import dataclasses
import logging
from collections.abc import Sequence

from darts_genotype.activations import ACTIVATIONS
from darts_genotype.primitives import FILTER_SIZES, SKIP_CONNECTION
from darts_service.settings import MAX_LAYERS, DartsSettings, RecurrentSettings, SearchSettings
from katib_suggestion.errors import Faults, InvalidExperiment
from katib_suggestion.experiment import Experiment, Operation, Trial
from katib_suggestion.limits import DEFAULT, Limits
from katib_suggestion.parsing import assignment, operations, settings

logger = logging.getLogger(__name__)


class DartsSuggester:
    """Hands an experiment's settings, operations and depth to the trainer; stateless.

    Args:
        limits: beyond them, an experiment is refused.
    """

    def __init__(self, limits: Limits = DEFAULT) -> None:
        self._limits = limits

    def validate(self, experiment: Experiment) -> None:
        """Check what `suggest` and the trainer read.

        Raises:
            InvalidExperiment: a setting, an operation or the number of layers is none of what is allowed.
        """
        _assignments(experiment, self._limits)

    def suggest(self, experiment: Experiment, trials: Sequence[Trial], count: int, total: int) -> list[dict[str, str]]:
        """Return the same assignments ``count`` times; trials and the total do not matter.

        Raises:
            InvalidExperiment: as `validate`.
        """
        suggestion = _assignments(experiment, self._limits)
        return [dict(suggestion) for _ in range(count)]


def _assignments(experiment: Experiment, limits: Limits) -> dict[str, str]:
    is_recurrent = any(operation.type in ACTIVATIONS for operation in experiment.operations)
    kind = RecurrentSettings if is_recurrent else DartsSettings
    read = _activations if is_recurrent else _search_space
    faults = Faults()
    with faults.noted():
        if not 1 <= experiment.num_layers <= MAX_LAYERS:
            allowed = f"it must be an integer between 1 and {MAX_LAYERS}"
            raise InvalidExperiment("nasConfig.graphConfig.numLayers", experiment.num_layers, allowed)
    with faults.noted():
        algorithm_settings = _algorithm_settings(kind, experiment.settings)
    with faults.noted():
        search_space = read(experiment.operations, limits)
    faults.raise_noted()
    return {
        "algorithm-settings": assignment.encode(algorithm_settings),
        "search-space": assignment.encode(search_space),
        "num-layers": str(experiment.num_layers),
    }


def _algorithm_settings(kind: type[SearchSettings], pairs: Sequence[tuple[str, str]]) -> dict[str, str | float | None]:
    """All settings, the defaults filled in; what the user gave stays text, as given."""
    parsed = settings.parse(kind, pairs)
    given: dict[str, str | float | None] = {
        name: None if text == "None" else text for name, text in pairs if name != settings.SUGGESTION_TRIAL_DIR
    }
    return dataclasses.asdict(parsed) | given


def _activations(given: Sequence[Operation], _: Limits) -> list[str]:
    """The activation functions of a recurrent cell: such operations have no parameters, and no others beside them."""
    found: list[str] = []
    faults = Faults()
    for index, operation in enumerate(given):
        where = f"nasConfig.operations[{index}]"
        with faults.noted():
            if operation.type not in ACTIVATIONS:
                known = ", ".join(ACTIVATIONS)
                allowed = f"some here are operations of a recurrent cell, {known}: no others may stand beside them"
                raise InvalidExperiment(f"{where}.operationType", operation.type, allowed)
            if operation.parameters:
                names = [parameter.name for parameter in operation.parameters]
                raise InvalidExperiment(f"{where}.parameters", names, f"{operation.type} has no parameters")
            if operation.type in found:
                raise InvalidExperiment(where, operation.type, "an operation may stand only once in the search space")
            found.append(operation.type)
    faults.raise_noted()
    return found


def _search_space(given: Sequence[Operation], limits: Limits) -> list[str]:
    """The primitives that the operations name: the type, then ``_NxN`` for each filter size."""
    if not given:
        raise InvalidExperiment("nasConfig.operations", [], "a search needs at least one operation")
    primitives: list[str] = []
    faults = Faults()
    for index, operation in enumerate(given):
        where = f"nasConfig.operations[{index}]"
        with faults.noted():
            for primitive in _primitives(operation, where, limits):
                if primitive in primitives:
                    raise InvalidExperiment(where, primitive, "an operation may stand only once in the search space")
                primitives.append(primitive)
    faults.raise_noted()
    return primitives


def _primitives(operation: Operation, where: str, limits: Limits) -> list[str]:
    known = [*FILTER_SIZES, SKIP_CONNECTION]
    if operation.type not in known:
        allowed = f"the trainer has {', '.join(known)}; or for recurrent cells {', '.join(ACTIVATIONS)}"
        raise InvalidExperiment(f"{where}.operationType", operation.type, allowed)
    parameters = operations.parameters(operation, where, limits)
    filter_sizes = parameters.pop("filter_size", None)
    if parameters:
        logger.warning("%s: %s has no parameter %s; left out", where, operation.type, ", ".join(parameters))
    if operation.type == SKIP_CONNECTION:
        return [SKIP_CONNECTION]
    if filter_sizes is None:
        raise InvalidExperiment(f"{where}.parameters", [*parameters], f"{operation.type} needs a filter_size")
    sizes = FILTER_SIZES[operation.type]
    for size in filter_sizes:
        if str(size) not in map(str, sizes):
            allowed = f"the trainer has {operation.type} with {', '.join(map(str, sizes))}"
            raise InvalidExperiment(f"{where}.parameters.filter_size", size, allowed)
    return [f"{operation.type}_{size}x{size}" for size in filter_sizes]
