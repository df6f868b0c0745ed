"""The pages of a cluster's Experiments: what they show, to whom."""

import functools
import html
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any
from urllib.parse import unquote

import grpc
import pytest

from katib_suggestion.wire import api_pb2, api_pb2_grpc

Visit = Callable[..., Any]

ADA = {"kubeflow-userid": "ada@example.com"}
BEST = "enas-digits-hx7lw2np"


class DbManager(api_pb2_grpc.DBManagerServicer):
    """Katib's, as far as logs are read: by a trial's name alone."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], list[str]] = {}
        self.asked: list[str] = []

    def GetObservationLog(self, request: Any, context: Any) -> Any:  # noqa: N802 - as gRPC calls it
        self.asked.append(request.trial_name)
        values = self.values.get((request.trial_name, request.metric_name), [])
        logs = [
            api_pb2.MetricLog(
                time_stamp=f"2026-11-24T19:36:{second:02}Z",
                metric=api_pb2.Metric(name=request.metric_name, value=value),
            )
            for second, value in enumerate(values)
        ]
        return api_pb2.GetObservationLogReply(observation_log=api_pb2.ObservationLog(metric_logs=logs))


@pytest.fixture(scope="module")
def db_manager() -> Iterator[tuple[DbManager, str]]:
    server = grpc.server(futures.ThreadPoolExecutor(4))
    manager = DbManager()
    api_pb2_grpc.add_DBManagerServicer_to_server(manager, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield manager, f"127.0.0.1:{port}"
    server.stop(None)


@pytest.fixture(scope="module")
def dashboard(
    api: Any, db_manager: tuple[DbManager, str], start_dashboard: Callable[..., Any], cluster_flags: Any
) -> Iterator[Any]:
    with start_dashboard(
        *cluster_flags.words, "--review", "--db-manager", db_manager[1], env=cluster_flags.env
    ) as server:
        yield server
    assert api.refused == [], "the role lacks what the dashboard does"


@pytest.fixture(scope="module")
def team(api: Any) -> str:
    """A namespace with one Experiment, that Ada may look at."""
    api.put_recorded("team")
    other = {"metadata": {"name": "random"}, "spec": {"algorithm": {"algorithmName": "random"}}}
    api.put("team", "experiments", other)
    api.allow(ADA["kubeflow-userid"], "team")
    return "team"


def test_experiments_that_search_architectures_are_listed(dashboard: Any, team: str, visit: Visit) -> None:
    shown = visit(f"{dashboard.address}{team}/", extra_http_headers=ADA)
    assert shown.locator("#rows tr").count() == 1
    row = shown.locator("#rows tr").inner_text()
    assert "enas-digits" in row
    assert "succeeded" in row
    assert "4 of " in row
    assert "0.3625" in row
    assert shown.locator(".spark").get_attribute("aria-label") == "best Validation-Accuracy from 0.35 to 0.3625"


def test_what_is_beyond_the_budget_is_not_the_best(dashboard: Any, api: Any, visit: Visit) -> None:
    # Of another name: Katib keeps the metrics of trials by their names alone.
    api.put_recorded("bounded", "enas-bounded")
    api.allow(ADA["kubeflow-userid"], "bounded")
    experiment = api.objects["bounded", "experiments"]["enas-bounded"]
    setting = {"name": "budget", "value": "Validation-Loss<=3, Training-Accuracy<=0.4"}
    experiment["spec"]["algorithm"]["algorithmSettings"] = [setting]
    api.put("bounded", "experiments", experiment)
    shown = visit(f"{dashboard.address}bounded/", extra_http_headers=ADA)
    assert shown.locator("#rows td.number").first.inner_text() == "0.325"
    shown = visit(f"{dashboard.address}bounded/enas-bounded/", extra_http_headers=ADA)
    assert shown.inner_text("#best-value") == "0.325"


def test_an_experiment_with_curves_of_the_db_manager(
    dashboard: Any, team: str, db_manager: tuple[DbManager, str], visit: Visit
) -> None:
    db_manager[0].values[BEST, "Validation-Accuracy"] = ["0.1", "nan", "0.2", "0.3625"]
    shown = visit(f"{dashboard.address}{team}/enas-digits/", refused=True, extra_http_headers=ADA)
    assert shown.inner_text("#best-trial") == BEST
    assert shown.locator("#best .box").count() == 6
    curve = shown.evaluate("document.querySelector(\"[data-figure='curves-Validation-Accuracy']\").data[0].y")
    assert curve == [0.1, 0.2, 0.3625]
    assert "entropy" in shown.inner_text("footer")
    shown.get_by_role("link", name=f"Details of {BEST}").click()
    shown.wait_for_selector("[data-figure='curve-Validation-Accuracy'] .scatterlayer")
    # Nobody gave Ada the right to read logs.
    shown.wait_for_selector("#log .note")
    assert "ada@example.com is not allowed to list pods in namespace team" in shown.inner_text("#log .note")


def test_new_trials_appear(dashboard: Any, api: Any, visit: Visit, until: Callable[..., None]) -> None:
    api.put_recorded("live", "live-one", num_trials=2)
    api.allow(ADA["kubeflow-userid"], "live")
    listing = visit(f"{dashboard.address}live/", extra_http_headers=ADA)
    shown = visit(f"{dashboard.address}live/live-one/", extra_http_headers=ADA)
    shown.evaluate("window.mark = 1")
    assert shown.locator("#rows tr").count() == 2
    api.put_recorded("live", "live-one")
    until(shown, "document.querySelectorAll('#rows tr').length === 4")
    assert shown.evaluate("window.mark") == 1
    until(listing, "document.querySelector('#rows').textContent.includes('0.3625')")
    api.delete("live", "experiments", "live-one")
    until(listing, "document.querySelectorAll('#rows tr').length === 0")


OF_THE_TEAM = (
    "team/",
    "team/-/events",
    "team/-/compare?of=enas-digits&of=b",
    "team/enas-digits/",
    "team/enas-digits/-/events",
    f"team/enas-digits/{BEST}/",
    f"team/enas-digits/{BEST}/-/log",
)


@pytest.mark.parametrize("path", ["", "-/static/live.js", *OF_THE_TEAM])
def test_without_a_name_there_is_nothing(dashboard: Any, team: str, path: str) -> None:
    for headers in ({}, {"kubeflow_userid": ""}, {"kubeflow_userid": "  "}, {"kubeflow_groups": "admins"}):
        status, _, text = dashboard.get(f"/{path}", **headers)
        assert status == 401
        assert "enas" not in text


@pytest.mark.parametrize("path", OF_THE_TEAM)
def test_another_namespaces_user_is_refused_with_the_reason(dashboard: Any, api: Any, team: str, path: str) -> None:
    api.allow("eve", "elsewhere", logs=True)
    status, _, text = dashboard.get(f"/{path}", kubeflow_userid="eve")
    assert status == 403
    said = json.loads(text)["detail"] if path.endswith("log") else html.unescape(text)
    assert "eve is not allowed to" in said
    assert "in namespace team: no role binding of <b>yours</b>" in said
    assert "<b>" not in text or path.endswith("log")
    assert "0.3625" not in text


@pytest.mark.parametrize(
    ("lacking", "path"),
    [
        ("list experiments.kubeflow.org", "one/"),
        ("list trials.kubeflow.org", "one/"),
        ("get experiments.kubeflow.org", "one/only/"),
        ("list trials.kubeflow.org", "one/only/"),
        ("get suggestions.kubeflow.org", "one/only/"),
        ("get experiments.kubeflow.org", "one/only/only-hx7lw2np/"),
        ("get trials.kubeflow.org", "one/only/only-hx7lw2np/"),
        ("get trials.kubeflow.org", "one/only/only-hx7lw2np/-/log"),
        ("list pods", "one/only/only-hx7lw2np/-/log"),
        ("get pods/log", "one/only/only-hx7lw2np/-/log"),
    ],
)
def test_each_right_counts_by_itself(dashboard: Any, api: Any, lacking: str, path: str) -> None:
    user = f"without {lacking} {path}"
    api.put_recorded("one", "only")
    api.allow(user, "one", logs=True)
    verb, _, resource = lacking.partition(" ")
    api.rights.discard((user, "one", verb, resource))
    status, _, text = dashboard.get(f"/{path}", kubeflow_userid=user)
    assert status == 403
    assert f"is not allowed to {lacking} in namespace one" in text


def test_groups_count_and_answers_hold_for_a_minute(dashboard: Any, api: Any, team: str) -> None:
    api.allow("group-of-teachers", "team")
    for groups, status in (("", 403), ("others, group-of-teachers", 200), ("others", 403)):
        assert dashboard.get("/team/", kubeflow_userid="bea", kubeflow_groups=groups)[0] == status
    before = len(api.reviews)
    for _ in range(3):
        assert dashboard.get("/team/", kubeflow_userid="bea", kubeflow_groups="others, group-of-teachers")[0] == 200
    assert len(api.reviews) == before
    asked = [one["spec"]["resourceAttributes"]["resource"] for one in api.reviews if one["spec"]["user"] == "bea"]
    assert asked.count("experiments") == 3


def test_a_log_for_who_may_read_it(dashboard: Any, api: Any, team: str, visit: Visit, hostile: str) -> None:
    pod = {
        "metadata": {"name": f"{BEST}-abcde", "labels": {"katib.kubeflow.org/trial": BEST}},
        "spec": {"containers": [{"name": "training-container"}, {"name": "metrics-logger-and-collector"}]},
    }
    api.put(team, "pods", pod)
    lines = "".join(f"line {number}\n" for number in range(3_000))
    api.logs[team, f"{BEST}-abcde", "metrics-logger-and-collector"] = f"{lines}{hostile}".encode()
    api.allow("bob", team, logs=True)
    bob = {"kubeflow-userid": "bob"}
    shown = visit(f"{dashboard.address}team/enas-digits/{BEST}/", extra_http_headers=bob)
    shown.wait_for_selector("#log pre")
    assert shown.inner_text("#log h3 >> nth=0") == f"{BEST}-abcde: metrics-logger-and-collector"
    log = shown.locator("#log pre").first.inner_text()
    assert log.endswith(hostile)
    assert "line 2999" in log
    assert "line 999\n" not in log
    assert shown.inner_text("#log pre >> nth=1") == "It has not started yet."
    assert shown.evaluate("window.hit") is None
    status, _, text = dashboard.get(f"/team/enas-digits/{BEST}/-/log", kubeflow_userid="ada@example.com")
    assert status == 403
    assert "get pods/log" in text or "list pods" in text


def test_no_curve_of_another_namespaces_trial(dashboard: Any, api: Any, db_manager: tuple[DbManager, str]) -> None:
    manager = db_manager[0]
    for place in ("mine", "theirs"):
        api.put_recorded(place, "twin", num_trials=3)
        api.allow("ada@example.com", place)
    for name in ("b8x2kq7d", "m4c9zv6t", "hx7lw2np"):
        manager.values[f"twin-{name}", "Validation-Accuracy"] = ["0.111", "0.222"]
    api.delete("theirs", "trials", "twin-m4c9zv6t")
    for path in ("/mine/twin/", "/theirs/twin/", "/mine/twin/twin-b8x2kq7d/"):
        _, _, text = dashboard.get(path, kubeflow_userid="ada@example.com")
        assert "another namespace has a trial of the same name" in text, path
    assert [name for name in manager.asked if name.startswith("twin")] == ["twin-m4c9zv6t"] * 3
    assert "0.222" in dashboard.get("/mine/twin/twin-m4c9zv6t/", kubeflow_userid="ada@example.com")[2]


@pytest.mark.parametrize(
    ("place", "rest"),
    [
        ("a,other", ""),
        ("a%3Db", ""),
        ("A", ""),
        ("..%2f", ""),
        ("x" * 300, ""),
        ("team", "a%2Cb/"),
        ("team", "a/b%3Dc/"),
        ("team", "enas-digits/x%2Cy/-/log"),
    ],
)
def test_names_that_no_cluster_has_are_asked_of_none(dashboard: Any, api: Any, place: str, rest: str) -> None:
    api.allow("root", unquote(place), logs=True)
    assert dashboard.get(f"/{place}/{rest}", kubeflow_userid="root")[0] == 404
    assert [path for path in api.asked if unquote(place) in path and place != "team"] == []
    assert [path for path in api.asked if "," in path or "=" in path] == []


def test_hostile_objects_do_nothing(dashboard: Any, api: Any, visit: Visit, hostile: str) -> None:
    api.put_recorded("hostile", "bad")
    api.allow("ada@example.com", "hostile")
    experiment = api.objects["hostile", "experiments"]["bad"]
    metric = hostile.replace(";", "")
    experiment["spec"]["objective"] = {"type": "maximize", "objectiveMetricName": metric}
    experiment["status"]["conditions"][-1] |= {"message": hostile, "type": hostile}
    api.put("hostile", "experiments", experiment)
    for number, trial in enumerate(list(api.objects["hostile", "trials"].values())):
        trial["spec"]["objective"] = experiment["spec"]["objective"]
        trial["spec"]["parameterAssignments"] = [{"name": "architecture", "value": hostile}]
        metrics = [{"name": metric, "max": f"0.{number}", "min": hostile, "latest": hostile}]
        trial["status"]["observation"] = {"metrics": metrics}
        api.put("hostile", "trials", trial)
    for path in ("hostile/", "hostile/bad/", "hostile/bad/bad-hx7lw2np/"):
        shown = visit(f"{dashboard.address}{path}", refused=True, extra_http_headers=ADA)
        assert shown.locator("#content img, #content script").count() == 0
        assert shown.evaluate("window.hit") is None


def test_where_the_cluster_does_not_answer(dashboard: Any, api: Any) -> None:
    api.is_down = True
    try:
        status, _, text = dashboard.get("/down/", kubeflow_userid="ada@example.com")
        assert status == 502
        assert "what ada@example.com may see cannot be found out" in text
    finally:
        api.is_down = False


def version(answer: tuple[int, dict[str, str], str]) -> str:
    """What a page says that it shows."""
    found = re.search('data-version="([^"]+)"', answer[2])
    assert found, answer
    return found[1]


def test_fifty_at_once_are_one_reading(dashboard: Any, api: Any, team: str) -> None:
    lists = "/apis/kubeflow.org/v1beta1/namespaces/busy/trials"
    api.put_recorded("busy", "busy")
    api.allow("ada@example.com", "busy")
    get, get_list = (
        functools.partial(dashboard.get, path, kubeflow_userid="ada@example.com") for path in ("/busy/busy/", "/busy/")
    )
    get()
    shown = get_list()
    api.put_recorded("busy", "busy")
    deadline = time.monotonic() + 60
    while version(get_list()) == version(shown):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    # The experiment's own version is asked for anew after a second.
    time.sleep(1.1)
    before = api.asked[lists]
    with futures.ThreadPoolExecutor(50) as pool:
        assert {future.result()[0] for future in [pool.submit(get) for _ in range(50)]} == {200}
    # One more where a watch has begun anew meanwhile.
    assert 1 <= api.asked[lists] - before <= 2


def test_by_a_kubeconfig_of_ones_own(
    api: Any, team: str, start_dashboard: Callable[..., Any], cluster_flags: Any, visit: Visit
) -> None:
    reviews = len(api.reviews)
    flags = (*cluster_flags.words, "--namespace", team, "--db-manager", "127.0.0.1:1")
    with start_dashboard(*flags, env=cluster_flags.env) as server:
        shown = visit(server.address)
        assert shown.url == f"{server.address}{team}/"
        shown.locator("#rows a").click()
        shown.wait_for_selector("html[data-drawn] #rows tr")
        # Without the DB manager the rest is there all the same.
        assert "No curves are shown: the DB manager at 127.0.0.1:1 does not say" in shown.inner_text("footer")
        assert server.get(f"/{team}/", host="evil.example")[0] == 400
        shown.context.close()
    assert len(api.reviews) == reviews


def test_as_one_user_through_a_forwarded_port(
    api: Any, team: str, start_dashboard: Callable[..., Any], cluster_flags: Any
) -> None:
    flags = (*cluster_flags.words, "--review", "--user", "ada@example.com")
    with start_dashboard(*flags, env=cluster_flags.env) as server:
        assert server.get(f"/{team}/")[0] == 200
        # What a header says counts no more.
        assert server.get("/one/", kubeflow_userid="root")[0] == 403
        assert server.get(f"/{team}/", host="evil.example")[0] == 400


def test_a_token_that_the_cluster_does_not_take(
    api: Any, start_dashboard: Callable[..., Any], cluster_flags: Any, tmp_path: Any
) -> None:
    kubeconfig = api.kubeconfig(tmp_path / "kubeconfig", token="another")
    with start_dashboard("--cluster", "--review", env=cluster_flags.env | {"KUBECONFIG": str(kubeconfig)}) as server:
        status, _, text = server.get("/team/", kubeflow_userid="ada@example.com")
    assert status == 502
    assert "(401 Unauthorized)" in text


def test_without_a_cluster_it_says_so(start_dashboard: Callable[..., Any], cluster_flags: Any) -> None:
    command = [sys.executable, "-m", "dashboard", *cluster_flags.words, "--context", "none"]
    done = subprocess.run(command, env=cluster_flags.env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 6
    assert done.stderr.startswith("katib-nas dashboard: no cluster is configured")
    assert done.stderr.count("\n") == 1
