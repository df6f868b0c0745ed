import csv
import json
import logging
import os
import shutil
import subprocess

import pytest

from enas_service.checkpoint import MAX_FOLDERS, CheckpointStore
from enas_service.problem import Problem
from enas_service.suggester import EnasSuggester
from katib_suggestion.experiment import Trial, TrialCondition
from katib_suggestion.wire import converters


@pytest.fixture
def experiment(build):
    return converters.experiment(build.enas(num_layers=5))


def rounds(suggester, experiment, num_rounds, trials=None, restart=None):
    """Run rounds of 3; with ``restart``, each round is asked of a new suggester."""
    trials = list(trials or [])
    for _ in range(num_rounds):
        suggester = suggester if restart is None else restart()
        for one in suggester.suggest(experiment, trials, 3, len(trials) + 3):
            value = one["architecture"].count("1") / 10
            metrics = {"Validation-Accuracy": str(value)}
            name = f"t{len(trials):03}"
            trials.append(Trial(name=name, condition=TrialCondition.SUCCEEDED, assignments=one, metrics=metrics))
        suggester.settle()
    return trials


def architectures(trials):
    return [trial.assignments["architecture"] for trial in trials]


@pytest.mark.fault(3)
def test_a_new_process_goes_on_bit_for_bit(experiment, tmp_path):
    unbroken = rounds(EnasSuggester(5), experiment, 8)
    broken = rounds(None, experiment, 8, restart=lambda: EnasSuggester(None, CheckpointStore(tmp_path / "state")))
    first = EnasSuggester(5, CheckpointStore(tmp_path / "seeded"))
    seeded = rounds(first, experiment, 4)
    seeded = rounds(EnasSuggester(99, CheckpointStore(tmp_path / "seeded")), experiment, 4, seeded)
    assert architectures(seeded) == architectures(unbroken)
    assert len(set(architectures(broken))) == 24


def test_a_repeated_request_survives_a_restart(experiment, tmp_path):
    store = CheckpointStore(tmp_path)
    trials = rounds(EnasSuggester(1, store), experiment, 3)
    reply = EnasSuggester(1, store).suggest(experiment, trials, 3, 12)
    assert EnasSuggester(2, store).suggest(experiment, trials, 3, 12) == reply


def test_the_history_goes_on_over_restarts_and_stands_in_a_table(experiment, tmp_path):
    rounds(None, experiment, 4, restart=lambda: EnasSuggester(5, CheckpointStore(tmp_path)))
    (path,) = tmp_path.glob("*/history.csv")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["num_trials"] for row in rows] == ["3", "6", "9"]
    assert all(float(row["entropy"]) > 0 and 0 < float(row["skip_rate"]) < 1 for row in rows)
    best = [float(row["best"]) for row in rows]
    assert best == sorted(best)


def test_what_each_decision_matters_stands_in_a_table(experiment, tmp_path):
    rounds(EnasSuggester(5, CheckpointStore(tmp_path)), experiment, 4)
    (path,) = tmp_path.glob("*/importance.csv")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["kind"] for row in rows} >= {"operation", "join"}
    assert {row["value"] for row in rows if row["name"] == "layer 2: join 0"} == {"0", "1"}
    assert all(0 <= float(row["importance"]) <= 1 for row in rows)
    # The rewards of `rounds` are counts of a digit, in tenths.
    assert all(0 <= float(row["expected"]) <= 3 for row in rows)


@pytest.mark.fault(3)
def test_without_a_folder_it_learns_again_from_the_trials_of_the_request(experiment, caplog):
    trials = rounds(EnasSuggester(1), experiment, 6)
    with caplog.at_level(logging.INFO):
        new = EnasSuggester(2).suggest(experiment, trials, 3, 21)
    assert not {one["architecture"] for one in new} & set(architectures(trials))
    assert "learning from t000, t001" in caplog.text


