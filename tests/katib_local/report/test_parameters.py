"""What a report shows of a search over plain parameters."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from katib_local.report import figures, parameters
from katib_local.report.model import ControllerStep, Learned

Show = Callable[..., Any]


def test_a_line_for_each_trial_on_the_axis_of_each_parameter(make: Any) -> None:
    figure = parameters.parallel(make.plain_report())
    assert figure is not None
    *others, best = figure["data"]
    lines = {trace["text"][0].partition(":")[0]: trace["y"] for trace in [*others, best]}
    # The logarithm of the learning rate, numbers in their order, texts in that of the manifest; then the objective.
    assert lines["trial-0001"] == [0, 0, 1, 1, 0.5, None]
    assert lines["trial-0002"] == [1, 1, 0, 0, 0, None]
    assert [round(place, 3) for place in best["y"][:-1]] == [0.5, 1, 0.333, 0, 1]
    assert best["text"][2] == "trial-0003: width 32"
    assert figure["layout"]["xaxis"]["ticktext"] == ["lr", "layers", "width", "block", "accuracy"]
    marks = [mark["text"] for mark in figure["layout"]["annotations"]]
    assert marks == ["0.001", "0.1", "2", "4", "16", "64", "plain", "residual", "dense", "0.25", "0.75"]


def test_what_is_better_is_brighter_whichever_way(make: Any) -> None:
    report = make.plain_report()
    for name, brightest in (("maximize", "0.75"), ("minimize", "0.25")):
        objective = replace(report.objective, direction=type(report.objective.direction)(name))
        figure = parameters.parallel(replace(report, objective=objective))
        assert figure is not None
        shades = {trace["line"]["color"]: trace["text"] for trace in figure["data"][:-1]}
        assert f"accuracy {brightest}" in shades["rgb(253,231,55)"][4]


def test_the_values_of_each_parameter_with_their_means(make: Any) -> None:
    found = {figure["title"]: figure for figure in parameters.slices(make.plain_report())}
    assert list(found) == ["lr", "layers", "width", "block"]
    trials, mean, best = found["lr"]["data"]
    assert (trials["x"], trials["y"]) == ([0.001, 0.1, 0.01], [0.5, 0.25, 0.5])
    assert (mean["x"], mean["y"]) == ([0.001, 0.01, 0.1], [0.5, 0.625, 0.25])
    assert (best["x"], best["text"]) == ([0.01], ["trial-0003"])
    assert [found[name]["layout"]["xaxis"].get("type") for name in found] == ["log", None, None, "category"]
    assert found["lr"]["layout"]["xaxis"]["ticktext"] == ["0.001", "0.01", "0.1"]
    assert found["block"]["layout"]["xaxis"]["categoryarray"] == ["plain", "residual", "dense"]
    assert found["block"]["data"][1]["x"] == ["plain", "residual", "dense"]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [("1e-5", "1", ["1e-05", "0.0001", "0.001", "0.01", "0.1", "1"]), ("20", "2000", ["100", "1000"])]
    + [(low, high, [low, high]) for low, high in (("0.02", "0.5"), ("0.2", "0.5"), ("3", "3"))],
)
def test_a_logarithmic_axis_has_its_powers_of_ten_or_its_ends(make: Any, low: str, high: str, ticks: list[str]) -> None:
    report = make.plain_report()
    first = replace(report.parameters[0], minimum=low, maximum=high)
    axis = parameters.slices(replace(report, parameters=(first,)))[0]["layout"]["xaxis"]
    assert (axis["type"], axis["ticktext"]) == ("log", ticks)
    assert axis["tickvals"] == [float(tick) for tick in ticks]


def test_decisions_that_are_each_of_a_kind_of_their_own_are_drawn_once(make: Any) -> None:
    learned = tuple(Learned(name=name, kind=name, importance=0.25, expected={}) for name in ("depth", "width"))
    (figure,) = figures.importance(replace(make.plain_report(), learned=learned))
    assert (figure["title"], figure["data"][0]["y"]) == ("Decisions that matter most", ["depth", "width"])


def test_trials_without_a_value_are_left_out(make: Any) -> None:
    report = make.plain_report()
    foreign = make.trial(6, "0.9", assignments={"lr": "0.01"})
    unknown = make.trial(7, "0.1", assignments={"lr": "7", "layers": "2", "width": "16", "block": "other"})
    report = replace(report, trials=(*report.trials, foreign, unknown))
    drawn = [point for trace in parameters.slices(report)[0]["data"] for point in trace.get("text", [])]
    assert not {"trial-0006", "trial-0007"} & set(drawn)
    assert parameters.parallel(replace(report, trials=report.trials[:1])) is None
    assert parameters.slices(replace(report, trials=())) == []


def test_the_skip_rate_is_left_out_where_there_are_no_joins(make: Any) -> None:
    steps = [ControllerStep(num_trials=number, entropy=5.0, skip_rate=0.0) for number in (2, 4)]
    assert [figure["name"] for figure in figures.controller(make.report(controller=steps))] == ["entropy"]


def test_the_page_has_a_column_for_each_parameter_and_draws_them(show: Show, make: Any) -> None:
    shown = show(make.plain_report())
    header = shown.locator("#trials thead th", has_text="layers")
    header.locator("button").click()
    names = shown.locator("#trials tbody th").all_inner_texts()
    assert [name.split()[0] for name in names] == [f"trial-000{number}" for number in (1, 5, 4, 2, 3)]
    assert "residual" in shown.locator("#trials tbody tr", has_text="trial-0004").inner_text()
    assert shown.locator("[data-figure='parallel'] .scatterlayer .trace").count() == 5
    assert shown.locator(".grid [data-figure^='slice-'] .scatterlayer").count() == 4


def test_nothing_of_a_value_is_read_as_markup(show: Show, make: Any) -> None:
    hostile = "<b>x</b>&amp;<img src=x onerror='window.hit=1'>"
    report = make.plain_report()
    block = replace(report.parameters[3], name=hostile, values=(hostile, "plain"))
    trials = [
        make.trial(number, accuracy, assignments={"lr": "0.01", hostile: hostile})
        for number, accuracy in ((1, "0.5"), (2, "0.75"))
    ]
    shown = show(replace(report, parameters=(report.parameters[0], block), trials=tuple(trials)))
    assert shown.evaluate("window.hit") is None
    assert hostile in shown.locator("[data-figure='parallel']").text_content()
