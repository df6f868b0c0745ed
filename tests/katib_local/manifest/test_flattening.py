"""ENAS Experiments as Experiments over plain parameters, down to the networks that their trials build."""

import copy
import itertools
import math
import random
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from darts_genotype import enas_form
from enas_trainer.arguments import choices
from enas_trainer.macro import config
from enas_trainer.macro.config import Architecture, NetworkConfig
from katib_local.manifest import flattening, manifest, template
from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.experiment import Operation, Parameter, ParameterType
from katib_suggestion.parsing import assignment, operations

EXAMPLES = Path(__file__).parents[3] / "examples"


def example(name: str, num_layers: int | None = None) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())
    if num_layers is not None:
        read["spec"]["nasConfig"]["graphConfig"]["numLayers"] = num_layers
    return read


def all_operations(read: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Each type with each combination of its parameters, in Katib's order."""
    found = []
    for one in read["spec"]["nasConfig"]["operations"]:
        parameters = []
        for item in one["parameters"]:
            space = item["feasibleSpace"]
            parameters.append(
                Parameter(
                    name=item["name"],
                    type=ParameterType(item["parameterType"]),
                    minimum=space.get("min", ""),
                    maximum=space.get("max", ""),
                    step=space.get("step", ""),
                    values=tuple(space.get("list", ())),
                )
            )
        listed = operations.parameters(Operation(type=one["operationType"], parameters=tuple(parameters)), "here")
        found += [
            (one["operationType"], dict(zip(listed, values, strict=True)))
            for values in itertools.product(*listed.values())
        ]
    return found


def flag(container: template.Container, name: str) -> str:
    """The value of a flag, as the program gets it from its shell."""
    words = shlex.split(container.argv[-1])
    return next(word.partition("=")[2] for word in words if word.startswith(f"--{name}="))


def everything_or_draws(options: list[list[str]], draw: random.Random) -> Iterator[tuple[str, ...]]:
    """Every combination where they are few, and else some of them."""
    if math.prod(map(len, options)) <= 1_000:
        yield from itertools.product(*options)
    else:
        yield from (tuple(map(draw.choice, options)) for _ in range(200))


def asked_for(read: Mapping[str, Any], rows: list[list[int]]) -> tuple[Architecture, NetworkConfig]:
    """The network that the service asks for where the Experiment is one of architectures."""
    graph = read["spec"]["nasConfig"]["graphConfig"]
    embedding = {
        str(place): {"opt_id": place, "opt_type": kind, "opt_params": params}
        for place, (kind, params) in enumerate(all_operations(read))
    }
    sizes = {"input_sizes": graph["inputSizes"], "output_sizes": graph["outputSizes"]}
    nn_config = {"num_layers": graph["numLayers"], **sizes, "embedding": embedding}
    return config.read(assignment.encode(rows), assignment.encode(nn_config))


@pytest.mark.parametrize(
    ("name", "num_layers"), [("enas-digits", None), ("enas-gpu", 8), ("enas-gpu", 12), ("enas-cpu", 1)]
)
def test_a_trial_builds_the_same_network(name: str, num_layers: int | None) -> None:
    """Whatever values its parameters take; and every operation can be chosen."""
    read, draw = example(name, num_layers), random.Random(0)
    depth = read["spec"]["nasConfig"]["graphConfig"]["numLayers"]
    flat = flattening.flatten(copy.deepcopy(read))
    trial_template = manifest.parse(flat).template
    values = {one["name"]: one["feasibleSpace"]["list"] for one in flat["spec"]["parameters"]}
    assert len(values) <= 100
    assert all(len(texts) <= 100 and max(map(len, texts)) <= 64 for texts in values.values())
    places = {
        operation: place
        for place, operation in asked_for(read, [[0] * layer for layer in range(1, depth + 1)])[1].embedding.items()
    }
    seen = set()
    for drawn in everything_or_draws(list(values.values()), draw):
        assigned = dict(zip(values, drawn, strict=True))
        container = template.render(trial_template, "t-1", "team", assigned)
        architecture, network = config.read(*choices.read(flag(container, "choices")))
        rows = []
        for layer in range(1, architecture.num_layers + 1):
            joins = [int(assigned[f"layer-{layer}-join-{source}"]) for source in range(layer - 1)]
            rows.append([places[network.embedding[architecture.operation(layer)]], *joins])
        seen |= {row[0] for row in rows}
        katibs, network_of_katib = asked_for(read, rows)
        layers = range(1, katibs.num_layers + 1)
        assert [architecture.sources(layer) for layer in layers] == [katibs.sources(layer) for layer in layers]
        assert [network.embedding[architecture.operation(layer)] for layer in layers] == [
            network_of_katib.embedding[katibs.operation(layer)] for layer in layers
        ]
        assert (network.input_sizes, network.output_sizes) == (
            network_of_katib.input_sizes,
            network_of_katib.output_sizes,
        )
    assert seen == set(places.values())


def test_an_operation_list_that_fits_stays_one_choice_a_layer() -> None:
    flat = flattening.flatten(example("enas-digits"))
    values = {one["name"]: one["feasibleSpace"]["list"] for one in flat["spec"]["parameters"]}
    assert list(values)[:5] == ["layer-1", "layer-2", "layer-3", "layer-4", "layer-2-join-0"]
    assert len(values) == 4 + 6
    assert values["layer-1"][0] == "convolution/filter_size=3/num_filter=8/stride=1"
    assert len(values["layer-1"]) == 12
    assert values["layer-4-join-2"] == ["0", "1"]


def test_one_that_does_not_is_split_into_as_few_as_will_do() -> None:
    flat = flattening.flatten(example("enas-gpu", 12))
    names = [one["name"] for one in flat["spec"]["parameters"]]
    assert len(names) == 2 * 12 + 66
    assert names[:4] == ["layer-1", "layer-1-num_filter", "layer-2", "layer-2-num_filter"]


def test_the_rest_of_the_manifest_stays() -> None:
    read = example("enas-digits")
    flat = flattening.flatten(copy.deepcopy(read))
    assert flat["metadata"]["name"] == "enas-digits-plain"
    assert {key: flat["spec"][key] for key in ("objective", "algorithm", "maxTrialCount")} == {
        key: read["spec"][key] for key in ("objective", "algorithm", "maxTrialCount")
    }
    command = flat["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]["containers"][0]["command"]
    assert [word for word in command if not word.startswith("--choices")] == [
        "python3", "-u", "RunTrial.py", "--num_epochs=4", "--batch-size=32", "--dataset=digits"
    ]  # fmt: skip


def change_text(read: dict[str, Any]) -> None:
    operation = read["spec"]["nasConfig"]["operations"][0]
    operation["parameters"][0]["feasibleSpace"]["list"] = ["3", "x" * 70]


def change_layers(read: dict[str, Any]) -> None:
    read["spec"]["nasConfig"]["graphConfig"]["numLayers"] = 14


def change_command(read: dict[str, Any]) -> None:
    container = read["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]["containers"][0]
    container["command"] = [re.sub("--architecture", "--arch", word) for word in container["command"]]


def change_space(read: dict[str, Any]) -> None:
    del read["spec"]["nasConfig"]
    read["spec"]["parameters"] = [
        {"name": "x", "parameterType": "categorical", "feasibleSpace": {"list": ["a"]}},
    ]


def change_template(read: dict[str, Any]) -> None:
    del read["spec"]["trialTemplate"]["trialSpec"]
    read["spec"]["trialTemplate"]["configMap"] = {"configMapName": "templates", "configMapNamespace": "kubeflow"}


def change_algorithm(read: dict[str, Any]) -> None:
    read["spec"]["algorithm"]["algorithmName"] = "darts"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (change_algorithm, "spec.algorithm.algorithmName: 'darts' .*its trial searches for itself"),
        (change_template, "spec.trialTemplate.trialSpec: 'no --architecture'"),
        (change_layers, "spec.nasConfig: '105 parameters' .*at most 100; 91 of these are joins"),
        (change_text, "spec.nasConfig.operations: .*at most 100 values of a parameter, of at most 64 characters"),
        (change_command, "spec.trialTemplate.trialSpec: 'no --architecture'"),
        (change_space, "spec.parameters: .*one of plain parameters already"),
    ],
)
def test_what_fits_in_no_way_is_refused_by_name(change: Any, said: str) -> None:
    read = example("enas-digits")
    change(read)
    with pytest.raises(InvalidExperiment, match=said):
        flattening.flatten(read)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("metadata", "metadata.name"),
        ("spec", "spec"),
        ("spec.algorithm", "spec.algorithm"),
        ("spec.trialTemplate", "spec.trialTemplate"),
        ("spec.trialTemplate.trialParameters", "spec.trialTemplate.trialParameters"),
        ("spec.trialTemplate.trialParameters.0.reference", "spec.trialTemplate.trialParameters[0].reference"),
        ("spec.trialTemplate.trialSpec", "spec.trialTemplate.trialSpec"),
    ],
)
def test_a_manifest_that_lacks_a_part_is_refused_by_its_name(path: str, field: str) -> None:
    read = example("enas-digits")
    *parents, last = path.split(".")
    place: Any = read
    for key in parents:
        place = place[int(key) if key.isdigit() else key]
    del place[last]
    with pytest.raises(InvalidExperiment, match=rf"^{re.escape(field)}: "):
        flattening.flatten(read)


