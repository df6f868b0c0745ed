"""The pages of runs on this machine, in a real browser."""

import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from katib_local.record import run_folder
from katib_local.record.run_folder import RunFolder
from katib_local.record.store import Store
from katib_local.record.trials import Verdict

Visit = Callable[..., Any]


def names(shown: Any) -> list[str]:
    found: list[str] = shown.locator("#rows tr:visible th a").all_inner_texts()
    return found


def keys(shown: Any) -> list[str]:
    return [address.removesuffix("/") for address in shown.locator("#rows tr:visible th a").evaluate_all(
        "links => links.map((link) => link.getAttribute('href'))"
    )]  # fmt: skip


def append(folder: Any, *trials: Any) -> None:
    """Go on with a run as the runner does."""
    with contextlib.closing(Store.open(folder / "experiment.db")) as store:
        store.add(trials, {})


def test_all_runs_with_state_trials_and_the_best_so_far(dashboard: Any, visit: Visit) -> None:
    runs = dashboard.runs
    runs.add("first", [runs.trial(1, "0.5"), runs.trial(2, "0.25"), runs.trial(3, "0.75"), runs.trial(4, None)])
    runs.add("second", verdict=None, started=runs.trial(1, "1").started + timedelta(days=1))
    (runs.path / "broken").mkdir()
    (runs.path / "broken/experiment.db").write_text("no database")
    shown = visit(dashboard.address)
    assert shown.url == f"{dashboard.address}runs/"
    row = shown.locator("#rows tr", has_text="first")
    assert "4 of 8" in row.inner_text()
    assert "0.75" in row.inner_text()
    assert row.locator(".spark").get_attribute("aria-label") == "best Validation-Accuracy from 0.5 to 0.75"
    # Down at the third trial alone: the second was no better.
    assert row.locator(".spark path").get_attribute("d").count("V") == 2
    assert shown.locator("#rows tr", has_text="second").locator(".state-word").inner_text() == "interrupted"
    broken = shown.locator("#rows tr", has_text="broken")
    assert broken.locator(".state-word").inner_text() == "unreadable"
    assert "cannot be read" in broken.inner_text()
    # The newest first, and what cannot be read last.
    assert [key for key in keys(shown) if key in ("first", "second", "broken")] == ["second", "first", "broken"]


def test_what_is_beyond_the_budget_is_nowhere_the_best(dashboard: Any, visit: Visit) -> None:
    runs = dashboard.runs
    manifest = runs.manifest()
    manifest["spec"]["objective"]["additionalMetricNames"].append("MACs")
    figures = (("0.5", "4e6"), ("0.9", "9e6"), ("0.75", "3e6"), ("0", "7e7"))
    trials = [
        runs.trial(number, accuracy, observation={"Validation-Accuracy": accuracy, "MACs": macs})
        for number, (accuracy, macs) in enumerate(figures, start=1)
    ]
    for name, budget in (("within", "MACs<=5e6"), ("missed", "MACs<=1e6")):
        manifest["spec"]["algorithm"]["algorithmSettings"] = [{"name": "budget", "value": budget}]
        runs.add(name, trials, manifest=manifest)
    shown = visit(f"{dashboard.address}runs/")
    rows = {name: shown.locator("#rows tr", has=shown.locator(f"a[href='{name}/']")) for name in ("within", "missed")}
    assert rows["within"].locator("td.number").first.inner_text() == "0.75"
    assert rows["within"].locator(".spark").get_attribute("aria-label") == "best Validation-Accuracy from 0.5 to 0.75"
    assert rows["missed"].locator("td.number").first.inner_text() == ""
    assert rows["missed"].locator(".spark").count() == 0
    shown = visit(f"{dashboard.address}runs/within/")
    assert shown.inner_text("#best-trial") == "enas-digits-0003"
    assert shown.inner_text("#budget") == "MACs<=5000000"
    assert shown.locator("tr.best th").all_inner_texts() == ["enas-digits-0003 best"]
    shown = visit(f"{dashboard.address}runs/missed/")
    assert "none yet" in shown.inner_text("#head")
    assert shown.locator("#best-trial, tr.best").count() == 0
    shown = visit(f"{dashboard.address}runs/-/compare?of=within&of=missed")
    assert shown.locator("#table td a").all_inner_texts() == ["enas-digits-0003"]


