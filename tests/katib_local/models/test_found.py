"""What users name, and what is trained of it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from darts_genotype import loading
from darts_trainer.retraining import config
from enas_trainer.architecture.fields import InvalidNetwork
from katib_local.commands.train import command
from katib_local.errors import RunFolderError
from katib_local.models import found, recipes
from katib_local.models.found import Chosen, ToTrain
from katib_local.models.recipes import CELLS, MACRO
from katib_local.record import kept_runs
from katib_local.record.run_folder import RunFolder
from katib_suggestion.parsing import assignment
from tests.katib_local.api_server import PLACE, ApiServer

KEPT = Path(__file__).parents[2] / "data/0.1.0"
GENOTYPE = "Genotype(normal=[[('skip_connection',0),('skip_connection',1)]],normal_concat=range(2,3),reduce=[],reduce_concat=range(2,3))"  # noqa: E501


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies of runs: who looks at one may lock its folder."""
    shutil.copytree(KEPT / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    for name in ("KATIB_NAS_DATASET", "KATIB_NAS_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)


def to_train(text: str | None) -> ToTrain:
    what = found.named(text)
    assert isinstance(what, ToTrain)
    return what


def test_a_run_stands_for_its_best_trial() -> None:
    run = kept_runs.read(RunFolder(Path("runs/enas").absolute()))
    assert run.best is not None
    what = to_train("runs/enas")
    assert what.recipe.program == MACRO
    architecture, nn_config = what.recipe.flags
    assert architecture == f"--architecture={run.folder.trial(run.best.name)}/artifacts/architecture.json"
    assert json.loads(nn_config.partition("=")[2])["num_layers"]
    assert what.folder == Path("runs/enas/trained").absolute()
    assert what.origin["trial"] == run.best.name
    assert what.origin["assignments"] == dict(run.best.assignments)
    assert what.origin["manifest"] == run.document
    assert what.origin["num_trials"] == len(run.trials)
    # By its name below runs/, too.
    assert to_train("enas") == what


@pytest.mark.parametrize("inside", ["", "/artifacts"])
def test_a_trial_of_a_run_is_that_one_whether_or_not_it_is_the_best(inside: str) -> None:
    run = kept_runs.read(RunFolder(Path("runs/enas").absolute()))
    other = next(trial.name for trial in run.trials if run.best is not None and trial.name != run.best.name)
    what = to_train(f"runs/enas/trials/{other}{inside}")
    assert what.origin["trial"] == other
    assert what.recipe.flags[0].endswith(f"trials/{other}/artifacts/architecture.json")
    assert what.folder == Path(f"runs/enas/trials/{other}/trained").absolute()


def test_the_data_are_those_of_the_trial_but_for_what_makes_it_short() -> None:
    (record,) = {path.read_text() for path in Path("runs/enas/trials").glob("*-0001/artifacts/*.json")}
    dataset = json.loads(record)["dataset"]
    flags = dict(flag.split("=", 1) for flag in to_train("runs/enas").data)
    assert flags["--dataset"] == dataset
    assert not {"--max-images", "--train-portion", "--cutout", "--seed"} & flags.keys()


def test_the_genotype_of_a_darts_search_is_trained_as_one() -> None:
    what = to_train("runs/darts")
    assert what.recipe.program == CELLS
    (genotype,) = what.recipe.flags
    assert genotype.endswith("artifacts/genotype.json")


def test_a_record_a_folder_of_a_search_and_a_text_need_no_run(tmp_path: Path) -> None:
    trial = next(Path("runs/enas/trials").glob("*/artifacts"))
    shutil.copytree(trial, "alone")
    for name in ("alone", "alone/architecture.json"):
        what = to_train(name)
        assert what.recipe.program == MACRO
        assert what.recipe.flags[0] == "--architecture=alone/architecture.json"
        assert not what.origin
    assert to_train("alone").folder == Path("alone/trained")
    assert to_train("alone/architecture.json").folder == Path("trained")
    (tmp_path / "genotype.txt").write_text(GENOTYPE)
    for text, flags in ((GENOTYPE, (f"--genotype={GENOTYPE}",)), ("genotype.txt", ("--genotype=genotype.txt",))):
        assert to_train(text).recipe.flags == flags
        assert to_train(text).recipe.program == CELLS
    assert to_train("[[0]]").recipe.flags == ("--architecture=[[0]]",)


def test_what_was_trained_can_be_trained_again() -> None:
    shutil.copytree(KEPT / "trainers/network", "network")
    assert to_train("network").recipe.program == CELLS
    assert to_train("network").recipe.flags == ("--genotype=network/network.json",)


OF_CELLS: dict[str, Any] = {
    "architecture": [[0, 0, 1, 1], [1, 0, 0, 1]],
    "nn_config": {
        "num_layers": 3,
        "input_sizes": [8, 8, 1],
        "output_sizes": [2],
        "search_for": "micro",
        "num_nodes": 1,
        "embedding": {
            "0": {"opt_id": 0, "opt_type": "skip_connection", "opt_params": {}},
            "1": {"opt_id": 1, "opt_type": "max_pooling", "opt_params": {"filter_size": "3"}},
        },
    },
}


def test_cells_of_an_enas_search_are_trained_as_a_genotype(tmp_path: Path) -> None:
    (tmp_path / "architecture.json").write_text(json.dumps(OF_CELLS))
    what = to_train("architecture.json")
    assert what.recipe.program == CELLS
    assert what.recipe.flags == ("--genotype=architecture.json", "--recipe=enas")
    trial = config.from_arguments([*what.recipe.flags, "--device=cpu"])
    assert trial.genotype.normal_concat == (2,)
    assert (trial.settings.num_epochs, trial.settings.learning_rate) == (630, 0.05)
    # As a cluster's trial has them.
    texts = [assignment.encode(OF_CELLS[name]) for name in ("architecture", "nn_config")]
    recipe = recipes.of_architecture(*texts)
    assert recipe.program == CELLS
    expected = loading.load(str(tmp_path / "architecture.json"))
    assert loading.load(recipe.flags[0].partition("=")[2]) == expected


def test_a_network_of_another_kind_is_refused_by_its_name(tmp_path: Path) -> None:
    record = {"architecture": [[0]], "nn_config": {"num_layers": 1, "search_for": "nano"}}
    (tmp_path / "architecture.json").write_text(json.dumps(record))
    with pytest.raises(InvalidNetwork, match=r"nn_config.search_for: 'nano' is not allowed"):
        found.named("architecture.json")


def test_without_a_measured_trial_there_is_nothing(tmp_path: Path) -> None:
    shutil.rmtree("runs")
    with pytest.raises(RunFolderError, match="no run below"):
        found.named(None)


def test_plain_parameters_become_the_command_of_the_best_trial(
    run: Callable[..., tuple[int, str, str]],
    write_manifest: Callable[..., Path],
    program: Callable[[str], Path],
) -> None:
    program('echo "score=0.${1#v}"')
    path = write_manifest({"spec.maxTrialCount": 2})
    assert run("run", path)[0] == 0
    what = found.named(str(max(Path("runs").glob("mini-*"))))
    assert isinstance(what, Chosen)
    assert what.trial.assignments == {"value": "v2"}
    assert what.command == 'sh program.sh "v2"'


def test_a_clusters_best_trial_is_trained_by_its_assignments(api: ApiServer) -> None:
    what = found.on_cluster("enas-digits", "team", None)
    assert isinstance(what, ToTrain)
    best: dict[str, Any] = next(
        item for item in api.objects[f"{PLACE}/trials"]["items"] if item["metadata"]["name"] == what.origin["trial"]
    )
    assigned = {one["name"]: one["value"] for one in best["spec"]["parameterAssignments"]}
    assert what.recipe.flags == (
        f"--architecture={assigned['architecture']}",
        f"--nn_config={assigned['nn_config']}",
    )
    assert "--dataset=digits" in what.data
    assert what.folder == Path("enas-digits-trained")
    assert what.origin["source"] == "experiment enas-digits in namespace team"
    assert what.origin["manifest"]["kind"] == "Experiment"


def test_what_the_user_says_goes_before_what_the_trial_had() -> None:
    what = to_train("runs/enas")
    words = command(what, Path("out"), ["--dataset=npz:mine", "--num-epochs=30"], 1)
    assert words[1:3] == ["-m", MACRO]
    assert words.index("--dataset=npz:mine") > max(words.index(flag) for flag in what.data)
    assert "--output-dir=out" in words
    several = command(what, Path("out"), [], 4)
    assert several[1:5] == ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=4"]
    assert several[5:7] == ["-m", MACRO]
