"""Reasons name the line, and what Katib's rule makes of it."""

from io import BytesIO

import pytest

from katib_local.manifest.experiment import Collector, MetricsFormat
from katib_local.record import diagnosis
from katib_local.record.collector import UNAVAILABLE

JSON = Collector(path="/m/m.log", format=MetricsFormat.JSON, filters=())


def text(*filters: str) -> Collector:
    return Collector(path=None, format=MetricsFormat.TEXT, filters=filters)


def of(output: str, value: str | None, source: Collector, metric: str = "acc") -> str:
    return diagnosis.of(BytesIO(output.encode()), metric, value, source)


@pytest.mark.parametrize(
    ("output", "source", "said"),
    [
        ("", text(), "its output has no acc"),
        ("done\n", text(), "its output has no acc"),
        ("epoch 1: loss=1 Acc=2\n", text(), "its output has no acc, but loss, Acc"),
        (
            "start\nacc: 0.5\n",
            text(),
            r"line 2, 'acc: 0.5': it does not match Katib's default metricsFormat, ([\w|-]+)",
        ),
        ("acc 1\nacc 2\n", text(r"(\w+)=(\d)"), r"line 2, 'acc 2': it does not match metricsFormat, (\w+)=(\d)"),
        (
            "val/acc=0.5\n",
            text(r"(\w+/\w+)=(\S+)"),
            "line 1, 'val/acc=0.5': metricsFormat finds val/acc=0.5 there, and no",
        ),
        (
            "val_acc=0.5\n",
            text(),
            "line 1, 'val_acc=0.5': Katib's default metricsFormat finds val_acc=0.5 there, and no",
        ),
        ("\x1b[32macc\x1b[0m=0.5\n", text(), r"line 1, '\x1b[32macc\x1b[0m=0.5': it is coloured"),
        ("a\x1b[1mcc=0.5\n", text(), "it is coloured"),
        ('{"acc": 0.5}\n', JSON, 'acc is 0.5, and Katib takes texts alone: write "acc": "0.5"'),
        ('{"acc": null}\n', JSON, "line 1 of the metrics file: acc is null"),
        ('{"loss": "1"}\n{"step": "2"}\n', JSON, "its output has no acc, but loss, step"),
        ("", JSON, "its output has no acc"),
    ],
)
def test_a_metric_that_was_not_found(output: str, source: Collector, said: str) -> None:
    assert said in of(output, None, source)


@pytest.mark.parametrize(
    ("output", "value", "said"),
    [
        ("acc=0,91\nacc=0,93\n", "0", "line 2, 'acc=0,93': Katib's rule reads 0 there"),
        ("acc=1'234\n", "1", "Katib's rule reads 1 there"),
        ("acc=nan\n", "", "acc is nan in line 1, of which Katib's rule makes no number"),
        ("x\nacc = -Infinity\n", "-", "acc is -Infinity in line 2"),
        ("acc=\x1b[32m0.5\x1b[0m\n", "", "it is coloured, and Katib's rule finds no number there"),
        ("acc=high\n", "", "line 1, 'acc=high': Katib's rule finds no number there; a text needs a metricsFormat"),
        ("acc=0.93\n", "0.93", ""),
        ("acc=0.5,0.6\n", "0.5", ""),
        ("acc=3, lr=1\n", "3", ""),
        ("acc=7\n", "7", ""),
        ("acc=nan\nacc=0.5\n", "0.5", ""),
    ],
)
def test_a_value_that_is_not_what_the_line_says(output: str, value: str, said: str) -> None:
    found = of(output, value, text())
    assert said in found
    assert bool(said) is bool(found)


def test_an_additional_metric_is_told_of_where_it_was_printed() -> None:
    assert of("loss=1\n", UNAVAILABLE, text()) == ""
    assert "does not match" in of("acc: 1\n", UNAVAILABLE, text())


def test_a_long_line_is_cut_around_the_metric() -> None:
    said = of("x" * 10_000 + " acc: 0.5 " + "y" * 10_000, None, text())
    assert "acc: 0.5" in said
    assert len(said) < 400
