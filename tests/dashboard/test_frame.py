"""The pages in the frame of Kubeflow's dashboard, behind its gateway."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.dashboard.gateway import Gateway

USER = "ada@example.com"


@pytest.fixture(scope="module")
def gateway(api: Any, start_dashboard: Callable[..., Any], cluster_flags: Any) -> Iterator[Gateway]:
    for namespace in ("team", "others"):
        api.put_recorded(namespace, f"{namespace}-search")
        api.allow(USER, namespace)
    api.put_recorded("secret", "secret-search")
    flags = (*cluster_flags.words, "--review", "--db-manager", "127.0.0.1:1")
    with start_dashboard(*flags, env=cluster_flags.env) as server:
        found = Gateway(server.address, USER)
        yield found
        found.shutdown()
        found.server_close()


def test_the_namespace_is_that_of_the_dashboards_menu(
    gateway: Gateway, browser: Any, until: Callable[..., None]
) -> None:
    context = browser.new_context(viewport={"width": 1300, "height": 800})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{gateway.address}_/katib-nas/")
    frame = page.frame_locator("iframe")
    frame.get_by_role("link", name="team-search", exact=True).wait_for()
    assert frame.locator("h1").inner_text() == "Experiments of team"
    frame.locator("#pulse[data-state=live]").wait_for()
    frame.get_by_role("link", name="team-search", exact=True).click()
    frame.locator("[data-figure=objective] .scatterlayer").wait_for()
    frame.get_by_role("link", name="Experiments").click()
    frame.get_by_role("link", name="team-search", exact=True).wait_for()
    # Another one is chosen, wherever the page is.
    page.select_option("#namespace", "others")
    frame.get_by_role("link", name="others-search", exact=True).wait_for()
    assert complaints == []
    page.select_option("#namespace", "secret")
    frame.get_by_text(f"{USER} is not allowed to list experiments.kubeflow.org in namespace secret").wait_for()
    assert frame.get_by_text("secret-search").count() == 0
    # The dashboard says again which one is chosen; that is no reason to load the page again.
    inner = page.frames[1]
    inner.evaluate("window.mark = 1")
    page.wait_for_timeout(500)
    assert inner.evaluate("window.mark") == 1
    page.select_option("#namespace", "team")
    frame.get_by_role("link", name="team-search", exact=True).wait_for()
    context.close()


def test_no_other_site_can_show_it_in_a_frame(gateway: Gateway, browser: Any) -> None:
    context = browser.new_context()
    page = context.new_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    other = Gateway("http://127.0.0.1:1/", USER)
    page.goto(f"{other.address}_/")
    page.evaluate("address => { document.querySelector('iframe').src = address; }", f"{gateway.address}katib-nas/team/")
    page.wait_for_timeout(500)
    assert any("frame-ancestors" in text for text in refused)
    assert page.frame_locator("iframe").get_by_text("team-search").count() == 0
    context.close()
    other.shutdown()
    other.server_close()


def test_what_a_browser_says_of_its_user_does_not_count(gateway: Gateway, browser: Any) -> None:
    context = browser.new_context(extra_http_headers={"kubeflow-userid": "root", "kubeflow-groups": "system:masters"})
    page = context.new_page()
    page.goto(f"{gateway.address}katib-nas/secret/")
    assert f"{USER} is not allowed to" in page.inner_text("main")
    context.close()
