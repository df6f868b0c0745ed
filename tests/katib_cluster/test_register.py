"""The command, on files and on an API server."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from katib_local.commands import cli
from tests.power_loss import Disk
from website import version

CONFIG = """\
apiVersion: config.kubeflow.org/v1beta1
kind: KatibConfig
runtime:
  suggestions:
    - algorithmName: random # the cluster's
      image: mirror/suggestion-hyperopt:v0.19.0
"""


class ApiServer(ThreadingHTTPServer):
    """As much of Kubernetes' API as holds some ConfigMaps, with its optimistic locking."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.documents: dict[str, dict[str, Any]] = {}
        self.document = self.add("katib-config", {"katib-config.yaml": CONFIG, "other": "kept"})
        self.changed_meanwhile = False
        self.patches = 0

    def add(self, name: str, data: dict[str, str]) -> dict[str, Any]:
        metadata = {"name": name, "namespace": "kubeflow", "resourceVersion": "7"}
        self.documents[name] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        return self.documents[name]


class Handler(BaseHTTPRequestHandler):
    server: ApiServer

    def do_GET(self) -> None:
        self._answer(*self._found())

    def do_PATCH(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, document = self._found()
        metadata = document["metadata"]
        if self.server.changed_meanwhile:
            metadata["resourceVersion"] = "8"
        if body["metadata"]["resourceVersion"] != metadata["resourceVersion"]:
            status, document = 409, {"kind": "Status", "reason": "Conflict"}
        else:
            self.server.patches += 1
            document["data"].update(body["data"])
            metadata["resourceVersion"] = "9"
        self._answer(status, document)

    def log_message(self, *_: object) -> None:
        pass

    def _found(self) -> tuple[int, dict[str, Any]]:
        place, _, name = self.path.partition("?")[0].rpartition("/")
        if place == "/api/v1/namespaces/kubeflow/configmaps" and name in self.server.documents:
            return 200, self.server.documents[name]
        return 404, {"kind": "Status", "reason": "NotFound"}

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """An API server, and a kubeconfig in the home folder that names it."""
    with ApiServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(
            yaml.safe_dump(
                {
                    "current-context": "here",
                    "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
                    "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
                    "users": [{"name": "me", "user": {}}],
                }
            )
        )
        # The client reads the variable as it is imported, and it may have been imported before.
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
        monkeypatch.setattr("kubernetes.config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
        yield server
        server.shutdown()


def images(text: str) -> dict[str, str]:
    return {item["algorithmName"]: item["image"] for item in yaml.safe_load(text)["runtime"]["suggestions"]}


def test_a_file_is_printed_changed_and_stays_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "katib-config.yaml"
    path.write_text(CONFIG)
    assert cli.main(["register", str(path), "--registry", "registry.example:5000/team/"]) == 0
    printed, said = capsys.readouterr()
    assert images(printed) == {
        "random": "mirror/suggestion-hyperopt:v0.19.0",
        "enas": f"registry.example:5000/team/katib-nas/enas-service:{version.current()}",
        "darts": f"registry.example:5000/team/katib-nas/darts-service:{version.current()}",
    }
    assert printed.startswith(CONFIG)
    assert "+    - algorithmName: enas" in said.splitlines()
    assert path.read_text() == CONFIG


def test_a_file_is_written_back_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "katib-config.yaml"
    path.write_text(CONFIG)
    flags = ["--apply", "--enas-image", "registry.example/enas@sha256:1", "--darts-image", "registry.example/darts:2"]
    assert cli.main(["register", str(path), *flags]) == 0
    written = path.read_text()
    assert images(written)["enas"] == "registry.example/enas@sha256:1"
    assert images(written)["darts"] == "registry.example/darts:2"
    assert cli.main(["register", str(path), *flags]) == 0
    assert path.read_text() == written
    assert "both services are registered already" in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["katib-config.yaml"]


def test_a_cluster_is_only_read_without_apply(api: ApiServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["register"]) == 0
    printed, said = capsys.readouterr()
    assert images(printed)["enas"] == f"katib-nas/enas-service:{version.current()}"
    assert "--- configmap/katib-config in namespace kubeflow, now" in said
    assert api.patches == 0


def test_a_cluster_is_written_once(
    api: ApiServer, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["register", "--apply"]) == 0
    assert cli.main(["register", "--apply"]) == 0
    assert api.patches == 1
    text = api.document["data"]["katib-config.yaml"]
    assert text.startswith(CONFIG)
    assert [*images(text)] == ["random", "enas", "darts"]
    assert api.document["data"]["other"] == "kept"
    assert capsys.readouterr().out == ""


def test_what_was_there_can_be_put_back(
    api: ApiServer, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "katib-config-before.yaml").write_text("of an earlier time")
    assert cli.main(["register", "--apply"]) == 0
    assert "katib-nas register --undo katib-config-before-2.yaml" in capsys.readouterr().err
    assert api.document["data"]["katib-config.yaml"] != CONFIG
    assert cli.main(["register", "--undo", "katib-config-before-2.yaml"]) == 0
    assert api.document["data"] == {"katib-config.yaml": CONFIG, "other": "kept"}
    assert cli.main(["register", "--undo", "katib-config-before-2.yaml"]) == 0
    assert "it is so already" in capsys.readouterr().err
    assert api.patches == 2
    assert cli.main(["register", "--undo", "katib-config-before.yaml"]) == 2
    assert cli.main(["register", "--undo", "katib-config-before-2.yaml", "--apply"]) == 2


def test_what_a_loss_of_power_leaves_of_a_file_is_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "disk" / "config.yaml"
    path.parent.mkdir()
    path.write_text(CONFIG)
    disk = Disk(path.parent)
    with disk.watched():
        assert cli.main(["register", str(path), "--apply"]) == 0
    assert {state[path.name] for state in disk.states()} == {CONFIG.encode(), path.read_bytes()}
    assert {state[path.name] for state in disk.in_the_end} == {path.read_bytes()}


def test_what_a_cluster_had_is_on_the_disk_once_it_has_something_else(
    api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "disk").mkdir()
    monkeypatch.chdir(tmp_path / "disk")
    disk = Disk(tmp_path / "disk")
    with disk.watched():
        assert cli.main(["register", "--apply"]) == 0
    assert api.document["data"]["katib-config.yaml"] != CONFIG
    assert disk.in_the_end == [{"katib-config-before.yaml": CONFIG.encode()}]


@pytest.mark.parametrize("name", ["centraldashboard-config", "dashboard-config"])
def test_the_menu_gets_one_entry_and_can_be_put_back(
    api: ApiServer,
    name: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    links = """{
    "menuLinks": [
        {"type": "item", "link": "/katib/", "text": "Experiments", "icon": "kubeflow:katib"},
        {"type": "item", "link": "/volumes/", "text": "Volumes", "icon": "device:storage"}
    ],
    "quickLinks": []
}"""
    menu = api.add(name, {"links": links, "settings": "{}"})
    before = dict(api.document["data"])
    assert cli.main(["register", "--dashboard"]) == 0
    printed, said = capsys.readouterr()
    assert api.patches == 0
    assert [one["link"] for one in json.loads(printed)["menuLinks"]] == ["/katib/", "/katib-nas/", "/volumes/"]
    assert f"--- configmap/{name} in namespace kubeflow, now" in said
    changed = [line for line in said.splitlines() if line.startswith(("+ ", "- "))]
    assert len(changed) == 1
    assert cli.main(["register", "--dashboard", "--apply"]) == 0
    assert menu["data"] == {"links": printed, "settings": "{}"}
    assert "katib-nas register --dashboard --undo dashboard-links-before.json" in capsys.readouterr().err
    assert cli.main(["register", "--dashboard", "--apply"]) == 0
    assert "in the menu already" in capsys.readouterr().err
    assert cli.main(["register", "--dashboard", "--undo", "dashboard-links-before.json"]) == 0
    assert menu["data"]["links"] == links
    assert api.patches == 2
    assert api.document["data"] == before


def test_where_there_is_no_menu_it_says_so(
    api: ApiServer, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["register", "--dashboard"]) == 6
    assert "configmap/centraldashboard-config in namespace kubeflow cannot be read: it is not there" in (
        capsys.readouterr().err
    )
    api.add("dashboard-config", {"links": "[]"})
    assert cli.main(["register", "--dashboard", "--apply"]) == 2
    assert "links.menuLinks: it must be there, a list" in capsys.readouterr().err
    assert cli.main(["register", "--dashboard", "file.yaml"]) == 2
    Path("links.json").write_text("{}")
    assert cli.main(["register", "--dashboard", "--undo", "links.json"]) == 2
    assert api.patches == 0


@pytest.mark.parametrize("registry", ["registry.example/team", "registry.example/team/katib-nas", "h/katib-nas/"])
def test_a_registry_is_the_text_that_the_images_were_made_with(
    registry: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG)
    assert cli.main(["register", str(tmp_path / "c.yaml"), "--registry", registry]) == 0
    prefix = registry.rstrip("/").removesuffix("/katib-nas")
    assert images(capsys.readouterr().out)["enas"] == f"{prefix}/katib-nas/enas-service:{version.current()}"


def test_its_help_has_exit_codes_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["register", "--help"])
    printed = capsys.readouterr().out
    assert "6  the cluster cannot be reached" in printed
    assert "maxFailedTrialCount" not in printed


def test_what_others_change_meanwhile_is_not_overwritten(
    api: ApiServer, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    api.changed_meanwhile = True
    assert cli.main(["register", "--apply"]) == 6
    assert "it was changed meanwhile; try again (409" in capsys.readouterr().err
    assert api.document["data"]["katib-config.yaml"] == CONFIG


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--namespace", "elsewhere"],
            "configmap/katib-config in namespace elsewhere cannot be read: it is not there (404",
        ),
        (["--context", "missing"], "no cluster is configured: "),
    ],
)
@pytest.mark.usefixtures("api")
def test_a_cluster_that_cannot_be_read(flags: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["register", *flags]) == 6
    printed, said = capsys.readouterr()
    assert message in said
    assert said.count("\n") == 1
    assert printed == ""


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["missing.yaml"], 5, "No such file or directory"),
        (["--registry", "a b"], 2, "argument --registry: 'a b' is not allowed"),
        (["not-utf-8.yaml"], 2, "not-utf-8.yaml: it must be text in UTF-8"),
    ],
)
def test_mistakes_are_one_line(
    flags: list[str],
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("not-utf-8.yaml").write_bytes(b"\xff\xfe")
    assert cli.main(["register", *flags]) == code
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_without_a_kubeconfig_it_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for place in ("kubernetes.config", "kubernetes.config.kube_config"):
        monkeypatch.setattr(f"{place}.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    for arguments in (["register", "--registry", "example.org/nas"], ["report", "--experiment", "a"]):
        assert cli.main(arguments) == 6
        expected = "katib-nas: no cluster is configured: there is no ~/.kube/config, and this is no pod of a cluster\n"
        assert capfd.readouterr() == ("", expected)
