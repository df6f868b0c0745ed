"""Katib's rules for metrics, case by case."""

from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from katib_local.manifest.experiment import Collector, MetricsFormat, Objective, Strategy
from katib_local.record import collector
from katib_local.record.collector import NO_TIME, MalformedMetrics, Point
from katib_suggestion.experiment import Direction

GENOTYPE = "Genotype(normal=[[('max_pooling_3x3',0),('max_pooling_3x3',1)]],normal_concat=range(2,3),reduce=[])"


def text(*filters: str) -> Collector:
    return Collector(path=None, format=MetricsFormat.TEXT, filters=filters)


JSON = Collector(path="/m/m.log", format=MetricsFormat.JSON, filters=())


def pairs(output: str, metrics: tuple[str, ...], source: Collector) -> list[tuple[str, str]]:
    return [(point.metric, point.value) for point in collector.collect(BytesIO(output.encode()), metrics, source)]


def point(value: str, metric: str = "x", time: datetime = NO_TIME) -> Point:
    return Point(metric=metric, value=value, time=time)


def objective(
    strategy: Strategy = Strategy.MAX, additional: dict[str, Strategy] | None = None, metric: str = "x"
) -> Objective:
    return Objective(
        metric=metric,
        direction=Direction.MAXIMIZE,
        goal=None,
        additional_metrics=tuple(additional or {}),
        strategies={metric: strategy, **(additional or {})},
    )


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("x=1", [("x", "1")]),
        ("x = 0.5", [("x", "0.5")]),
        ("x=-1.5e-3, y=+2", [("x", "-1.5e-3"), ("y", "+2")]),
        ("2024-01-01T00:00:00Z epoch 1: x=1 y=2 x=3", [("x", "1"), ("y", "2"), ("x", "3")]),
        ("z=1", []),
        ("xx=1", []),
        ("max-x=1 x=2", [("x", "2")]),
        ("x=nan", [("x", "")]),
        ("x=", [("x", "")]),
        ("x: 1", []),
        ("[Gloo] Rank 0 is connected to 1 peer ranks. Expected number of connected peer ranks is : 1", []),
        ("the x is good", []),
        ("50%|####  | x=1\r100%|#####| x=2", [("x", "1"), ("x", "2")]),
        ("x=1.2.3", [("x", "1.2")]),
        ("äx=1", [("x", "1")]),
        ("x=１", [("x", "")]),
    ],
)
def test_default_pattern(output: str, expected: list[tuple[str, str]]) -> None:
    assert pairs(output, ("x", "y"), text()) == expected


def test_filters_take_the_place_of_the_default_pattern() -> None:
    output = f"x=1 Best-Genotype={GENOTYPE}"
    assert pairs(output, ("x", "Best-Genotype"), text(r"([\w-]+)=(Genotype.*)")) == [("Best-Genotype", GENOTYPE)]


def test_several_filters_run_one_after_the_other() -> None:
    output = "acc: 0.5; x=1"
    source = text(r"([\w-]+)=(\d+)", r"(\w+): (\S+);")
    assert pairs(output, ("acc", "x"), source) == [("x", "1"), ("acc", "0.5")]


def test_a_group_that_took_no_part_is_empty() -> None:
    assert pairs("x=", ("x",), text(r"(\w+)=(\d+)?")) == [("x", "")]


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("2024-03-01T10:20:30Z", datetime(2024, 3, 1, 10, 20, 30, tzinfo=UTC)),
        ("2024-03-01T12:20:30+02:00", datetime(2024, 3, 1, 10, 20, 30, tzinfo=UTC)),
        ("2024-03-01T10:20:30.123456789Z", datetime(2024, 3, 1, 10, 20, 30, 123456, tzinfo=UTC)),
        ("2024-03-01T10:20:30.5Z", datetime(2024, 3, 1, 10, 20, 30, 500000, tzinfo=UTC)),
        ("2024-03-01T10:20:30", NO_TIME),
        ("2024-13-01T10:20:30Z", NO_TIME),
        ("2024-03-01", NO_TIME),
        ("10:20:30", NO_TIME),
    ],
)
def test_timestamps(stamp: str, expected: datetime) -> None:
    assert collector.collect(BytesIO(f"{stamp} x=1".encode()), ["x"], text()) == [point("1", time=expected)]


def test_a_timestamp_without_a_blank_after_it_counts_for_nothing() -> None:
    assert collector.collect(BytesIO(b"2024-03-01T10:20:30Z\tx=1"), ["x"], text()) == [point("1")]


def test_binary_bytes_do_no_harm() -> None:
    output = b"\xff\xfe\x00 x=1 \x80\n\x00\xff\nx=2\n"
    assert [item.value for item in collector.collect(BytesIO(output), ["x"], text())] == ["1", "2"]


def test_json_lines_hold_texts() -> None:
    lines = [
        '{"x": "1", "y": "2", "timestamp": "2024-03-01T10:20:30Z"}',
        '{"x": 2}',
        "",
        '{"x": "3", "timestamp": 1709288430.5}',
        '{"x": "4", "timestamp": "yesterday"}',
    ]
    output = "\n".join(lines)
    first = datetime(2024, 3, 1, 10, 20, 30, tzinfo=UTC)
    assert collector.collect(BytesIO(output.encode()), ["x", "y"], JSON) == [
        point("1", time=first),
        point("2", metric="y", time=first),
        point("3", time=first.replace(microsecond=500000)),
        point("4"),
    ]


