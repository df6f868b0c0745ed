"""Which package imports which: what a change may not add by accident."""

import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from website import import_graph

ARROWS = {
    "cell_networks": {"darts_genotype", "trial_runtime"},
    "darts_genotype": {"katib_suggestion"},
    "dashboard": {"katib_cluster", "katib_local", "katib_suggestion"},
    "darts_service": {"darts_genotype", "katib_suggestion"},
    "darts_trainer": {"cell_networks", "darts_genotype", "darts_service", "katib_suggestion", "trial_runtime"},
    "enas_service": {"darts_genotype", "katib_suggestion"},
    "enas_trainer": {"cell_networks", "darts_genotype", "katib_suggestion", "trial_runtime"},
    "katib_cluster": {"katib_suggestion"},
    "katib_local": {
        "darts_genotype",
        "darts_trainer",
        "enas_trainer",
        "katib_cluster",
        "katib_suggestion",
        "trial_runtime",
    },
    "katib_suggestion": set(),
    "trial_runtime": {"katib_suggestion"},
}
WIRE = {"grpc", "grpc_health", "grpc_reflection", "google"}

BELOW_SPACES = {"enas_service.decisions", "enas_service.limits"}
BELOW_POLICIES = {"enas_service.decisions", "enas_service.scores", "enas_service.settings"}
"""What the folders of the ENAS service may know of the rest of it."""

GRAPH = import_graph.imports(import_graph.ROOT, import_graph.packages())


def modules(*packages: str) -> list[str]:
    return [module for module in GRAPH if import_graph.package(module) in packages]


def within(folder: str) -> list[str]:
    return [module for module in GRAPH if f"{module}.".startswith(f"{folder}.")]


def test_arrows_between_packages() -> None:
    assert {package: set(found) for package, found in import_graph.arrows(GRAPH).items()} == ARROWS


@pytest.mark.parametrize("module", modules("enas_service", "darts_service"))
def test_services_have_neither_torch_nor_trials(module: str) -> None:
    assert not import_graph.reached(GRAPH, module) & {"torch", "torchvision", "trial_runtime", "katib_local"}


def test_nothing_imports_the_dashboard() -> None:
    others = [name for name in GRAPH if import_graph.package(name) != "dashboard"]
    assert [name for name in others if "dashboard" in {import_graph.package(found) for found in GRAPH[name]}] == []


@pytest.mark.parametrize("module", modules("enas_trainer", "darts_trainer", "trial_runtime"))
def test_trainers_have_neither_the_wire_nor_tensorflow(module: str) -> None:
    assert not import_graph.reached(GRAPH, module) & (WIRE | {"tensorflow"})


@pytest.mark.parametrize(
    "module", [module for module in modules("enas_service", "darts_service") if not module.endswith(".__main__")]
)
def test_suggesters_know_no_protobuf(module: str) -> None:
    assert not import_graph.reached(GRAPH, module) & (WIRE | {"katib_suggestion.wire.api_pb2"})


@pytest.mark.parametrize("module", [module for module in GRAPH if module.startswith("enas_service.spaces")])
def test_a_search_space_knows_neither_policies_nor_tensorflow(module: str) -> None:
    reached = import_graph.reached(GRAPH, module)
    assert "tensorflow" not in reached
    ours = {name for name in reached if name.startswith("enas_service.")}
    assert {name for name in ours if not name.startswith("enas_service.spaces.")} <= BELOW_SPACES


@pytest.mark.parametrize("module", [module for module in GRAPH if module.startswith("enas_service.policies")])
def test_a_policy_knows_no_search_space(module: str) -> None:
    ours = {name for name in import_graph.reached(GRAPH, module) if name.startswith("enas_service.")}
    assert {name for name in ours if not name.startswith("enas_service.policies.")} <= BELOW_POLICIES


BEHIND = [f"enas_service.{module}" for module in ("checkpoint", "cost", "lessons", "scores")]


@pytest.mark.parametrize("module", [*BEHIND, *within("enas_service.search"), *within("enas_service.model")])
def test_behind_the_choice_of_a_space_no_kind_is_known(module: str) -> None:
    known = GRAPH[module]
    assert {name for name in known if name.startswith("enas_service.spaces.")} <= {"enas_service.spaces.space"}
    policies = {"enas_service.policies.policy", "enas_service.policies.policy_gradient"}
    assert {name for name in known if name.startswith("enas_service.policies.")} <= policies


def test_no_arrow_runs_back_up() -> None:
    """Neither between packages, nor between folders inside them, nor by a module at a package's top."""
    for room in (import_graph.package, import_graph.folder):
        TopologicalSorter(import_graph.arrows(GRAPH, room)).prepare()  # an error if there is a circle


@pytest.mark.parametrize("large", import_graph.LARGE)
def test_no_arrow_of_the_picture_runs_back_up(large: str) -> None:
    TopologicalSorter(import_graph.arrows(GRAPH, import_graph.rooms(GRAPH, large).get)).prepare()


@pytest.mark.parametrize("module", modules("darts_genotype"))
def test_genotypes_need_the_standard_library_alone(module: str) -> None:
    others = {name for name in import_graph.reached(GRAPH, module) if name not in GRAPH}
    assert others <= sys.stdlib_module_names
    ours = {import_graph.package(name) for name in import_graph.reached(GRAPH, module)} - others
    assert ours <= {"darts_genotype", "katib_suggestion"}


