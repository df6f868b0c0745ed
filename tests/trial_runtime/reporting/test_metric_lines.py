import math
import re
from datetime import UTC, datetime, timedelta

import pytest

from trial_runtime.reporting.metric_lines import MetricError, now, report

KATIBS_PATTERN = re.compile(r"([\w|-]+)\s*=\s*([+-]?\d*(\.\d+)?([Ee][+-]?\d+)?)")
"""The metrics collector's own."""


def test_katibs_pattern_reads_every_value_back(capfd):
    metrics = {"Train-Loss": 0.5, "tiny": 1.25e-07, "huge": -3e20, "whole": 12, "zero": 0.0, "digits": 123_456_789}

    report(metrics, epoch=3)

    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 1
    assert {match[1]: float(match[2]) for match in KATIBS_PATTERN.finditer(lines[0])} == metrics


def test_the_time_stands_first_with_one_blank_after_it(capfd):
    report({"x": 1.0})
    report({"x": 1.0}, epoch=7)

    plain, with_epoch = capfd.readouterr().out.splitlines()
    stamp, rest = plain.split(" ", 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", stamp)
    assert abs(datetime.now(UTC) - datetime.fromisoformat(stamp)) < timedelta(minutes=1)
    assert rest == "x=1"
    assert with_epoch.split(" ", 1)[1] == "epoch 7: x=1"


def test_a_line_can_be_printed_again_with_its_time(capfd):
    time = now()
    report({"x": 1.0}, epoch=1, time=time)
    report({"x": 1.0}, epoch=1, time=time)

    first, again = capfd.readouterr().out.splitlines()
    assert first == again == f"{time} epoch 1: x=1"


def test_a_text_is_written_as_it_is(capfd):
    report({"Best-Genotype": "Genotype(normal=[[('max_pooling_3x3',0)]])"})

    assert (
        re.search(r"([\w-]+)=(Genotype.*)", capfd.readouterr().out)[2] == "Genotype(normal=[[('max_pooling_3x3',0)]])"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("x", math.nan), ("x", math.inf), ("x", -math.inf), ("x", ""), ("x", "a b"), ("x", "a\nb"), ("x y", 1), ("", 1)],
)
def test_what_the_collector_would_misread_is_refused(name, value, capfd):
    with pytest.raises(MetricError, match="metric"):
        report({"fine": 1.0, name: value})

    assert capfd.readouterr().out == ""