def test_filter_and_sort_by_keyboard(dashboard: Any, visit: Visit, until: Callable[..., None]) -> None:
    runs = dashboard.runs
    for name, best in (("sort-a", "0.9"), ("sort-b", "0.1"), ("sort-c", "0.5")):
        runs.add(name, [runs.trial(1, best)])
    shown = visit(f"{dashboard.address}runs/")
    shown.keyboard.press("/")
    shown.keyboard.type("sort-")
    # The page may have come before the server has looked for runs again.
    until(shown, "document.querySelector('#shown').textContent.startsWith('3 of ')")
    shown.locator("thead button", has_text="Best").first.press("Enter")
    assert keys(shown) == ["sort-b", "sort-c", "sort-a"]
    shown.locator("thead button", has_text="Best").first.press("Enter")
    assert keys(shown) == ["sort-a", "sort-c", "sort-b"]
    shown.locator("#rows a").first.press("Enter")
    shown.wait_for_url("**/runs/sort-a/")
    assert shown.inner_text("h1") == "enas-digits"


def test_new_trials_appear_without_a_reload(dashboard: Any, visit: Visit, until: Callable[..., None]) -> None:
    runs = dashboard.runs
    folder = runs.add("live", verdict=None)
    with run_folder.locked(RunFolder(folder)):
        shown = visit(f"{dashboard.address}runs/live/")
        shown.evaluate("window.mark = 1")
        assert "is running" in shown.inner_text(".state")
        assert shown.locator("#rows").count() == 0
        append(folder, runs.trial(1, "0.5"))
        shown.wait_for_selector("#rows tr:nth-child(1)")
        shown.fill("#filter", "enas-digits-0002")
        append(folder, runs.trial(2, "0.75"), runs.trial(3, "0.25"))
        shown.wait_for_selector("#rows tr:nth-child(3)", state="attached")
        until(shown, "document.querySelector(\"[data-figure='objective']\")?.data?.[0].y.length === 3")
        # The filter is as it was, and goes for what has come.
        assert shown.locator("#rows tr:visible").count() == 1
        assert shown.inner_text("#best-trial") == "enas-digits-0002"
        assert shown.inner_text("#pulse") == "live"
    with contextlib.closing(Store.open(folder / "experiment.db")) as store:
        store.set_verdict(Verdict.MAX_TRIALS_REACHED)
    until(shown, "document.querySelector('.state').textContent.includes('all trials are completed')")
    assert shown.evaluate("window.mark") == 1