@pytest.mark.parametrize("line", ["x=1", "[1]", "{", '{"x": "1"} {}'])
def test_a_line_that_is_no_json_object_is_refused(line: str) -> None:
    with pytest.raises(MalformedMetrics, match="line 2"):
        collector.collect(BytesIO(f'{{"x": "1"}}\n{line}'.encode()), ["x"], JSON)


@pytest.mark.parametrize(
    ("values", "strategy", "expected"),
    [
        (["1", "3", "2"], Strategy.MAX, "3"),
        (["1", "3", "2"], Strategy.MIN, "1"),
        (["1", "3", "2"], Strategy.LATEST, "2"),
        (["10", "9"], Strategy.MAX, "10"),
        (["1.0", "1"], Strategy.MAX, "1.0"),
        (["1", ""], Strategy.MAX, "1"),
        (["1", ""], Strategy.LATEST, ""),
        ([""], Strategy.MAX, ""),
        (["a", "b"], Strategy.MAX, "b"),
        (["a", "b"], Strategy.MIN, "b"),
        (["1", "b"], Strategy.MAX, "1"),
        (["1", "1e400"], Strategy.MAX, "1"),
        (["1", "inf"], Strategy.MAX, "inf"),
        (["nan", "1"], Strategy.MAX, "nan"),
        (["1", "nan"], Strategy.MAX, "1"),
    ],
)
def test_strategies(values: list[str], strategy: Strategy, expected: str) -> None:
    assert collector.observe([point(value) for value in values], objective(strategy)) == {"x": expected}


def test_latest_is_by_time_and_then_by_order() -> None:
    early, late = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)
    points = [point("late", time=late), point("early", time=early), point("none"), point("late too", time=late)]
    assert collector.observe(points, objective(Strategy.LATEST)) == {"x": "late too"}
    assert collector.observe(points[:3], objective(Strategy.LATEST)) == {"x": "late"}


def test_without_the_objective_there_is_no_observation() -> None:
    assert collector.observe([point("1", metric="y")], objective(additional={"y": Strategy.MAX})) is None
    assert collector.observe([], objective()) is None


def test_an_additional_metric_that_never_came_is_unavailable() -> None:
    assert collector.observe([point("1")], objective(additional={"y": Strategy.MIN})) == {"x": "1", "y": "unavailable"}


@pytest.mark.parametrize(
    ("written", "expected"),
    [("1", 1.0), ("+1e3", 1000.0), (".5", 0.5), ("5.", 5.0), ("-Inf", float("-inf")), ("Infinity", float("inf"))],
)
def test_numbers_as_go_reads_them(written: str, expected: float) -> None:
    assert collector.number(written) == expected


@pytest.mark.parametrize("written", ["", "1_000", " 1", "1e400", "1,5", "e5", ".", "１", "0.5x"])
def test_texts_that_go_does_not_read_as_numbers(written: str) -> None:
    assert collector.number(written) is None


REPORTED = b"""2024-03-01T10:20:30Z x=1 y = 2.5e-3 Best-Genotype=Genotype(normal=[])
{"x": "1", "y": "0.5", "timestamp": "2024-03-01T10:20:30.123456789+02:00"}
{"x": "nan", "timestamp": 1e300}
"""


@given(st.data())
def test_whatever_a_trial_writes_is_read_or_called_malformed(bad: Any, data: st.DataObject) -> None:
    output = data.draw(bad.content(REPORTED) | st.binary())
    for source in (text(), text(r"(\w+)=(.*)", r"(?s)(.*)x(.*)"), JSON):
        try:
            points = collector.collect(BytesIO(output), ["x", "y"], source)
        except MalformedMetrics:
            assert source is JSON
            continue
        assert {point.metric for point in points} <= {"x", "y"}
        collector.observe(points, objective(additional={"y": Strategy.MIN}))


@pytest.mark.parametrize(
    ("filters", "values"),
    [((), ["1"]), ((r"((?:\w+)*)+=(\d)",), ["1"]), ((r"(.*)(.*)(.*)(.*)=(\d)",), [])],
)
def test_a_line_without_end_takes_no_time_without_end(filters: tuple[str, ...], values: list[str]) -> None:
    # To try every way to match would take hours; the test's own time limit would end that.
    output = b"x" * 5_000_000 + b"\n\xff\0x=1\n"
    assert [item.value for item in collector.collect(BytesIO(output), ["x"], text(*filters))] == values


def test_a_trial_that_reports_without_end_has_no_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "MAX_POINTS", 100)
    assert len(collector.collect(BytesIO(b"x=1\n" * 100), ["x"], text())) == 100
    for flood in (b"x=1\n" * 101, b"x=" + b"1" * 100_000):
        with pytest.raises(MalformedMetrics, match="more than 100 values"):
            collector.collect(BytesIO(flood), ["x"], text())
