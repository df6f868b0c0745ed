import math
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from enas_service.spaces import values
from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.experiment import Distribution, Parameter, ParameterType

DOUBLE, INT = ParameterType.DOUBLE, ParameterType.INT
DISCRETE, CATEGORICAL = ParameterType.DISCRETE, ParameterType.CATEGORICAL
UNIFORM, LOG_UNIFORM = Distribution.UNIFORM, Distribution.LOG_UNIFORM
NORMAL, LOG_NORMAL = Distribution.NORMAL, Distribution.LOG_NORMAL


def ranged(kind, minimum, maximum, step="", distribution=UNIFORM):
    parameter = Parameter(name="p", type=kind, minimum=minimum, maximum=maximum, step=step, distribution=distribution)
    return values.of(parameter, "parameters[0].feasibleSpace")


def listing(kind, *texts, distribution=UNIFORM):
    parameter = Parameter(name="p", type=kind, values=texts, distribution=distribution)
    return values.of(parameter, "parameters[0].feasibleSpace")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((DOUBLE, "0.1", "0.3", "0.1"), ["0.1", "0.2", "0.3"]),
        ((DOUBLE, "1", "2", "0.5"), ["1.0", "1.5", "2.0"]),
        ((DOUBLE, "1e-5", "2e-5", "1e-5"), ["1e-05", "2e-05"]),
        ((DOUBLE, "1e-5", "2e-5", "1e-5", LOG_UNIFORM), ["1e-05", "2e-05"]),
        ((DOUBLE, "0.5", "0.5"), ["0.5"]),
        ((INT, "2", "5"), ["2", "3", "4", "5"]),
        ((INT, "-1", "4", "2"), ["-1", "1", "3"]),
        ((INT, "1", "3", "", LOG_NORMAL), ["1", "2", "3"]),
        ((INT, "0", "99"), [str(number) for number in range(100)]),
    ],
)
def test_a_range_with_few_values_is_all_of_them_in_katibs_spelling(arguments, expected):
    assert list(ranged(*arguments).texts) == expected


def test_what_is_listed_keeps_its_text_and_numbers_their_order():
    assert listing(DISCRETE, "64", "0.50", "1e2", "32").texts == ("0.50", "32", "64", "1e2")
    assert listing(CATEGORICAL, "sgd", "adam").texts == ("sgd", "adam")


def test_a_double_without_a_step_is_16_values_evenly_apart():
    made = ranged(DOUBLE, "0.01", "0.03")
    numbers = [float(text) for text in made.texts]
    assert (len(numbers), made.texts[0], made.texts[-1]) == (16, "0.01", "0.03")
    assert numbers == pytest.approx([0.01 + place * 0.02 / 15 for place in range(16)], abs=0.01 * 0.02 / 15)
    assert f"even: {', '.join(made.texts)}" in made.note
    assert max(map(len, made.texts)) <= len("0.01133")


def test_log_uniform_is_even_in_the_logarithm():
    numbers = [float(text) for text in ranged(DOUBLE, "1e-5", "1e-1", "", LOG_UNIFORM).texts]
    ratios = [after / before for before, after in pairwise(numbers)]
    assert len(numbers) == 16
    assert (numbers[0], numbers[-1]) == (1e-5, 1e-1)
    assert ratios == pytest.approx([10 ** (4 / 15)] * 15, rel=0.02)


def test_an_int_with_too_many_values_is_some_of_them():
    even = [int(text) for text in ranged(INT, "0", "1000", "7").texts]
    assert (even[0], even[-1], len(even)) == (0, 994, 16)
    assert all(number % 7 == 0 for number in even)
    logarithmic = [int(text) for text in ranged(INT, "1", "1000", "", LOG_UNIFORM).texts]
    assert logarithmic == [round(1000 ** (place / 15)) for place in range(16)]


@pytest.mark.parametrize(("distribution", "scale"), [(NORMAL, float), (LOG_NORMAL, math.log)])
def test_normal_distributions_are_at_their_quantiles(distribution, scale):
    """Half of the values within two thirds of a standard deviation, which is a sixth of the range."""
    numbers = [scale(float(text)) for text in ranged(DOUBLE, "0.5", "8", "", distribution).texts]
    middle, deviation = (scale(0.5) + scale(8)) / 2, (scale(8) - scale(0.5)) / 6
    distances = sorted(abs(number - middle) / deviation for number in numbers)
    assert len(distances) == 16
    assert distances[7] < 0.6745 < distances[8]
    assert distances[-1] == pytest.approx(1.863, abs=0.02)


@given(
    ends=st.tuples(*[st.decimals(-(10**6), 10**6, places=6)] * 2).map(sorted),
    kind=st.sampled_from([DOUBLE, INT]),
    distribution=st.sampled_from(list(Distribution)),
)
def test_any_range_is_at_most_100_numbers_inside_it_from_small_to_large(ends, kind, distribution):
    minimum, maximum = (Decimal(int(end)) if kind is INT else end for end in ends)
    assume(minimum > 0 or distribution in (UNIFORM, NORMAL))
    texts = ranged(kind, str(minimum), str(maximum), "", distribution).texts
    numbers = [Decimal(text) for text in texts]
    assert 1 <= len(numbers) <= values.MAX_VALUES
    assert float(minimum) <= float(numbers[0])
    assert float(numbers[-1]) <= float(maximum)
    assert all(before < after for before, after in pairwise(numbers))


@pytest.mark.parametrize(
    ("make", "field", "said"),
    [
        (lambda: ranged(DOUBLE, "0", "1", "", LOG_UNIFORM), "min", "'0' .*> 0 where the distribution is logUniform"),
        (lambda: ranged(DOUBLE, "0", "1", "0.001"), "step", "more than 100 values; without a step, 16 are made"),
        (lambda: ranged(DOUBLE, "1", "0"), "min", "'1' .*at most max"),
        (lambda: ranged(INT, "1", "2.5"), "max", "'2.5'"),
        (lambda: ranged(INT, "1", "5", "0"), "step", "'0'"),
        (lambda: listing(CATEGORICAL, *map(str, range(101))), "list", "101 .*at most 100 values"),
        (lambda: listing(CATEGORICAL), "list", "lists its values"),
        (lambda: listing(CATEGORICAL, "$(id)"), "list", "without quotes"),
        (lambda: listing(DISCRETE, "1", "1.0"), "list", "may stand only once"),
        (lambda: listing(DISCRETE, "1\n"), "list", "without quotes"),
        (lambda: listing(DISCRETE, "one"), "list", "a finite number"),
    ],
)
def test_what_is_no_choice_is_refused_by_name(make, field, said):
    with pytest.raises(InvalidExperiment, match=rf"^parameters\[0\]\.feasibleSpace\.{field}: .*{said}"):
        make()
