"""Who may reach the pages of this machine, and what a browser is told of them."""

import gzip
import http.client
from typing import Any
from urllib.parse import urlsplit

import pytest


@pytest.fixture(scope="module")
def run(dashboard: Any) -> str:
    runs = dashboard.runs
    runs.add("one", [runs.trial(1, "0.5")])
    return "/runs/one/"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "192.0.2.1", ""])
def test_no_other_name_leads_here(dashboard: Any, run: str, host: str) -> None:
    """DNS rebinding: a site has its own name answered by 127.0.0.1, and would read our pages as its own."""
    for path in ("/", run, f"{run}-/events", "/-/static/live.js"):
        status, _, text = dashboard.get(path, host=host)
        assert status == 400, path
        assert "enas" not in text


@pytest.mark.parametrize("host", ["localhost", "localhost:1234", "127.0.0.1"])
def test_the_machines_own_names_do(dashboard: Any, run: str, host: str) -> None:
    assert dashboard.get(run, host=host)[0] == 200


@pytest.mark.parametrize(
    "path", ["/runs/", "/runs/one/", "/runs/one/enas-digits-0001/", "/nowhere/", "/-/static/live.js", "/-/health"]
)
def test_every_answer_keeps_to_itself(dashboard: Any, run: str, path: str) -> None:
    _, headers, text = dashboard.get(path, origin="http://evil.example")
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert not any(name.startswith("access-control") for name in headers)
    assert "private" in headers["cache-control"] or headers["cache-control"] == "no-store"
    # A picture names the language that it is in.
    assert "://" not in text.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_changed(dashboard: Any, run: str, method: str) -> None:
    for path in ("/", "/runs/", run, f"{run}enas-digits-0001/", "/-/health"):
        assert dashboard.get(path, method=method)[0] == 405, path


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere/", "/runs/none/", "/runs/one/none/", "/runs/one/none/-/log", "/runs/none/-/events", "/runs/../../",
        "/runs/%2e%2e/", "/runs/..%2f..%2fetc/", "/runs/%00/", "/runs/one/%2e%2e/-/log", "/-/static/secret", "/-/",
        "/-/static/..%2fpages.py", f"/runs/{'x' * 5000}/", "/runs/%ff%fe/", "/runs/one/-/",
    ],
)  # fmt: skip
def test_what_is_not_there_says_so(dashboard: Any, run: str, path: str) -> None:
    status, headers, text = dashboard.get(path)
    assert status == 404, text
    assert "Traceback" not in text
    assert headers["content-type"].startswith(("text/html", "application/json"))


def test_a_slash_that_was_left_out(dashboard: Any, run: str) -> None:
    status, headers, _ = dashboard.get("/runs/one")
    # By no host's name: that of a proxy is another one.
    assert (status, headers["location"]) == (307, "./one/")


def test_pages_are_compressed_for_who_can_read_it(dashboard: Any, run: str) -> None:
    _, _, plain = dashboard.get(run)
    connection = http.client.HTTPConnection(urlsplit(dashboard.address).netloc)
    connection.request("GET", run, headers={"accept-encoding": "gzip"})
    answer = connection.getresponse()
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(answer.read()).decode() == plain
    connection.close()


@pytest.mark.parametrize("given", ["", "of=one", "&".join(f"of={number}" for number in range(6)), "of=one&of=one"])
def test_how_many_can_be_compared(dashboard: Any, run: str, given: str) -> None:
    status, _, text = dashboard.get(f"/runs/-/compare?{given}")
    assert status == 400
    assert "2 to 5 experiments can be compared" in text