DAMAGE = {
    "truncated": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(b"\0\xff" * 1000),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("pattern", ["*/*.index", "*/*.data*", "*/*"])
def test_damaged_files_are_moved_aside_and_the_search_goes_on(experiment, tmp_path, damage, pattern, caplog):
    trials = rounds(EnasSuggester(1, CheckpointStore(tmp_path)), experiment, 3)
    (folder,) = tmp_path.iterdir()
    for path in folder.glob(pattern):
        DAMAGE[damage](path)
    again = EnasSuggester(1, CheckpointStore(tmp_path)).suggest(experiment, trials, 3, 12)
    assert not {one["architecture"] for one in again} & set(architectures(trials))
    assert folder.exists(), "the search is saved again"


def test_the_checkpoint_before_a_damaged_one_is_used(experiment, tmp_path, caplog):
    store = CheckpointStore(tmp_path)
    trials = rounds(EnasSuggester(1, store), experiment, 3)
    (folder,) = tmp_path.iterdir()
    newest = max(folder.glob("*/*.index"), key=lambda path: path.stat().st_mtime_ns)
    newest.write_bytes(b"")
    with caplog.at_level(logging.INFO):
        EnasSuggester(1, store).suggest(experiment, trials, 3, 12)
    assert "going on after 3 trials" in caplog.text


def test_another_problem_under_the_same_name_starts_afresh_and_says_so(build, tmp_path, caplog):
    store = CheckpointStore(tmp_path)
    rounds(EnasSuggester(1, store), converters.experiment(build.enas(num_layers=5)), 2)
    other = converters.experiment(build.enas(num_layers=3))
    trials = rounds(EnasSuggester(1, store), other, 2)
    assert {len(json.loads(one)) for one in architectures(trials)} == {3}
    assert "another search space" in caplog.text


def test_a_problem_has_the_fingerprint_that_0_1_0_gave_it(build):
    """Or else its checkpoints were another problem's."""
    problem = Problem.of(converters.experiment(build.enas()))
    assert problem.fingerprint == "362eb6f7df1675ae5df004f7930d96ea9427ba3220ee76f84480e966b9d24140"


@pytest.mark.parametrize("name", ["../../escape", "/etc/passwd", "a" * 300, "name with\nnewline", "", "."])
def test_no_name_leaves_the_folder(build, tmp_path, name):
    experiment = converters.experiment(build.enas(name=name))
    EnasSuggester(1, CheckpointStore(tmp_path / "state")).suggest(experiment, [], 1, 1)
    (folder,) = (tmp_path / "state").iterdir()
    assert folder.resolve().parent == (tmp_path / "state").resolve()
    assert list(tmp_path.iterdir()) == [tmp_path / "state"]


def test_a_folder_that_cannot_be_written_is_a_warning(experiment, tmp_path, caplog):
    (tmp_path / "file").write_text("not a folder")
    trials = rounds(EnasSuggester(1, CheckpointStore(tmp_path / "file" / "state")), experiment, 2)
    assert len(trials) == 6
    assert "kept in memory only" in caplog.text


@pytest.fixture
def locked_folder(tmp_path):
    """A folder that this process may not even look into, as a volume of root's is for a service that is not root."""
    folder = tmp_path / "locked"
    folder.mkdir(mode=0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield folder
    os.seteuid(user)


def test_a_folder_that_cannot_be_read_is_a_warning(experiment, locked_folder, caplog):
    trials = rounds(EnasSuggester(1, CheckpointStore(locked_folder)), experiment, 1)
    assert len(trials) == 3
    assert "its state could not be read" in caplog.text
    assert "kept in memory only" in caplog.text


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a file system of its own needs the right to mount one")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_disk_that_fills_up_leaves_the_last_good_state(experiment, small_disk, caplog):
    store = CheckpointStore(small_disk)
    suggester = EnasSuggester(1, store)
    trials = rounds(suggester, experiment, 1)
    assert "kept in memory only" not in caplog.text
    filler = small_disk / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(small_disk).free - 100_000))
    trials = rounds(suggester, experiment, 2, trials)
    assert "kept in memory only" in caplog.text
    assert len(trials) == 9
    # A new process goes on from what was saved before, learns the rest again, and saves once there is room.
    filler.unlink()
    caplog.clear()
    with caplog.at_level(logging.INFO):
        new = EnasSuggester(1, store).suggest(experiment, trials, 3, 12)
    assert "going on after 0 trials" in caplog.text
    assert "kept in memory only" not in caplog.text
    assert not {one["architecture"] for one in new} & set(architectures(trials))
    assert EnasSuggester(2, store).suggest(experiment, trials, 3, 12) == new


def test_two_experiments_in_turn_each_go_on_as_if_alone(build, tmp_path):
    experiments = [converters.experiment(build.enas(name=name, num_layers=5)) for name in ("one", "two")]
    alone = [architectures(rounds(EnasSuggester(3), experiment, 4)) for experiment in experiments]
    trials = [[], []]
    for _ in range(4):
        for index, experiment in enumerate(experiments):
            suggester = EnasSuggester(3, CheckpointStore(tmp_path))
            trials[index] = rounds(suggester, experiment, 1, trials[index])
    assert [architectures(one) for one in trials] == alone


def test_old_experiments_make_room(build, tmp_path, monkeypatch):
    monkeypatch.setattr("enas_service.checkpoint.MAX_FOLDERS", 3)
    assert MAX_FOLDERS == 100
    for index in range(5):
        experiment = converters.experiment(build.enas(name=f"experiment-{index}"))
        EnasSuggester(1, CheckpointStore(tmp_path)).suggest(experiment, [], 1, 1)
        os.utime(next(tmp_path.glob(f"experiment-{index}-*")), (index, index))
    assert sorted(path.name[:12] for path in tmp_path.iterdir()) == ["experiment-2", "experiment-3", "experiment-4"]


def test_a_restarted_experiment_forgets_its_files(experiment, tmp_path, caplog):
    store = CheckpointStore(tmp_path)
    rounds(EnasSuggester(1, store), experiment, 2)
    EnasSuggester(1, store).suggest(experiment, [], 3, 3)
    assert "trials that it learned from are gone" not in caplog.text, "the same first request is answered as before"
    EnasSuggester(1, store).suggest(experiment, [], 2, 2)
    assert "trials that it learned from are gone" in caplog.text


def test_after_the_clock_was_set_back_the_newest_stay(build, tmp_path, monkeypatch):
    """The folders of before are of the future then."""
    monkeypatch.setattr("enas_service.checkpoint.MAX_FOLDERS", 3)
    for index in range(3):
        (tmp_path / f"before-{index}").mkdir()
        os.utime(tmp_path / f"before-{index}", (2**32 + index,) * 2)
    store = CheckpointStore(tmp_path)
    for name in ("one", "two"):
        EnasSuggester(1, store).suggest(converters.experiment(build.enas(name=name)), [], 1, 1)
    assert sorted(path.name.rpartition("-")[0] for path in tmp_path.iterdir()) == ["before", "one", "two"]


def test_a_folder_of_another_process_is_left_alone(experiment, tmp_path, caplog):
    first = CheckpointStore(tmp_path)
    trials = rounds(EnasSuggester(1, first), experiment, 2)
    is_ours = False
    second = EnasSuggester(2, CheckpointStore(tmp_path, is_ours=lambda: is_ours))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    trials = rounds(second, experiment, 1, trials)
    second.suggest(experiment, [], 2, 2)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert "another process uses the folder" in caplog.text
    is_ours = True
    rounds(second, experiment, 1)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} != before