def test_a_trial_of_a_kind_that_only_a_cluster_runs_is_flattened_too() -> None:
    read = example("enas-digits")
    trial = read["spec"]["trialTemplate"]["trialSpec"]
    trial |= {"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob"}
    trial["spec"] = {"pytorchReplicaSpecs": {"Master": {"template": trial["spec"]["template"]}}}
    replicas = flattening.flatten(read)["spec"]["trialTemplate"]["trialSpec"]["spec"]["pytorchReplicaSpecs"]
    (container,) = replicas["Master"]["template"]["spec"]["containers"]
    assert any("--choices=" in word for word in container["command"])


def sizes(*texts: str) -> list[dict[str, Any]]:
    return [{"name": "filter_size", "parameterType": "categorical", "feasibleSpace": {"list": list(texts)}}]


GRAPHS = {
    "micro": {"numLayers": 8, "inputSizes": [8, 8, 1], "outputSizes": [10]},
    "recurrent": {"numLayers": 1, "inputSizes": [2000], "outputSizes": [2000]},
}
OPERATIONS: dict[str, list[dict[str, Any]]] = {
    "micro": [
        {"operationType": "separable_convolution", "parameters": sizes("3", "5")},
        {"operationType": "avg_pooling", "parameters": sizes("3")},
        {"operationType": "skip_connection"},
    ],
    "recurrent": [{"operationType": kind} for kind in ("relu", "tanh", "identity")],
}
NAMES = {
    "micro": ("separable_convolution_3x3", "separable_convolution_5x5", "avg_pooling_3x3", "skip_connection"),
    "recurrent": ("relu", "tanh", "identity"),
}


