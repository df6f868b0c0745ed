"""Micro architectures: a normal cell and a reduction cell, of which a trial stacks its network.

Pham et al., 1802.03268, section 2.4. A node is the sum of two operations, each on any node before it, also on the same
one, or on an input of the cell: what the two cells before it came to.
"""

from collections.abc import Iterator, Sequence

from darts_genotype.enas_form import MICRO, NUM_NODES
from darts_genotype.primitives import FILTER_SIZES, SKIP_CONNECTION
from enas_service.limits import DEFAULT, EnasLimits
from enas_service.spaces.cells import GRAPH, CellSpace, check_enough, check_sizes
from enas_service.spaces.operations import OperationChoice
from katib_suggestion.errors import Faults, InvalidExperiment
from katib_suggestion.experiment import Experiment, Operation, ParameterType
from katib_suggestion.parsing import operations

_MIN_LAYERS = 3
"""Reduction cells stand at 1/3 and 2/3 of the depth: with fewer layers there are not two."""

_FILTER_SIZE = "filter_size"


def of(experiment: Experiment, num_nodes: int | None, limits: EnasLimits = DEFAULT) -> CellSpace:
    """Read an experiment.

    Args:
        experiment: its layers are all cells of a trial's network.
        num_nodes: of a cell; None for the usual number.
        limits: how many layers and operations there may be.

    Raises:
        InvalidExperiment: a size or an operation is none of what is allowed.
    """
    faults = Faults()
    with faults.noted():
        if experiment.num_layers < _MIN_LAYERS:
            allowed = f"it must be an integer >= {_MIN_LAYERS}: with fewer cells, there are not two reduction cells"
            raise InvalidExperiment(f"{GRAPH}.numLayers", experiment.num_layers, allowed)
        if experiment.num_layers > limits.max_layers:
            raise InvalidExperiment(f"{GRAPH}.numLayers", experiment.num_layers, limits.allowed("max_layers"))
    with faults.noted():
        check_sizes("inputSizes", experiment.input_sizes, ("height", "width", "channels"))
    with faults.noted():
        check_sizes("outputSizes", experiment.output_sizes, ("classes",))
    with faults.noted():
        choices = _operations(experiment.operations, limits)
    faults.raise_noted()
    return CellSpace(
        search_for=MICRO,
        cells=("normal", "reduce"),
        num_inputs=2,
        num_edges=2,
        num_nodes=num_nodes or NUM_NODES[MICRO],
        has_loose_ends=True,
        num_layers=experiment.num_layers,
        input_sizes=experiment.input_sizes,
        output_sizes=experiment.output_sizes,
        operations=choices,
    )


def _operations(given: Sequence[Operation], limits: EnasLimits) -> tuple[OperationChoice, ...]:
    """Each type with each of its filter sizes."""
    choices: list[OperationChoice] = []
    faults = Faults()
    types = [operation.type for operation in given]
    for index, operation in enumerate(given):
        where = f"nasConfig.operations[{index}]"
        with faults.noted():
            if operation.type in types[:index]:
                allowed = "a type may stand only once, with all of its filter sizes"
                raise InvalidExperiment(f"{where}.operationType", operation.type, allowed)
            choices += _choices(operation, where, limits)
    faults.raise_noted()
    check_enough(choices)
    return tuple(choices)


def _choices(operation: Operation, where: str, limits: EnasLimits) -> Iterator[OperationChoice]:
    known = [*FILTER_SIZES, SKIP_CONNECTION]
    if operation.type not in known:
        allowed = f"the operations of such a cell are {', '.join(known)}"
        raise InvalidExperiment(f"{where}.operationType", operation.type, allowed)
    values = operations.parameters(operation, where, limits)
    if operation.type == SKIP_CONNECTION and not values:
        yield OperationChoice(operation.type, ())
        return
    if operation.type == SKIP_CONNECTION or list(values) != [_FILTER_SIZE]:
        has = "no parameters" if operation.type == SKIP_CONNECTION else f"one parameter, {_FILTER_SIZE}"
        allowed = f"{operation.type} has {has}; how wide the network is, the trial's --init-channels says"
        raise InvalidExperiment(f"{where}.parameters", [*values], allowed)
    (parameter,), place = operation.parameters, f"{where}.parameters[0]"
    if parameter.type is not ParameterType.CATEGORICAL:
        # Katib's UI takes sizes for texts.
        raise InvalidExperiment(f"{place}.parameterType", parameter.type.value, "it must be categorical")
    sizes = [str(size) for size in FILTER_SIZES[operation.type]]
    for size in values[_FILTER_SIZE]:
        if size not in sizes:
            allowed = f"the filter sizes of {operation.type} are {', '.join(sizes)}"
            raise InvalidExperiment(f"{place}.feasibleSpace.list", size, allowed)
        yield OperationChoice(operation.type, ((_FILTER_SIZE, size),))
