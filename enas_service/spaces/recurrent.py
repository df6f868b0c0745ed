"""Recurrent architectures: one cell, which reads a word at each step, for the language model of a trial.

Pham et al., 1802.03268, section 2.1. A node has one source, any node before it, and an activation function; node 0
reads the word and what the cell came to at the word before, and is the one input of the others.
"""

from collections.abc import Sequence

from darts_genotype.activations import ACTIVATIONS
from darts_genotype.enas_form import NUM_NODES, RECURRENT
from enas_service.spaces.cells import GRAPH, CellSpace, check_enough, check_sizes
from enas_service.spaces.operations import OperationChoice
from katib_suggestion.errors import Faults, InvalidExperiment
from katib_suggestion.experiment import Experiment, Operation

_MIN_WORDS = 3
"""Of a vocabulary: a word, what ends a line, and what stands for all other words."""


def of(experiment: Experiment, num_nodes: int | None) -> CellSpace:
    """Read an experiment.

    Args:
        experiment: its sizes are the number of words that the network knows.
        num_nodes: of the cell, without node 0; None for the usual number.

    Raises:
        InvalidExperiment: a size or an operation is none of what is allowed.
    """
    faults = Faults()
    with faults.noted():
        if experiment.num_layers != 1:
            allowed = "it must be 1: the network has one cell, which reads word after word"
            raise InvalidExperiment(f"{GRAPH}.numLayers", experiment.num_layers, allowed)
    with faults.noted():
        check_sizes("inputSizes", experiment.input_sizes, ("vocabulary",), _MIN_WORDS)
        check_sizes("outputSizes", experiment.output_sizes, ("vocabulary",), _MIN_WORDS)
        if experiment.input_sizes != experiment.output_sizes:
            allowed = f"it must be the same as inputSizes, {list(experiment.input_sizes)}: one vocabulary serves both"
            raise InvalidExperiment(f"{GRAPH}.outputSizes", list(experiment.output_sizes), allowed)
    with faults.noted():
        choices = _operations(experiment.operations)
    faults.raise_noted()
    return CellSpace(
        search_for=RECURRENT,
        cells=("recurrent",),
        num_inputs=1,
        num_edges=1,
        num_nodes=num_nodes or NUM_NODES[RECURRENT],
        has_loose_ends=False,
        num_layers=experiment.num_layers,
        input_sizes=experiment.input_sizes,
        output_sizes=experiment.output_sizes,
        operations=choices,
    )


def _operations(given: Sequence[Operation]) -> tuple[OperationChoice, ...]:
    """The activation functions."""
    choices: list[OperationChoice] = []
    faults = Faults()
    for index, operation in enumerate(given):
        where = f"nasConfig.operations[{index}]"
        with faults.noted():
            if operation.type not in ACTIVATIONS:
                allowed = f"the operations of a recurrent cell are {', '.join(ACTIVATIONS)}"
                raise InvalidExperiment(f"{where}.operationType", operation.type, allowed)
            if operation.parameters:
                names = [parameter.name for parameter in operation.parameters]
                raise InvalidExperiment(f"{where}.parameters", names, f"{operation.type} has no parameters")
            choice = OperationChoice(operation.type, ())
            if choice in choices:
                raise InvalidExperiment(f"{where}.operationType", operation.type, "a type may stand only once")
            choices.append(choice)
    faults.raise_noted()
    check_enough(choices)
    return tuple(choices)
