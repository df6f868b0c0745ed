"""Our entries in Katib's configuration, and nothing else."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from katib_cluster import bounded_yaml, configuration
from katib_cluster.errors import InvalidConfiguration

IMAGES = {"enas": "registry.example/katib-nas/enas-service:1", "darts": "registry.example/katib-nas/darts-service:1"}

CONFIG = """\
# A cluster's own remarks.
apiVersion: config.kubeflow.org/v1beta1
kind: KatibConfig
init:
  controller:
    trialResources: [Job.v1.batch, "PyTorchJob.v1.kubeflow.org"]
runtime:
  suggestions:
    - algorithmName: tpe  # ours since May
      image: mirror/suggestion-hyperopt:v0.19.0
    # What enas was
    - algorithmName: enas
      image: mirror/suggestion-enas:v0.19.0
      command: [python3]
      args:
        - serve.py
      resources:
        limits:
          memory: 800Mi

    # What darts was
    - algorithmName: darts
      image: mirror/suggestion-darts:v0.19.0
    - algorithmName: pbt
      image: >-
        mirror/suggestion-pbt:v0.19.0
  earlyStoppings:
    - {algorithmName: medianstop, image: "mirror/earlystopping:v0.19.0"}
"""


def entries(text: str) -> dict[str, Any]:
    return {item["algorithmName"]: item for item in yaml.safe_load(text)["runtime"]["suggestions"]}


def kept_lines(text: str) -> list[str]:
    """The lines of a text without those of our two entries."""
    kept: list[str] = []
    ours = False
    for line in text.splitlines():
        if line.startswith("    - "):
            ours = line.endswith((": enas", ": darts"))
        elif not line.startswith("      "):
            ours = False
        if not ours:
            kept.append(line)
    return kept


def test_our_images_are_registered_and_every_other_line_stays() -> None:
    changed = configuration.registered(CONFIG, IMAGES)
    assert {name: entries(changed)[name]["image"] for name in IMAGES} == IMAGES
    assert kept_lines(changed) == kept_lines(CONFIG)
    assert [*entries(changed)] == ["tpe", "enas", "darts", "pbt"]


def test_what_a_cluster_has_set_stays_and_what_was_for_another_image_goes() -> None:
    enas = entries(configuration.registered(CONFIG, IMAGES))["enas"]
    assert enas["resources"]["limits"]["memory"] == "800Mi"
    assert "command" not in enas
    assert "args" not in enas


def test_texts_stay_texts() -> None:
    text = CONFIG.replace("        limits:", '        claims: [{name: "y"}, {name: "1e3"}]\n        limits:')
    changed = configuration.registered(text, IMAGES)
    with bounded_yaml.reading(changed) as loader:
        found = {item["algorithmName"]: item for item in loader.get_single_data()["runtime"]["suggestions"]}
    assert found["enas"]["resources"]["claims"] == [{"name": "y"}, {"name": "1e3"}]


INSTALLATIONS = {
    "katib-standalone": (True, False), "katib-standalone-postgres": (True, False), "katib-external-db": (True, False),
    "katib-leader-election": (True, True), "katib-cert-manager": (False, False), "katib-openshift": (False, False),
}  # fmt: skip
"""Katib's kinds of installation; whether each has the certificate generator on, and leader election.

katib-with-kubeflow takes the configuration of katib-cert-manager.
"""

VERSIONS = {"0.16.0": "200Mi", "0.17.0": "400Mi", "0.18.0": "400Mi", "0.19.0": "400Mi"}
"""Katib's versions with a KatibConfig, and the memory limit of ENAS: the one resource of ENAS and DARTS in it."""


def stock(version: str, installation: str) -> str:
    """What Katib's own configuration says, as far as it matters: in its order and its layout."""
    has_generator, elects = INSTALLATIONS[installation]
    generator = "  certGenerator:\n    enable: true\n" if has_generator else ""
    election = "    enableLeaderElection: true\n" if elects else ""
    others = "".join(
        f"    - algorithmName: {name}\n      image: registry.example/{program}:v{version}\n"
        for name, program in (("random", "hyperopt"), ("grid", "optuna"), ("multivariate-tpe", "optuna"))
    )
    return (
        "---\napiVersion: config.kubeflow.org/v1beta1\nkind: KatibConfig\ninit:\n"
        f"{generator}  controller:\n    webhookPort: 8443\n{election}    trialResources:\n      - Job.v1.batch\n"
        f"runtime:\n  metricsCollectors:\n    - kind: StdOut\n      image: registry.example/collector:v{version}\n"
        f"  suggestions:\n{others}"
        f"    - algorithmName: enas\n      image: registry.example/suggestion-enas:v{version}\n"
        f"      resources:\n        limits:\n          memory: {VERSIONS[version]}\n"
        f"    - algorithmName: darts\n      image: registry.example/suggestion-darts:v{version}\n"
        f"    - algorithmName: pbt\n      image: registry.example/suggestion-pbt:v{version}\n"
        "      persistentVolumeClaimSpec:\n        accessModes:\n          - ReadWriteMany\n        resources:\n"
        "          requests:\n            storage: 5Gi\n"
        f"  earlyStoppings:\n    - algorithmName: medianstop\n      image: registry.example/medianstop:v{version}\n"
    )