def of_cells(kind: str, **settings: str) -> dict[str, Any]:
    """A search for cells."""
    read = example("enas-digits")
    read["spec"]["nasConfig"] = {"graphConfig": GRAPHS[kind], "operations": copy.deepcopy(OPERATIONS[kind])}
    given = {"search_for": kind, **settings}
    read["spec"]["algorithm"]["algorithmSettings"] = [{"name": key, "value": text} for key, text in given.items()]
    return read


@pytest.mark.parametrize(("search_for", "num_nodes"), [("micro", 2), ("micro", 5), ("recurrent", 3), ("recurrent", 8)])
def test_a_trial_gets_the_same_cells(search_for: str, num_nodes: int) -> None:
    """Whatever values its parameters take; and every operation can be chosen."""
    flat = flattening.flatten(of_cells(search_for, num_nodes=str(num_nodes)))
    trial_template = manifest.parse(flat).template
    values = {one["name"]: one["feasibleSpace"]["list"] for one in flat["spec"]["parameters"]}
    assert len(values) == (8 * num_nodes if search_for == "micro" else 2 * num_nodes - 1)
    draw, seen = random.Random(0), set()
    nodes = range(2, 2 + num_nodes) if search_for == "micro" else range(1, 1 + num_nodes)
    for _ in range(50):
        assigned = {name: draw.choice(options) for name, options in values.items()}
        container = template.render(trial_template, "t-1", "team", assigned)
        architecture, nn_config = choices.read(flag(container, "choices"))
        read = assignment.decode(nn_config)
        assert isinstance(read, dict)
        graph = GRAPHS[search_for]
        assert [read[name] for name in ("num_layers", "input_sizes", "output_sizes", "search_for", "num_nodes")] == [
            graph["numLayers"], graph["inputSizes"], graph["outputSizes"], search_for, num_nodes
        ]  # fmt: skip
        operations_by_number = enas_form.read_operations(read["embedding"], search_for)
        rows = assignment.decode(architecture)
        assert isinstance(rows, list)
        found = [(row[at], operations_by_number[row[at + 1]]) for row in rows for at in range(0, len(row), 2)]
        edges = (
            [(f"{cell}_{node}_source_{edge}", f"{cell}_{node}_operation_{edge}")
             for cell in ("normal", "reduce") for node in nodes for edge in (1, 2)]
            if search_for == "micro"
            else [(f"node_{node}_source", f"node_{node}_activation") for node in nodes]
        )  # fmt: skip
        texts = dict(zip(flat_texts(search_for), NAMES[search_for], strict=True))
        assert found == [(int(assigned.get(source, "0")), texts[assigned[operation]]) for source, operation in edges]
        seen |= {operation for _, operation in found}
    assert seen == set(NAMES[search_for])