PICTURES = {
    "cell_networks",
    "darts_trainer.images",
    "darts_trainer.supernet",
    "darts_trainer.retraining",
    "trial_runtime.images",
    "torchvision",
}
"""What knows them."""


@pytest.mark.parametrize("module", within("darts_trainer.search"))
def test_a_search_knows_no_kind_of_network(module: str) -> None:
    found = import_graph.reached(GRAPH, module)
    assert not {import_graph.package(name) for name in found} & PICTURES
    assert not {import_graph.folder(name) for name in found} & PICTURES


@pytest.mark.parametrize("module", within("cell_networks"))
def test_networks_of_cells_know_no_trial_and_no_data(module: str) -> None:
    found = import_graph.reached(GRAPH, module)
    assert not {import_graph.folder(name) for name in found} & {"trial_runtime.images", "trial_runtime.command_line"}
    assert {import_graph.package(name) for name in found if name in GRAPH} <= {
        "cell_networks", "darts_genotype", "katib_suggestion", "trial_runtime"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("room", "base"),
    [
        ("darts_trainer.search", {"darts_trainer.metric_names"}),
        ("darts_trainer.supernet", {"darts_trainer.metric_names", "darts_trainer.search"}),
        (
            "darts_trainer.images",
            {f"darts_trainer.{name}" for name in ("metric_names", "search", "search_arguments", "supernet")},
        ),
        (
            "darts_trainer.recurrent",
            {f"darts_trainer.{name}" for name in ("metric_names", "search", "search_arguments")},
        ),
        (
            "darts_trainer.retraining",
            {f"darts_trainer.{name}" for name in ("metric_names", "predictor", "text_predictor")},
        ),
        (
            "enas_trainer.retraining",
            {
                f"enas_trainer.{name}"
                for name in ("architecture", "batch_size", "macro", "metric_names", "predictor", "sharing")
            },
        ),
        (
            "enas_trainer.macro",
            {"enas_trainer.architecture", "enas_trainer.sharing"},
        ),
        (
            "enas_trainer.micro",
            {f"enas_trainer.{name}" for name in ("architecture", "objective", "sharing")},
        ),
        (
            "enas_trainer.recurrent",
            {f"enas_trainer.{name}" for name in ("architecture", "asked", "epochs", "metric_names", "sharing")},
        ),
        (
            "trial_runtime.images",
            {
                f"trial_runtime.{name}"
                for name in (
                    "data_dir",
                    "devices",
                    "errors",
                    "from_runner",
                    "processes",
                    "reporting",
                    "seeds",
                )
            },
        ),
    ],
)
def test_what_folders_of_trainers_know_of_the_rest_of_their_package(room: str, base: set[str]) -> None:
    found = {name for module in within(room) for name in import_graph.reached(GRAPH, module)}
    package = import_graph.package(room)
    inside = {import_graph.folder(name) for name in found if import_graph.package(name) == package and name in GRAPH}
    assert inside - {room} == base


@pytest.mark.parametrize("module", modules("katib_local", "katib_cluster"))
def test_the_local_runner_has_neither_torch_nor_tensorflow(module: str) -> None:
    assert not import_graph.reached(GRAPH, module) & {"torch", "tensorflow"}


def test_an_import_inside_a_function_counts_and_is_followed(tmp_path: Path) -> None:
    for package in ("one", "two"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "one/first.py").write_text("from two import second\n")
    (tmp_path / "two/second.py").write_text("def use():\n    import torch.nn\n")
    graph = import_graph.imports(tmp_path, ["one", "two"])
    assert import_graph.reached(graph, "one.first") == {"two.second", "torch"}
    assert import_graph.arrows(graph) == {"one": {"two"}, "two": set()}


def test_a_package_has_rooms_for_its_folders_and_for_what_is_above_between_and_below_them(tmp_path: Path) -> None:
    (tmp_path / "one/inside").mkdir(parents=True)
    (tmp_path / "one/attic").mkdir()
    texts = {
        "__init__": "",
        "door": "from one import hall\n",
        "hall": "from one.attic import box\n",
        "attic/__init__": "",
        "attic/box": "from one import stairs\n",
        "stairs": "from one.inside import room\n",
        "inside/__init__": "",
        "inside/room": "import one.cellar\n",
        "cellar": "import os\n",
    }
    for file, text in texts.items():
        (tmp_path / f"one/{file}.py").write_text(text)
    graph = import_graph.imports(tmp_path, ["one"])
    rooms = import_graph.rooms(graph, "one")
    assert {rooms[name] for name in ("one", "one.door", "one.hall")} == {"one"}
    assert rooms["one.inside"] == rooms["one.inside.room"] == "one.inside"
    assert rooms["one.cellar"] == "one: cellar"
    assert import_graph.arrows(graph, rooms.get) == {
        "one": {"one.attic"},
        "one.attic": {"one: stairs"},
        "one: stairs": {"one.inside"},
        "one.inside": {"one: cellar"},
        "one: cellar": set(),
    }


def test_the_picture_is_in_step() -> None:
    assert import_graph.PICTURE.read_text() == import_graph.draw(GRAPH), "run: python -m website.import_graph"
