"""The page, in a real browser."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from katib_local.report import page
from katib_suggestion.experiment import TrialCondition

Show = Callable[..., Any]

HOSTILE = "</script><script>window.hit=1</script><img src=x onerror='window.hit=1'>\"'&amp;{{7*7}}%{y}"


def plotted(shown: Any, figure: str) -> list[dict[str, Any]]:
    """The traces that plotly has drawn into a figure."""
    traces: list[dict[str, Any]] = shown.evaluate(
        "name => document.querySelector(`[data-figure='${name}']`).data.map("
        "({name, x, y, z, text, customdata}) => ({name, x, y, z, text, customdata}))",
        figure,
    )
    return traces


def rows(shown: Any) -> list[str]:
    """The trials of the rows that are shown, in order."""
    names: list[str] = shown.locator("#trials tbody tr:visible th").all_inner_texts()
    return [name.split()[0] for name in names]


def test_the_objective_over_trials_and_the_best_so_far(show: Show, make: Any) -> None:
    shown = show(make.report())
    traces = {trace["name"]: trace for trace in plotted(shown, "objective")}
    assert (traces["trials"]["x"], traces["trials"]["y"]) == ([1, 2, 3], [0.5, 0.25, 0.75])
    assert (traces["best so far"]["x"], traces["best so far"]["y"]) == ([1, 2, 3], [0.5, 0.5, 0.75])
    assert (traces["best"]["x"], traces["best"]["text"]) == ([3], ["trial-0003"])
    assert traces["goal"]["y"] == [0.95, 0.95]
    assert shown.inner_text("#best-trial") == "trial-0003"
    assert shown.inner_text("#best-value") == "0.75"
    assert "trial-0003" in shown.inner_text("tr.best")


def test_curves_controller_and_alphas(show: Show, make: Any) -> None:
    trials = (replace(make.trial(1, "0.5"), alphas=(make.alphas,)), make.trial(2, "0.75"))
    shown = show(make.report(trials=trials, controller=make.controller))
    curves = {trace["name"]: trace["y"] for trace in plotted(shown, "curves-accuracy")}
    assert curves == {"trial-0001": [0.125, 0.5], "trial-0002 (best)": [0.25, 0.75]}
    assert plotted(shown, "entropy")[0]["y"] == [9.5, 9.0]
    assert plotted(shown, "skip-rate")[0]["y"] == [0.5, 0.25]
    heat = plotted(shown, "alphas-trial-0001-normal")[0]
    assert (heat["x"], heat["y"]) == ([1, 2, 3], list(make.alphas.choices))
    assert heat["z"] == [list(row) for row in make.alphas.weights]
    # They are drawn, and not only told to plotly.
    assert shown.locator("[data-figure='alphas-trial-0001-normal'] .heatmaplayer image").count() == 1
    assert shown.locator("[data-figure='curves-accuracy'] .scatterlayer .trace").count() == 2


def test_what_matters_is_drawn_with_what_is_expected(show: Show, make: Any) -> None:
    shown = show(make.report(trials=(make.trial(1, "0.5"),), learned=make.learned))
    kinds, decisions = (plotted(shown, f"importance-{name}")[0] for name in ("kinds", "decisions"))
    assert (kinds["y"], kinds["x"]) == (["operation", "join"], [0.75, 0])
    assert decisions["y"] == ["layer 2: operation", "layer 1: operation", "layer 2: join 0"]
    # The best first, and tags in a user's names are text.
    assert decisions["customdata"][0] == "<br>conv: 0.75<br>&lt;pool&gt;: 0.25"
    assert shown.locator("[data-figure='importance-decisions'] .barlayer .point").count() == 3


def test_without_numbers_there_are_no_plots(show: Show, make: Any) -> None:
    trial = make.trial(1, None, condition=TrialCondition.SUCCEEDED, observation={"accuracy": "text"}, reason="")
    shown = show(make.report(trials=(trial, make.trial(2, None))))
    assert shown.locator(".plot").count() == 0
    assert shown.inner_text("#best-trial") == "trial-0001"


def test_before_the_first_trial(show: Show, make: Any) -> None:
    shown = show(make.report(trials=(), state="is running"))
    assert "No trial has been suggested yet." in shown.inner_text("main")
    assert shown.inner_text(".state") == "is running · no trials"


def test_the_table_sorts_by_keyboard(show: Show, make: Any) -> None:
    shown = show(make.report())
    header = shown.locator("#trials thead th", has_text="accuracy")
    header.locator("button").focus()
    shown.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "ascending"
    # What has no number is below, in either direction.
    assert rows(shown) == ["trial-0002", "trial-0001", "trial-0003", "trial-0004"]
    shown.keyboard.press("Space")
    assert header.get_attribute("aria-sort") == "descending"
    assert rows(shown) == ["trial-0003", "trial-0001", "trial-0002", "trial-0004"]
    assert shown.locator("[aria-sort]").count() == 1


def test_the_table_filters(show: Show, make: Any) -> None:
    shown = show(make.report())
    shown.fill("#filter", "EXIT code")
    assert rows(shown) == ["trial-0004"]
    assert shown.inner_text("#shown") == "1 of 4"
    shown.fill("#filter", "")
    shown.select_option("#condition", "succeeded")
    assert rows(shown) == ["trial-0001", "trial-0002", "trial-0003"]


def test_a_picture_opens_and_closes_by_keyboard(show: Show, make: Any) -> None:
    trial = make.trial(1, "0.5", observation={"accuracy": "0.5", "Best-Genotype": make.genotype})
    shown = show(make.report(trials=(trial,)))
    boxes = shown.locator("#best-picture svg .box > title").all_text_contents()
    assert [title for title in boxes if title.startswith("node")] == [
        "node 0, the cell before the previous one",
        "node 1, the previous cell",
        "node 2, the sum of what leads to it",
        "node 3, the sum of what leads to it",
    ]
    assert "separable_convolution_3x3 of node 2, to node 3" in boxes
    shown.get_by_role("button", name="Details of trial-0001").focus()
    shown.keyboard.press("Enter")
    dialog = shown.get_by_role("dialog")
    shown.wait_for_selector("#details-body .ytitle")
    assert dialog.get_by_role("heading", name="trial-0001").is_visible()
    assert dialog.locator("svg .box").count() == len(boxes)
    assert "v1" in dialog.inner_text()
    assert shown.evaluate("document.querySelector('#details-body .plot').data[0].y") == [0.125, 0.5]
    shown.keyboard.press("Escape")
    assert not dialog.is_visible()


def test_nothing_of_an_object_is_run_or_read_as_markup(show: Show, make: Any) -> None:
    observation = {"accuracy": "0.5", HOSTILE: "1"}
    trial = replace(
        make.trial(1, "0.5", name=HOSTILE, assignments={HOSTILE: HOSTILE}, observation=observation),
        curves={"accuracy": (0.1, 0.2), HOSTILE: (1.0, 2.0)},
        alphas=(replace(make.alphas, cell=HOSTILE, choices=(HOSTILE, "b")),),
    )
    failed = make.trial(2, None, reason=HOSTILE)
    report = make.report(trials=(trial, failed), name=HOSTILE, settings=((HOSTILE, HOSTILE),), state=HOSTILE)
    objective = replace(report.objective, additional_metrics=(HOSTILE,))
    shown = show(replace(report, objective=objective, manifest=HOSTILE, command=HOSTILE, versions={HOSTILE: HOSTILE}))
    assert shown.inner_text("h1") == HOSTILE
    shown.locator("button.open").first.click()
    shown.wait_for_selector("#details-body .ytitle")
    assert shown.inner_text("#details-title") == HOSTILE
    assert HOSTILE in shown.locator("#details-body .ytitle").all_text_contents()
    assert shown.locator("main img, main script, main a, dialog img, dialog script, dialog a[href]").count() == 0
    assert shown.evaluate("window.hit") is None


@pytest.mark.parametrize("width", [320, 1200])
def test_nothing_sticks_out_of_the_window(show: Show, make: Any, width: int) -> None:
    observation = {"accuracy": "0.5", "Best-Genotype": make.genotype}
    trial = make.trial(1, "0.5", observation=observation, name="t" * 63)
    shown = show(make.report(trials=(trial,), controller=make.controller), viewport={"width": width, "height": 800})
    assert shown.evaluate("document.documentElement.scrollWidth") == width


def test_on_a_phone_curves_keep_a_legend_and_what_goes_on_beyond_the_edge_shows(show: Show, make: Any) -> None:
    trials = tuple(make.trial(number, f"0.{number}") for number in range(1, 7))
    trial = replace(trials[0], alphas=(make.alphas,))
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    shown = show(make.report(trials=(trial, *trials[1:])), **phone)
    # Nothing hovers: the tool bar would stay over the ends of the curves.
    assert shown.locator(".modebar").count() == 0
    assert shown.locator("[data-figure='curves-accuracy'] .legend .traces").count() == 6
    legend = shown.locator("[data-figure='curves-accuracy'] .legend .bg").bounding_box()
    plot = shown.locator("[data-figure='curves-accuracy'] .bglayer, [data-figure='curves-accuracy'] .plot").first
    drawn = plot.bounding_box()
    assert legend["y"] > drawn["y"] + 100
    figure = shown.locator("figure:has(.heatmap)").first
    assert figure.evaluate("place => place.scrollWidth > place.clientWidth")
    assert "local" in figure.evaluate("place => getComputedStyle(place).backgroundAttachment")


def test_failures_are_told_whole_with_their_output_and_a_banner(show: Show, make: Any, tmp_path: Path) -> None:
    reason = "exit code 1: " + "why " * 30
    log = tmp_path / "trials/a b/output.log"
    log.parent.mkdir(parents=True)
    log.write_text("the log")
    failed = [replace(make.trial(number, None, reason=reason), log=log) for number in (2, 3)]
    shown = show(make.report(trials=(make.trial(1, "0.5"), *failed)))
    assert shown.inner_text(".alarm").strip() == f"2 of 3 trials failed: {reason}".strip()
    cell = shown.locator("#trials .condition").nth(1)
    assert reason.strip() in cell.inner_text()
    assert cell.locator("a").get_attribute("href") == "trials/a%20b/output.log"
    one_of_three = make.report(trials=(make.trial(1, "0.5"), make.trial(2, "0.5"), failed[1]))
    assert show(one_of_three).locator(".alarm").count() == 0


def test_what_was_interrupted_will_run_again(show: Show, make: Any) -> None:
    trial = make.trial(2, None, condition=TrialCondition.CREATED, reason="", started=None, finished=None)
    shown = show(make.report(trials=(make.trial(1, "0.5"), trial), is_interrupted=True))
    assert shown.locator("#trials .condition").nth(1).inner_text() == "will run again"
    assert "1 will run again" in shown.inner_text(".state")


@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_light_and_dark(show: Show, make: Any, scheme: str, is_dark: bool) -> None:
    shown = show(make.report(), color_scheme=scheme)
    brightness = "element => getComputedStyle(element).{}.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0)"
    paper = shown.locator("body").evaluate(brightness.format("backgroundColor"))
    ink = shown.locator(".plot .xtick text").first.evaluate(brightness.format("fill"))
    assert (paper < ink) is is_dark
    assert abs(paper - ink) > 400


def test_print_is_on_white_and_fits_the_sheet(show: Show, make: Any) -> None:
    shown = show(make.report(), color_scheme="dark")
    width = "svg => svg.getBoundingClientRect().width"
    shown.emulate_media(media="print", color_scheme="dark")
    shown.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert shown.locator("body").evaluate("body => getComputedStyle(body).backgroundColor") == "rgb(255, 255, 255)"
    assert shown.locator(".plot svg").first.evaluate(width) == 680
    assert not shown.locator("#filter").is_visible()
    shown.evaluate("dispatchEvent(new Event('afterprint'))")
    shown.emulate_media(media="screen")
    assert shown.locator(".plot svg").first.evaluate(width) > 680


def test_a_page_takes_the_place_of_the_one_before_it_at_once(make: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    page.write(make.report(state="is running"), path)
    with path.open() as before:
        page.write(make.report(), path)
        assert "is running" in before.read()
    assert "all trials are completed" in path.read_text()
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_page_that_cannot_be_written_leaves_nothing(make: Any, tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(OSError, match="directory"):
        page.write(make.report(), tmp_path / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
