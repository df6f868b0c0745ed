"""Tables that fit."""

import io

import pytest
from rich.console import Console

from katib_local.showing import columns
from katib_local.showing.columns import Column

COLUMNS = [
    Column(title="trial", cells=["mini-0001", "mini-0002"]),
    Column(title="condition", cells=["succeeded", "failed"], rank=1),
    Column(title="Validation-Accuracy", cells=["0.5", ""]),
    Column(title="time", cells=["2 s", "12 s"], rank=2, is_right=True),
]


def drawn(width: int | None, section_before: int | None = None) -> list[str]:
    console = Console(file=io.StringIO(), width=width or 1000)
    with console.capture() as captured:
        console.print(columns.table(COLUMNS, width, section_before=section_before))
    return [line.rstrip() for line in captured.get().splitlines()]


@pytest.mark.parametrize("width", [None, 200, 44 + 3])
def test_where_there_is_room_nothing_is_cut(width: int | None) -> None:
    assert drawn(width) == [
        "trial      condition  Validation-Accuracy  time",
        "───────────────────────────────────────────────",
        "mini-0001  succeeded  0.5                   2 s",
        "mini-0002  failed                          12 s",
    ]


def test_titles_are_folded_before_a_column_is_left_out() -> None:
    assert drawn(46)[:2] == ["                      Validation-", "trial      condition  Accuracy     time"]
    assert drawn(39)[1] == "trial      condition  Accuracy     time"
    assert drawn(38)[1] == "trial      condition  Accuracy"
    assert drawn(24)[1] == "trial      Accuracy"


def test_what_stays_is_squeezed_where_nothing_helps() -> None:
    assert max(map(len, drawn(16))) <= 16
    assert "mini-0…  0.5" in " ".join(drawn(16))


def test_a_line_between_sections() -> None:
    assert drawn(None, section_before=1)[3] == ""


def test_markdown() -> None:
    assert columns.markdown(COLUMNS, None) == [
        "| trial     | condition | Validation-Accuracy | time |",
        "|-----------|-----------|---------------------|-----:|",
        "| mini-0001 | succeeded | 0.5                 |  2 s |",
        "| mini-0002 | failed    |                     | 12 s |",
    ]
    assert columns.markdown(COLUMNS, 47)[0] == "| trial     | condition | Validation-Accuracy |"
    assert columns.markdown([Column(title="a", cells=["b|c"])], None)[2] == r"| b\|c |"
