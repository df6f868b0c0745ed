"""How counts and times are said."""

import pytest

from katib_local import wording


@pytest.mark.parametrize(
    ("seconds", "digits", "said"),
    [
        (0.04, 1, "0.0 s"),
        (2.54, 1, "2.5 s"),
        (2.54, 0, "3 s"),
        (59.4, 1, "59.4 s"),
        (60, 1, "1 min 00 s"),
        (3599, 0, "59 min 59 s"),
        (3600, 1, "1 h 00 min"),
        (90061, 1, "25 h 01 min"),
    ],
)
def test_duration(seconds: float, digits: int, said: str) -> None:
    assert wording.duration(seconds, digits) == said


def test_no_trials() -> None:
    assert wording.counts([]) == "no trials"
