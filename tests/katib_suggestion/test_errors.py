import re

import pytest

from katib_suggestion.errors import Faults, InvalidExperiment, one_line, shown, together


@pytest.mark.parametrize("value", ["", "a'b", 3, [1, 2], "x" * 198])
def test_a_short_value_is_shown_as_python_writes_it(value):
    assert shown(value) == repr(value)


def test_a_long_value_is_cut_and_its_length_told():
    assert shown("x" * 199) == "'" + "x" * 199 + "… (201 characters)"


def test_a_message_names_field_value_and_what_is_allowed():
    error = InvalidExperiment("algorithmSettings.w_lr", "x" * 10_000, "it must be a finite number")

    message = str(error)
    assert error.field == "algorithmSettings.w_lr"
    assert message.startswith("algorithmSettings.w_lr: 'xxx")
    assert message.endswith("… (10000 characters) is not allowed: it must be a finite number")
    assert len(message) < 300


def test_a_message_is_one_line_that_a_terminal_shows_as_it_is():
    assert one_line(ValueError("a\n b\tc\x1b[2J\0\ud800é")) == r"a b c\x1b[2J\x00\ud800é"
    assert one_line(KeyError()) == "KeyError"
    assert one_line(ValueError("x" * 2_001)) == "x" * 2_000 + "…"


def refused(*fields):
    """What is raised where each of these fields is wrong."""
    faults = Faults()
    try:
        for field in fields:
            with faults.noted():
                raise InvalidExperiment(field, 1, "it must not")
        faults.raise_noted()
    except InvalidExperiment as error:
        return error
    raise AssertionError("nothing was raised")


def test_what_is_wrong_is_gathered_and_said_in_one_line():
    error = refused("a", "b")
    assert [fault.field for fault in error.faults] == ["a", "b"]
    assert error.in_one_line == str(error) == "a: 1 is not allowed: it must not; b: 1 is not allowed: it must not"


def test_one_fault_is_itself():
    error = refused("a")
    assert type(error) is InvalidExperiment
    assert error.in_one_line == str(error) == "a: 1 is not allowed: it must not"
    assert error.faults == (error,)


def test_nothing_wrong_raises_nothing():
    faults = Faults()
    with faults.noted():
        pass
    faults.raise_noted()


def test_faults_inside_others_are_listed_with_them():
    faults = Faults()
    with faults.noted():
        raise refused("a", "b")
    with faults.noted():
        raise refused("c")
    with pytest.raises(InvalidExperiment) as caught:
        faults.raise_noted()
    assert [fault.field for fault in caught.value.faults] == ["a", "b", "c"]
    joined = together([refused("a", "b"), refused("c")])
    assert [fault.field for fault in joined.faults] == ["a", "b", "c"]


def test_other_errors_go_on():
    with pytest.raises(KeyError), Faults().noted():
        raise KeyError


def test_what_has_no_room_in_the_line_is_named():
    error = refused(*[f"nasConfig.graphConfig.field_{number}" for number in range(18)])
    line = error.in_one_line
    assert len(line) < 1_000
    assert line.startswith(
        "nasConfig.graphConfig.field_0: 1 is not allowed: it must not; nasConfig.graphConfig.field_1: "
    )
    told, _, named = line.partition("; also ")
    assert 3 < told.count("is not allowed") < 18
    assert re.findall(r"field_\d+", line) == [f"field_{number}" for number in range(18)]
    assert named.split(", ")[-1] == "nasConfig.graphConfig.field_17"


@pytest.mark.parametrize("field", ["x" * 450, "\x1b" * 300, "\N{GRINNING FACE}" * 2_000])
def test_a_line_of_many_faults_stays_short_and_counts_the_rest(field):
    error = refused(*[field] * 100_000)
    assert len(error.faults) == 20
    line = error.in_one_line
    assert line.isprintable()
    assert len(line) < 1_000
    assert re.search(r"; and \d+ more$", line)
