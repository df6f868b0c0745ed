"""What a report draws of costs."""

import re
from dataclasses import replace

import pytest

from katib_local.report import cost_figures, page
from katib_suggestion.parsing.budget import Budget


@pytest.fixture
def report(make):
    """Five trials; the last was beyond its budget, and not trained."""
    figures = (("0.5", "1e6"), ("0.7", "3e6"), ("0.6", "4e6"), ("0.9", "5e7"), ("0", "9e7"))
    trials = [
        make.trial(number, accuracy, observation={"accuracy": accuracy, "MACs": macs})
        for number, (accuracy, macs) in enumerate(figures, start=1)
    ]
    found = make.report(trials=tuple(trials))
    objective = replace(found.objective, additional_metrics=("MACs", "Latency-ms"))
    return replace(found, objective=objective)


def with_budget(report, text="MACs<=5e6"):
    return replace(report, objective=replace(report.objective, budget=Budget.parse(text, "here")))


def traces(report):
    (figure,) = cost_figures.draw(report)
    return {trace["name"]: (trace["x"], trace["y"]) for trace in figure["data"]}, figure


def test_the_front_is_what_no_other_trial_betters_in_both(report):
    found, figure = traces(report)
    assert found["front"] == ([1e6, 3e6, 5e7], [0.5, 0.7, 0.9])
    assert found["best"] == ([5e7], [0.9])
    assert "budget" not in found
    assert figure["layout"]["xaxis"]["type"] == "log"


def test_a_budget_has_a_line_and_the_best_within_it(report):
    found, _ = traces(with_budget(report))
    assert found["budget"][0] == [5e6, 5e6]
    assert found["best within the budget"] == ([3e6], [0.7])
    assert found["front"] == ([1e6, 3e6], [0.5, 0.7])
    assert 9e7 not in found["trials"][0]


def test_a_cost_that_nothing_reports_is_not_drawn(report):
    assert [figure["name"] for figure in cost_figures.draw(report)] == ["cost-MACs"]


def test_the_head_of_the_page_says_the_budget_and_the_best_within_it(report):
    html = page.content(with_budget(report), lambda _: "").html
    assert re.search(r'Best accuracy within the budget</dt>\s*<dd id="best-value">0.7<', html)
    assert '<dd id="budget">MACs&lt;=5000000</dd>' in html
    assert "none yet" in page.content(with_budget(report, "MACs<=10"), lambda _: "").html
    assert "budget" not in page.content(report, lambda _: "").html.partition("<main")[0]
