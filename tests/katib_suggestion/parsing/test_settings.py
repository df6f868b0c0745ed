from dataclasses import dataclass

import pytest

from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.parsing.settings import Interval, choice, integer, number, parse


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    rate: float = number(0.5, Interval(above=0, maximum=1))
    decay: float = number(0.1, Interval(minimum=0))
    steps: int = integer(3, Interval(minimum=1))
    size: int | None = integer(8, Interval(minimum=1), optional=True)
    optimizer: str = choice("sgd", "adam", "ftrl")


def test_what_is_not_given_takes_its_default() -> None:
    assert parse(Settings, []) == Settings(rate=0.5, decay=0.1, steps=3, size=8, optimizer="sgd")


def test_texts_become_typed_values() -> None:
    given = [("rate", "1e-3"), ("decay", "0"), ("steps", "12"), ("size", "None"), ("optimizer", "ftrl")]
    assert parse(Settings, given) == Settings(rate=0.001, decay=0.0, steps=12, size=None, optimizer="ftrl")


@pytest.mark.parametrize(("text", "hint"), [("", ""), ("Adam", "did you mean adam? "), ("x" * 10_000, "")])
def test_a_text_that_is_none_of_a_few_is_refused_with_the_nearest(text: str, hint: str) -> None:
    with pytest.raises(InvalidExperiment) as caught:
        parse(Settings, [("optimizer", text)])
    assert str(caught.value).endswith(f"is not allowed: {hint}it must be one of sgd, adam, ftrl")


def test_katibs_own_setting_is_known_and_left_alone() -> None:
    assert parse(Settings, [("suggestion_trial_dir", "/shared")]) == Settings()


@pytest.mark.fault(11)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(
            ("rate", text)
            for text in ("0", "1.0001", "-1", "nan", "inf", "-inf", "1e400", "", "abc", "None", "1_0", "٠")
        ),
        *(("decay", text) for text in ("-0.1", "nan", "inf", "1.1e30", "1e400", "None", " 1", "0x1")),
        *(
            ("steps", text)
            for text in ("0", "-3", "1.5", "1e3", "", "None", "99999999999999999999", "1_000", "9" * 5000)
        ),
        *(("size", text) for text in ("0", "none", "null", "2147483648")),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(InvalidExperiment) as caught:
        parse(Settings, [(name, text)])
    message = str(caught.value)
    assert message.startswith(f"algorithmSettings.{name}: ")
    assert text[:100] in message
    assert "it must be" in message
    assert len(message) < 500


@pytest.mark.fault(11)
def test_a_setting_given_twice_is_refused() -> None:
    with pytest.raises(InvalidExperiment, match=r"algorithmSettings\.steps: '4' .*given twice"):
        parse(Settings, [("steps", "3"), ("steps", "4")])


def test_an_unknown_setting_is_refused_with_the_closest_and_all_known() -> None:
    with pytest.raises(InvalidExperiment) as caught:
        parse(Settings, [("step", "3")])
    message = str(caught.value)
    assert "'step'" in message
    assert "did you mean steps?" in message
    assert "rate, decay, steps, size, optimizer, suggestion_trial_dir" in message


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (Interval(minimum=1), ">= 1"),
        (Interval(above=0, maximum=1), "> 0 and <= 1"),
        (Interval(minimum=1e-6, maximum=1_000_000), ">= 1e-06 and <= 1000000"),
        (Interval(minimum=0, maximum=2147483647), ">= 0 and <= 2147483647"),
        (Interval(above=0, maximum=1e30), "> 0 and <= 1e+30"),
    ],
)
def test_an_interval_reads_as_a_rule(interval: Interval, text: str) -> None:
    assert str(interval) == text