@pytest.mark.parametrize("installation", INSTALLATIONS)
@pytest.mark.parametrize("version", VERSIONS)
def test_stock_configurations_get_what_the_services_need(
    version: str, installation: str, caplog: pytest.LogCaptureFixture
) -> None:
    text = stock(version, installation)
    changed = configuration.registered(text, IMAGES)
    assert kept_lines(changed) == kept_lines(text)
    assert yaml.safe_load(changed)["init"] == yaml.safe_load(text)["init"]
    for name, request, limit in (("enas", "320Mi", "400Mi"), ("darts", "64Mi", "100Mi")):
        assert entries(changed)[name]["resources"] == {
            "requests": {"cpu": "50m", "memory": request},
            "limits": {"cpu": "500m", "memory": limit},
        }
    raised = "enas.resources.limits.memory is raised from 200Mi to 400Mi, which the service needs"
    assert caplog.messages == ([raised] if version == "0.16.0" else [])
    assert configuration.registered(changed, IMAGES) == changed


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"limits": {"memory": "399Mi", "cpu": "2"}}, ({}, {"cpu": "2"})),
        ({"limits": {"memory": "0.5Gi", "cpu": "100m"}}, ({}, {"memory": "0.5Gi"})),
        ({"requests": {"memory": "10Mi"}, "limits": {"memory": 1e9}}, ({}, {"memory": 1e9})),
        ({"requests": {"memory": "1Gi", "cpu": 1}}, ({"memory": "1Gi", "cpu": 1}, {"memory": "1Gi", "cpu": 1})),
        # Katib takes out what is negative.
        ({"limits": {"memory": "-1", "cpu": -1}}, ({}, {"memory": "-1", "cpu": -1})),
        ({"requests": {"memory": "-1"}}, ({"memory": "-1"}, {})),
        (
            {"limits": {"ephemeral-storage": "1Gi"}, "claims": [{"name": "c"}]},
            ({}, {"ephemeral-storage": "1Gi"}),
        ),
        ({"limits": None}, ({}, {})),
        ({}, ({}, {})),
    ],
)
def test_resources_are_raised_key_by_key(given: Any, expected: tuple[Any, Any]) -> None:
    text = yaml.safe_dump(
        {"kind": "KatibConfig", "runtime": {"suggestions": [{"algorithmName": "enas", "resources": given}]}}
    )
    found = entries(configuration.registered(text, {"enas": IMAGES["enas"]}))["enas"]["resources"]
    assert found["requests"] == {"cpu": "50m", "memory": "320Mi"} | expected[0]
    assert found["limits"] == {"cpu": "500m", "memory": "400Mi"} | expected[1]
    assert found.get("claims") == given.get("claims")


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ("lots", "enas.resources: 'lots' is not allowed: it must be a mapping"),
        ({"limits": ["400Mi"]}, "enas.resources.limits: ['400Mi'] is not allowed: it must be a mapping"),
        (
            {"limits": {"memory": "400 MB"}},
            "resources.limits.memory: '400 MB' is not allowed: it must be a quantity",
        ),
        ({"requests": {"cpu": "half"}}, "enas.resources.requests.cpu: 'half' is not allowed: it must be a quantity"),
    ],
)
def test_resources_that_are_none_are_refused(resources: Any, said: str) -> None:
    text = yaml.safe_dump(
        {"kind": "KatibConfig", "runtime": {"suggestions": [{"algorithmName": "enas", "resources": resources}]}}
    )
    with pytest.raises(InvalidConfiguration) as caught:
        configuration.registered(text, IMAGES)
    assert said in str(caught.value)


def test_flags_for_our_image_stay_in_a_new_version() -> None:
    text = CONFIG.replace(
        "mirror/suggestion-darts:v0.19.0", "mirror/darts-service@sha256:0\n      args: [--log-level=debug]"
    )
    darts = entries(configuration.registered(text, IMAGES))["darts"]
    assert darts["args"] == ["--log-level=debug"]
    assert darts["image"] == IMAGES["darts"]


