import pytest

from katib_suggestion.errors import InvalidExperiment, one_line, shown


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