def test_a_trial_with_its_architecture_costs_curves_and_output(dashboard: Any, visit: Visit) -> None:
    runs = dashboard.runs
    folder = runs.add("trials", [runs.trial(1, "0.5"), runs.trial(2, None)])
    log = folder / "trials/enas-digits-0001/output.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"\x1b[31mepoch 1\x1b[0m\n<b>Validation-Accuracy=0.5</b>\n")
    record = folder / "trials/enas-digits-0002/artifacts/architecture.json"
    record.parent.mkdir(parents=True)
    record.write_text('{"parameters": 4321, "multiply_adds": 98765}')
    shown = visit(f"{dashboard.address}runs/trials/")
    shown.get_by_role("link", name="Details of enas-digits-0001").click()
    shown.wait_for_selector("html[data-drawn] [data-figure='curve-Validation-Accuracy'] .scatterlayer")
    facts = dict(shown.locator(".facts > div").evaluate_all(
        "places => places.map((place) => [place.children[0].textContent, place.children[1].textContent])"
    ))  # fmt: skip
    assert facts["Parameters"] == "1234"
    assert facts["MACs"] == "56789"
    assert facts["Time"] == "20.0 s"
    # The input, four layers and the output.
    assert shown.locator(".picture .box").count() == 6
    drawn = shown.evaluate("document.querySelector(\"[data-figure='curve-Validation-Accuracy']\").data[0].y")
    assert drawn == [0.1, 0.2, 0.5]
    assert shown.inner_text("#log pre") == "epoch 1\n<b>Validation-Accuracy=0.5</b>\n"
    assert shown.inner_text("#texts dd").startswith("[[")
    failed = visit(f"{dashboard.address}runs/trials/enas-digits-0002/")
    assert failed.inner_text(".state").endswith("failed: exit code 7")
    # Of a trial whose metrics do not say so, as its trainer noted it.
    assert "4,321" in failed.inner_text(".facts")
    assert "98,765" in failed.inner_text(".facts")


def test_several_runs_in_one_plot(dashboard: Any, visit: Visit) -> None:
    runs = dashboard.runs
    runs.add("side-a", [runs.trial(1, "0.5"), runs.trial(2, "0.25")])
    runs.add("side-b", [runs.trial(1, "0.75"), runs.trial(2, "0.875")])
    runs.add("side-c", [runs.trial(1, "3", observation={"loss": "3"})], manifest=runs.manifest(
        objectiveMetricName="loss", type="minimize"
    ))  # fmt: skip
    shown = visit(f"{dashboard.address}runs/")
    shown.fill("#filter", "side-")
    assert shown.locator("#compare button").is_disabled()
    for box in shown.locator("#rows tr:visible input").all():
        box.press("Space")
    shown.locator("#compare button").click()
    shown.wait_for_selector("html[data-drawn] .plot .legend")
    figures = shown.locator("[data-figure]").evaluate_all(
        "places => places.map(({data}) => data.filter(({mode}) => mode === 'lines').map(({name, y}) => [name, y]))"
    )
    found = [sorted(figure) for figure in figures]
    # Another objective is another plot.
    assert [["side-a", [0.5, 0.5]], ["side-b", [0.75, 0.875]]] in found
    assert [["side-c", [3]]] in found
    assert len(found) == 2
    assert shown.locator("tbody tr").count() == 3
    shown.get_by_role("link", name="side-b").click()
    shown.wait_for_url("**/runs/side-b/")


@pytest.fixture
def hostile_run(dashboard: Any, hostile: str) -> str:
    """Make a run of which every text is hostile that can be, and return its key."""
    runs = dashboard.runs
    metric = hostile.replace(";", "")
    name = hostile.replace("/", "|")
    document = runs.manifest(objectiveMetricName=metric, additionalMetricNames=["other"])
    given = {"architecture": hostile, "nn_config": hostile}
    found = {metric: "0.5", "other": hostile}
    trials = [
        runs.trial(1, "", name=name, observation=found, assignments=given, reason=hostile),
        runs.trial(2, "", observation={metric: "0.75"}, assignments=given),
    ]
    folder = runs.add(name, trials, manifest=document)
    (folder / "trials" / name).mkdir(parents=True)
    (folder / "trials" / name / "output.log").write_text(hostile)
    return name


def test_nothing_that_others_wrote_is_run_or_read_as_markup(
    dashboard: Any, visit: Visit, hostile: str, hostile_run: str
) -> None:
    runs = dashboard.runs
    document = runs.manifest()
    # No runner takes these, but a folder may hold them.
    document["metadata"]["name"] = document["spec"]["algorithm"]["algorithmName"] = hostile
    runs.add("named", manifest=document)
    key = quote(hostile_run, safe="")
    shown = visit(f"{dashboard.address}runs/")
    assert hostile in names(shown)
    assert key in keys(shown)
    for path in (f"{key}/", f"{key}/{key}/", f"-/compare?of={key}&of=side"):
        if "compare" in path:
            runs.add("side", [runs.trial(1, "0.5")])
        shown = visit(f"{dashboard.address}runs/{path}")
        assert hostile_run in shown.inner_text("body")
        assert shown.locator("#content img, #content script").count() == 0, path
        assert shown.locator("#content a[href^='javascript']").count() == 0, path
        assert shown.evaluate("window.hit") is None, path
        if path.count(key) == 2:
            assert shown.inner_text("#log pre") == hostile


def test_what_is_brought_in_all_the_same_does_not_run(dashboard: Any, browser: Any) -> None:
    page = browser.new_page()
    page.goto(f"{dashboard.address}runs/")
    page.evaluate(
        """() => {
            document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.hit=1'>");
            const script = document.createElement("script");
            script.textContent = "window.hit=2";
            document.body.append(script);
        }"""
    )
    page.wait_for_timeout(300)
    assert page.evaluate("window.hit") is None
    page.close()


@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_light_and_dark_on_a_phone(dashboard: Any, visit: Visit, scheme: str, is_dark: bool) -> None:
    runs = dashboard.runs
    name = f"phone-{scheme}-{'long' * 12}"
    runs.add(name, [runs.trial(1, "0.5"), runs.trial(2, "0.75", name="t" * 60)])
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True, "color_scheme": scheme}
    brightness = "element => getComputedStyle(element).{}.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0)"
    for path in ("runs/", f"runs/{name}/", f"runs/{name}/{'t' * 60}/", f"runs/-/compare?of={name}&of={name}"):
        if "compare" in path:
            runs.add(f"{name}-2", [runs.trial(1, "0.5")])
            path = f"{path}-2"
        shown = visit(f"{dashboard.address}{path}", **phone)
        assert shown.evaluate("document.documentElement.scrollWidth") == 360, path
        paper = shown.locator("body").evaluate(brightness.format("backgroundColor"))
        ink = shown.locator("h1").evaluate(brightness.format("color"))
        assert (paper < ink) is is_dark
        assert abs(paper - ink) > 400
