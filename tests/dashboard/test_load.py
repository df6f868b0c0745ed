"""Many experiments, many trials, many viewers."""

import copy
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.dashboard.api_server import recorded
from tests.dashboard.conftest import Runs

Visit = Callable[..., Any]

USER = "ada@example.com"
NAMESPACES = ("many", "long")
LIMIT_MIB = 100


def anonymous_mib(process: int) -> float:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    (kib,) = (int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))
    return kib / 1024


def busy_s(process: int) -> float:
    """Processor time that a process has taken so far; what else the machine does is none of it."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fill(api: Any) -> None:
    """A thousand Experiments of four trials each, and one of a thousand trials."""
    api.put_recorded("pattern")
    experiment, suggestion = (recorded(name) for name in ("experiment", "suggestion"))
    trials = recorded("trials")["items"]
    for number in range(1000):
        api.put_recorded("many", f"search-{number:04}")
    made = []
    for number in range(1000):
        trial = copy.deepcopy(trials[number % 3])
        trial["metadata"]["name"] = f"enas-digits-{number:08}"
        value = f"0.{number:04}"
        for metric in trial["status"]["observation"]["metrics"]:
            metric |= {"max": value, "latest": value, "min": value}
        made.append(trial)
        api.put("long", "trials", trial)
    suggestion["status"]["suggestions"] = [
        {"name": trial["metadata"]["name"], "parameterAssignments": trial["spec"]["parameterAssignments"]}
        for trial in made
    ]
    api.put("long", "experiments", experiment)
    api.put("long", "suggestions", suggestion)
    for namespace in NAMESPACES:
        api.allow(USER, namespace)


@pytest.fixture(scope="module")
def dashboard(api: Any, start_dashboard: Callable[..., Any], cluster_flags: Any) -> Iterator[Any]:
    fill(api)
    # As the image has it.
    memory = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "131072"}
    flags = (*cluster_flags.words, "--review", "--db-manager", "127.0.0.1:1")
    with start_dashboard(*flags, env=cluster_flags.env | memory) as server:
        yield server


@pytest.mark.long("it makes and reads thousands of objects")
@pytest.mark.parametrize(("path", "rows"), [("many/", 1000), ("long/enas-digits/", 1000)])
def test_a_thousand_are_shown_within_two_seconds_of_work(dashboard: Any, visit: Visit, path: str, rows: int) -> None:
    before = busy_s(dashboard.process.pid)
    shown = visit(f"{dashboard.address}{path}", extra_http_headers={"kubeflow-userid": USER})
    first = busy_s(dashboard.process.pid) - before
    assert shown.locator("#rows tr").count() == rows
    assert first < 2
    # Whoever comes next waits for nothing.
    before = busy_s(dashboard.process.pid)
    assert dashboard.get(f"/{path}", kubeflow_userid=USER, accept_encoding="gzip")[0] == 200
    assert busy_s(dashboard.process.pid) - before < 0.2


@pytest.mark.long("it makes a thousand databases")
def test_a_thousand_runs_of_this_machine(tmp_path: Path, start_dashboard: Callable[..., Any], visit: Visit) -> None:
    runs = Runs(tmp_path)
    first = runs.add("run-0000", [runs.trial(number, f"0.{number}") for number in range(1, 9)])
    for number in range(1, 1000):
        shutil.copytree(first, tmp_path / f"run-{number:04}")
    with start_dashboard("--runs", str(tmp_path)) as server:
        before = busy_s(server.process.pid)
        shown = visit(f"{server.address}runs/")
        assert busy_s(server.process.pid) - before < 2
        assert shown.locator("#rows tr").count() == 1000
        shown.context.close()


@pytest.mark.long("an answer of the cluster holds for a minute")
def test_who_may_not_look_any_more_is_told_no_more(dashboard: Any, api: Any) -> None:
    api.allow("leaver", "many")
    follower = socket.create_connection(urlsplit(dashboard.address).netloc.split(":"), timeout=90)
    follower.sendall(b"GET /many/-/events HTTP/1.1\r\nHost: localhost\r\nkubeflow-userid: leaver\r\n\r\n")
    told = follower.recv(65536)
    assert b"200" in told
    api.rights -= {right for right in api.rights if right[0] == "leaver"}
    while b"event: refused" not in told:
        part = follower.recv(65536)
        assert part, told
        told += part
    assert b"leaver is not allowed to list experiments.kubeflow.org in namespace many" in told
    follower.close()


@pytest.mark.long("it makes and reads thousands of objects, and follows them for a while")
def test_fifty_viewers_of_a_page_that_changes(dashboard: Any, api: Any) -> None:
    followers = []
    for number in range(50):
        follower = socket.create_connection(urlsplit(dashboard.address).netloc.split(":"), timeout=120)
        path = ("/long/enas-digits/-/events", "/many/-/events")[number % 2]
        follower.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nkubeflow-userid: {USER}\r\n\r\n".encode())
        assert b"200" in follower.recv(4096)
        followers.append(follower)
    most = 0.0
    trial = recorded("trials")["items"][0]
    for number in range(10):
        api.put("long", "trials", {**trial, "metadata": {**trial["metadata"], "name": f"enas-digits-new{number}"}})
        api.put_recorded("many", f"search-{number:04}")
        for follower in followers:
            assert follower.recv(65536)
        # Each of them takes over what is new.
        for path in ("/long/enas-digits/", "/many/") * 25:
            assert dashboard.get(path, kubeflow_userid=USER, accept_encoding="gzip")[0] == 200
        most = max(most, anonymous_mib(dashboard.process.pid))
    for follower in followers:
        follower.close()
    assert most < LIMIT_MIB