def test_entries_hold_what_kubernetes_needs() -> None:
    changed = entries(configuration.registered(CONFIG, IMAGES))
    for name in IMAGES:
        assert changed[name]["securityContext"]["runAsNonRoot"] is True
        assert changed[name]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert changed[name][probe]["grpc"] == {"port": 6789, "service": "manager.v1beta1.Suggestion"}
        # Katib adds the port itself, and refuses an entry that has it.
        assert "ports" not in changed[name]
    assert changed["enas"]["persistentVolumeClaimSpec"]["accessModes"] == ["ReadWriteOnce"]


def test_twice_is_once() -> None:
    once = configuration.registered(CONFIG, IMAGES)
    assert configuration.registered(once, IMAGES) == once


def test_missing_entries_are_added_with_the_limits_of_katibs_stock_configuration() -> None:
    text = CONFIG[: CONFIG.index("    # What enas was")] + CONFIG[CONFIG.index("  earlyStoppings") :]
    changed = configuration.registered(text, IMAGES)
    assert [*entries(changed)] == ["tpe", "enas", "darts"]
    assert entries(changed)["enas"]["resources"]["limits"]["memory"] == "400Mi"
    assert entries(changed)["darts"]["resources"]["limits"]["memory"] == "100Mi"
    assert kept_lines(changed) == text.splitlines()


@pytest.mark.parametrize("change", [lambda text: text.rstrip("\n"), lambda text: text.replace("    -", "  -  ")])
def test_other_layouts(change: Any) -> None:
    text = change(CONFIG[: CONFIG.index("  earlyStoppings")])
    changed = configuration.registered(text, IMAGES)
    assert {name: entries(changed)[name]["image"] for name in IMAGES} == IMAGES
    assert entries(changed)["tpe"] == entries(text)["tpe"]
    assert entries(changed)["pbt"] == entries(text)["pbt"]
    assert changed.endswith("\n") == text.endswith("\n")


def config_map(text: str) -> str:
    indented = "".join(f"    {line}" if line.strip() else line for line in text.splitlines(keepends=True))
    header = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: katib-config} # Katib's\ndata:\n"
    return f"{header}  katib-config.yaml: |\n{indented}  other: kept\n"


def test_a_config_map_keeps_its_form() -> None:
    changed = configuration.registered(config_map(CONFIG), IMAGES)
    assert changed == config_map(configuration.registered(CONFIG, IMAGES))


def test_a_config_map_that_holds_the_text_in_quotes() -> None:
    quoted = f"kind: ConfigMap\ndata: {{katib-config.yaml: {json.dumps(CONFIG)}}} # Katib's\n"
    changed = configuration.registered(quoted, IMAGES)
    assert yaml.safe_load(changed)["data"]["katib-config.yaml"] == configuration.registered(CONFIG, IMAGES)
    assert changed.endswith("# Katib's\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: Experiment\n", "kind: 'Experiment' is not allowed: it must be KatibConfig"),
        ("[1]\n", "configuration: it is no mapping"),
        ("a: {\n", "configuration: it is not one YAML document"),
        ("a: 1\n---\nb: 2\n", "configuration: it is not one YAML document"),
        ("kind: KatibConfig\nruntime: {}\n", "runtime.suggestions: it must be there"),
        ("kind: KatibConfig\nruntime: {suggestions: [{algorithmName: a}]}\n", "runtime.suggestions: it must be there"),
        (CONFIG.replace("algorithmName: pbt", "algorithmName: enas"), "[3].algorithmName: 'enas' stands twice"),
        (CONFIG.replace("algorithmName: pbt", "name: pbt"), "[3].algorithmName: None is not allowed"),
        ("kind: ConfigMap\ndata: {suggestion: '{}'}\n", "data.katib-config.yaml: the ConfigMap must hold it"),
        (
            CONFIG.replace("        limits:", "        limits: &limits").replace(
                "algorithmName: pbt", "algorithmName: pbt\n      resources: {limits: *limits}"
            ),
            "share text with others",
        ),
    ],
)
def test_what_cannot_be_changed_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        configuration.registered(text, IMAGES)
    assert message in str(caught.value)


@given(data=st.data())
def test_whatever_a_configuration_holds_it_is_changed_or_refused_in_a_line(data: st.DataObject, bad: Any) -> None:
    if data.draw(st.booleans()):
        text = yaml.safe_dump(data.draw(bad.document(yaml.safe_load(CONFIG))))
    else:
        text = data.draw(bad.text(CONFIG))
    message = ""
    try:
        configuration.registered(text, IMAGES)
    except InvalidConfiguration as error:
        message = str(error)
    assert "\n" not in message
