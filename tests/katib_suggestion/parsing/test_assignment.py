import json

import pytest

from katib_suggestion.parsing import assignment


@pytest.mark.parametrize(
    "value",
    [
        [[27], [29, 0], [22, 1, 0]],
        {"num_layers": 8, "opt_params": {"filter_size": "7", "pool_size": 2, "rate": 0.5}, "none": None, "on": True},
        ["separable_convolution_3x3", "skip_connection"],
        "größe 3",
        [],
    ],
)
def test_a_value_goes_both_ways(value: assignment.JSON) -> None:
    text = assignment.encode(value)
    assert '"' not in text
    assert assignment.decode(text) == value
    assert assignment.decode(f' "{text}" ') == value, "with the literal quotes that no shell stripped"
    assert assignment.encode(assignment.decode(text)) == text


def test_the_text_is_json_in_single_quotes() -> None:
    assert assignment.encode({"a": ["x", 1, None]}) == "{'a': ['x', 1, null]}"


def test_plain_json_is_read_too() -> None:
    assert assignment.decode('["a", 1]') == ["a", 1]


@pytest.mark.fault(10)
@pytest.mark.parametrize("text", ["it's", 'a"b', "a\\b", "$HOME", "$(id)", "`id`", "a\nb", "a\0b", "a\x7fb", "\u2028"])
@pytest.mark.parametrize(
    "wrap", [lambda text: text, lambda text: [text], lambda text: {text: 1}, lambda text: {"a": text}]
)
def test_what_a_shell_or_json_would_take_apart_is_refused(text: str, wrap: object) -> None:
    with pytest.raises(assignment.MalformedAssignment, match="may not be passed to a trial"):
        assignment.encode(wrap(text))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [-float("inf")]])
def test_a_number_that_is_none_is_refused(value: assignment.JSON) -> None:
    with pytest.raises(assignment.MalformedAssignment):
        assignment.encode(value)


@pytest.mark.parametrize(
    "text",
    ["", '"', "[1, 2", "[NaN]", "[Infinity]", "{'a': 1, 'a': 2}", "['a\", 1]", "[" * 100_000, "__import__('os')"],
)
def test_what_is_no_value_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(assignment.MalformedAssignment) as caught:
        assignment.decode(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_katibs_user_interface_can_read_both_texts() -> None:
    architecture = assignment.encode([[1], [0, 1]])
    nn_config = assignment.encode({"embedding": {"0": {"opt_id": 0}}})
    assert json.loads(architecture) == [[1], [0, 1]]
    assert json.loads(nn_config.replace("'", '"')) == {"embedding": {"0": {"opt_id": 0}}}
