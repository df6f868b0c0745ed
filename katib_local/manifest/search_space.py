"""The manifest's search space: nasConfig, or plain parameters."""

from collections.abc import Iterable

from katib_local.manifest.checks import given, one_of, text
from katib_local.manifest.experiment import NasConfig, OperationSpec, ParameterSpec
from katib_local.manifest.resources import V1beta1ExperimentSpec, V1beta1NasConfig, V1beta1ParameterSpec
from katib_suggestion.errors import Faults, InvalidExperiment
from katib_suggestion.experiment import Distribution, Operation, Parameter, ParameterType
from katib_suggestion.parsing import operations
from katib_suggestion.parsing.operations import Value

_PARAMETER_TYPES = ("double", "int", "discrete", "categorical")
_DISTRIBUTIONS = ("uniform", "logUniform", "normal", "logNormal")


def read(spec: V1beta1ExperimentSpec) -> tuple[NasConfig | None, tuple[ParameterSpec, ...]]:
    """Read the one that is given; what its values mean is for the suggestion service to check.

    Raises:
        InvalidExperiment: both are given or neither, or a part is missing or none of what Katib knows.
    """
    if (spec.nas_config is None) == (not spec.parameters):
        found = "both" if spec.parameters else "neither"
        raise InvalidExperiment("spec", found, "exactly one of nasConfig and parameters must be given")
    if spec.nas_config is not None:
        return _nas(spec.nas_config), ()
    return None, _parameters(spec.parameters, "spec.parameters", default_distribution="uniform")


def values(operation: OperationSpec, where: str) -> dict[str, tuple[Value, ...]]:
    """List each parameter of an operation with its values.

    Args:
        operation: as read.
        where: where it stands in the manifest, for errors.

    Raises:
        InvalidExperiment: see `katib_suggestion.parsing.operations.parameters`.
    """
    parameters = tuple(
        Parameter(
            name=item.name,
            type=ParameterType(item.type),
            minimum=item.minimum,
            maximum=item.maximum,
            step=item.step,
            values=item.values,
            distribution=Distribution(item.distribution or "uniform"),
        )
        for item in operation.parameters
    )
    return operations.parameters(Operation(type=operation.type, parameters=parameters), where)


def _nas(config: V1beta1NasConfig) -> NasConfig:
    path = "spec.nasConfig.graphConfig"
    graph = config.graph_config
    faults = Faults()
    with faults.noted():
        num_layers = _int32((graph.num_layers if graph else None) or 0, f"{path}.numLayers")
    with faults.noted():
        input_sizes = _sizes(graph.input_sizes if graph else None, f"{path}.inputSizes")
    with faults.noted():
        output_sizes = _sizes(graph.output_sizes if graph else None, f"{path}.outputSizes")
    read_operations = []
    for index, item in enumerate(config.operations or []):
        with faults.noted():
            parameters = _parameters(item.parameters, f"spec.nasConfig.operations[{index}].parameters")
            read_operations.append(OperationSpec(type=item.operation_type or "", parameters=parameters))
    faults.raise_noted()
    return NasConfig(
        num_layers=num_layers, input_sizes=input_sizes, output_sizes=output_sizes, operations=tuple(read_operations)
    )


def _sizes(values: Iterable[int] | None, path: str) -> tuple[int, ...]:
    return tuple(_int32(value, f"{path}[{index}]") for index, value in enumerate(values or []))


def _int32(value: int, field: str) -> int:
    """Check an integer that Katib keeps in 32 bits; what it means is for the service to check."""
    if not -(2**31) <= value < 2**31:
        raise InvalidExperiment(field, value, f"it must be an integer from {-(2**31)} to {2**31 - 1}")
    return value


def _parameters(
    specs: Iterable[V1beta1ParameterSpec] | None, path: str, default_distribution: str = ""
) -> tuple[ParameterSpec, ...]:
    parameters = []
    faults = Faults()
    for index, spec in enumerate(specs or []):
        with faults.noted():
            parameters.append(_parameter(spec, f"{path}[{index}]", default_distribution))
    faults.raise_noted()
    return tuple(parameters)


def _parameter(spec: V1beta1ParameterSpec, where: str, default_distribution: str) -> ParameterSpec:
    faults = Faults()
    with faults.noted():
        name = text(spec.name, f"{where}.name")
    with faults.noted():
        kind = one_of(spec.parameter_type, _PARAMETER_TYPES, f"{where}.parameterType")
    with faults.noted():
        space = given(spec.feasible_space, f"{where}.feasibleSpace")
        distribution = space.distribution or default_distribution
        if distribution:
            one_of(distribution, _DISTRIBUTIONS, f"{where}.feasibleSpace.distribution")
    faults.raise_noted()
    return ParameterSpec(
        name=name,
        type=kind,
        minimum=space.min or "",
        maximum=space.max or "",
        step=space.step or "",
        values=tuple(space.list or []),
        distribution=distribution,
    )
