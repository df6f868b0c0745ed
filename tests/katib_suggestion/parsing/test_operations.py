import pytest

from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.experiment import Distribution, Operation, Parameter, ParameterType
from katib_suggestion.parsing.operations import parameters, values

DOUBLE, INT = ParameterType.DOUBLE, ParameterType.INT
DISCRETE, CATEGORICAL = ParameterType.DISCRETE, ParameterType.CATEGORICAL


def a(kind: ParameterType, minimum: str = "", maximum: str = "", step: str = "", *listed: str) -> Parameter:
    return Parameter(name="p", type=kind, minimum=minimum, maximum=maximum, step=step, values=listed)


@pytest.mark.fault(10)
@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        (a(DOUBLE, "0", "1", ".3"), (0.0, 0.3, 0.6, 0.9)),
        (a(DOUBLE, "0.1", "0.3", "0.1"), (0.1, 0.2, 0.3)),
        (a(DOUBLE, "-1e-1", "1e-1", "1e-1"), (-0.1, 0.0, 0.1)),
        (a(DOUBLE, "0.5", "0.5", "1"), (0.5,)),
        (a(INT, "2", "3", "1"), (2, 3)),
        (a(INT, "2", "4"), (2, 3, 4)),
        (a(INT, "1", "6", "2"), (1, 3, 5)),
        (a(INT, "-1", "1"), (-1, 0, 1)),
        (a(DISCRETE, "", "", "", "3", "5", "0.5"), (3, 5, 0.5)),
        (a(CATEGORICAL, "", "", "", "3", "max_pooling"), ("3", "max_pooling")),
    ],
)
def test_a_space_lists_its_values_both_ends_included(parameter: Parameter, expected: tuple[object, ...]) -> None:
    listed = values(parameter, "here")
    assert listed == expected
    assert [type(value) for value in listed] == [type(value) for value in expected]


@pytest.mark.fault(10)
@pytest.mark.parametrize(
    ("parameter", "field", "given"),
    [
        (a(INT, "1", "3", "0"), "step", "'0'"),
        (a(INT, "1", "3", "-1"), "step", "'-1'"),
        (a(INT, "1", "3", "x"), "step", "'x'"),
        (a(INT, "3", "1"), "min", "'3'"),
        (a(INT, "", "3"), "min", "''"),
        (a(INT, "1", ""), "max", "''"),
        (a(INT, "2.0", "3"), "min", "'2.0'"),
        (a(INT, "1", "1_0"), "max", "'1_0'"),
        (a(INT, "1", "99999999999"), "max", "'99999999999'"),
        (a(INT, "0", "1000000"), "step", "''"),
        (a(DOUBLE, "0", "1"), "step", "''"),
        (a(DOUBLE, "0", "nan", "1"), "max", "'nan'"),
        (a(DOUBLE, "-inf", "1", "1"), "min", "'-inf'"),
        (a(DOUBLE, "0", "1", "1e-9"), "step", "'1e-9'"),
        (a(DOUBLE, "0", "1e999999999", "1"), "max", "'1e999999999'"),
        (a(DISCRETE, "1", "3"), "list", "[]"),
        (a(DISCRETE, "", "", "", "1", "x"), "list", "'x'"),
        (a(DISCRETE, "", "", "", "1", "1.0"), "list", "'1.0'"),
        (a(CATEGORICAL), "list", "[]"),
        (a(CATEGORICAL, "", "", "", "a", "a"), "list", "'a'"),
        (a(CATEGORICAL, "", "", "", "it's"), "list", "s"),
        (a(CATEGORICAL, "", "", "", "$(id)"), "list", "'$(id)'"),
    ],
)
def test_a_space_that_cannot_be_listed_is_refused_by_name(parameter: Parameter, field: str, given: str) -> None:
    with pytest.raises(InvalidExperiment) as caught:
        values(parameter, "nasConfig.operations[0].parameters[0].feasibleSpace")
    assert str(caught.value).startswith(f"nasConfig.operations[0].parameters[0].feasibleSpace.{field}: ")
    assert given in str(caught.value)


def test_a_distribution_that_a_list_cannot_follow_is_refused() -> None:
    parameter = Parameter(name="p", type=INT, minimum="1", maximum="2", distribution=Distribution.LOG_UNIFORM)
    with pytest.raises(InvalidExperiment, match=r"here\.distribution: 'logUniform'"):
        values(parameter, "here")


@pytest.mark.fault(10)
@pytest.mark.parametrize("names", [["p", "p"], [""], ["it's"]])
def test_names_of_parameters_are_checked(names: list[str]) -> None:
    operation = Operation(
        type="convolution",
        parameters=tuple(Parameter(name=name, type=CATEGORICAL, values=("3",)) for name in names),
    )
    with pytest.raises(InvalidExperiment, match=rf"operations\[0\]\.parameters\[{len(names) - 1}\]\.name"):
        parameters(operation, "nasConfig.operations[0]")