def flat_texts(search_for: str) -> tuple[str, ...]:
    if search_for == "recurrent":
        return NAMES[search_for]
    return (
        "separable_convolution/filter_size=3",
        "separable_convolution/filter_size=5",
        "avg_pooling",
        "skip_connection",
    )


@pytest.mark.parametrize("name", ["enas-micro", "enas-micro-digits", "enas-text", "enas-ptb"])
def test_the_examples_over_cells_become_experiments_whose_trials_know_their_choices(name: str) -> None:
    flat = flattening.flatten(example(name))
    first = {one["name"]: one["feasibleSpace"]["list"][0] for one in flat["spec"]["parameters"]}
    container = template.render(manifest.parse(flat).template, "t-1", "team", first)
    nn_config = assignment.decode(choices.read(flag(container, "choices"))[1])
    assert isinstance(nn_config, dict)
    assert nn_config["input_sizes"] == example(name)["spec"]["nasConfig"]["graphConfig"]["inputSizes"]


def test_parameters_of_cells_have_the_names_of_nodes_and_what_is_searched_is_left_out() -> None:
    read = of_cells("micro", controller_train_steps="5")
    flat = flattening.flatten(read)
    assert [one["name"] for one in flat["spec"]["parameters"]][:5] == [
        "normal_2_source_1", "normal_2_operation_1", "normal_2_source_2", "normal_2_operation_2", "normal_3_source_1"
    ]  # fmt: skip
    assert flat["spec"]["algorithm"]["algorithmSettings"] == [{"name": "controller_train_steps", "value": "5"}]
    assert len(flat["spec"]["parameters"]) == 2 * 5 * 4
    assert [one["name"] for one in flattening.flatten(of_cells("recurrent"))["spec"]["parameters"]][:3] == [
        "node_1_activation", "node_2_source", "node_2_activation"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("search_for", "settings", "graph", "operations", "said"),
    [
        ("micro", {"num_nodes": "13"}, {}, None, r"num_nodes: '104 parameters' .*at most 100: have fewer nodes"),
        ("micro", {"num_nodes": "0"}, {}, None, r"spec\.algorithm\.algorithmSettings\.num_nodes: '0' .*integer >= 1"),
        ("micro", {"search_for": "nano"}, {}, None, r"algorithmSettings\.search_for: 'nano' .*macro, micro, recurrent"),
        ("micro", {"search_for": "macro", "num_nodes": "3"}, {}, None, r"num_nodes: 3 .*macro architectures have no n"),
        ("micro", {}, {"numLayers": 2}, None, r"spec\.nasConfig\.graphConfig\.numLayers: 2 .*>= 3 for such cells"),
        ("recurrent", {}, {"numLayers": 2}, None, r"spec\.nasConfig\.graphConfig\.numLayers: 2 .*must be 1 for such"),
        ("micro", {}, {}, [{"operationType": "tanh"}], r"spec\.nasConfig\.operations\[0\]\.operationType: 'tanh'"),
        ("recurrent", {}, {}, [{"operationType": "tanh"}], r"spec\.nasConfig\.operations: \['tanh'\] .*at least 2 op"),
    ],
)  # fmt: skip
def test_cells_that_no_trial_builds_are_refused_by_name(
    search_for: str,
    settings: dict[str, str],
    graph: dict[str, int],
    operations: list[dict[str, Any]] | None,
    said: str,
) -> None:
    read = of_cells(search_for, **settings)
    nas = read["spec"]["nasConfig"]
    nas["graphConfig"] = nas["graphConfig"] | graph
    nas["operations"] = operations or nas["operations"]
    with pytest.raises(InvalidExperiment, match=said):
        flattening.flatten(read)
