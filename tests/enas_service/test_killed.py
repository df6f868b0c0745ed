"""Searches of processes that are killed while they write their state."""

import json
import signal

import pytest

from tests.warm_python import with_tensorflow

PROGRAM = """
import json, os, shutil, signal, sys
from pathlib import Path
from enas_service.checkpoint import CheckpointStore
from enas_service.suggester import EnasSuggester
from katib_suggestion.wire import api_pb2, converters
from katib_suggestion.experiment import Trial, TrialCondition

folder, num_rounds, event, place, count = Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:5], int(sys.argv[5])

def happens(what, details):
    global count
    if what == event and place in os.fspath(details[1 if what == "os.rename" else 0]):
        count -= 1
        if count == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(happens)
experiment = converters.experiment(api_pb2.Experiment.FromString((folder / "experiment").read_bytes()))
told = folder / "told"  # what Katib has of the replies: one that was not recorded is asked for again
trials = [
    Trial(name=f"t{number}", condition=TrialCondition.SUCCEEDED, assignments={"architecture": line},
          metrics={"Validation-Accuracy": str(line.count("1") / 10)})
    for number, line in enumerate(told.read_text().splitlines())
]
suggester = EnasSuggester(5, CheckpointStore(folder / "state"))
while len(trials) < 2 * num_rounds:
    reply = suggester.suggest(experiment, trials, 2, len(trials) + 2)
    for one in reply:
        trials.append(Trial(name=f"t{len(trials)}", condition=TrialCondition.SUCCEEDED, assignments=one,
                            metrics={"Validation-Accuracy": str(one["architecture"].count("1") / 10)}))
    with told.open("a") as file:
        file.write("".join(f"{one['architecture']}\\n" for one in reply))
# Asked again, for whoever finds everything told: the search may have been killed at work on what no reply waits for.
suggester.suggest(experiment, trials[:-2], 2, len(trials))
print(json.dumps({"lessons": suggester.statuses()[experiment.name].num_trials}))
"""
"""Searches as the service does, and kills itself before the count-th time that something is done to a path."""

NEVER = ("never", "", 1)


@pytest.fixture
def search(build, tmp_path):
    def run(name, num_rounds, event, place, count):
        folder = tmp_path / name
        if not folder.exists():
            folder.mkdir()
            (folder / "experiment").write_bytes(build.enas(num_layers=4).SerializeToString())
            (folder / "told").touch()
        return with_tensorflow.run("-c", PROGRAM, folder, num_rounds, event, place, count)

    return run


def test_a_kill_at_any_part_of_a_write_changes_no_reply(search, tmp_path):
    """Before the checkpoint is begun, before it has its name, before the one before it goes, and after that."""
    whole = search("whole", 9, *NEVER)
    for instant in (
        ("os.mkdir", "/writing", 2),
        ("os.rename", "/3", 1),
        ("shutil.rmtree", "/2", 1),
        ("os.rename", "/history.csv", 2),
    ):
        killed = search("killed", 9, *instant)
        assert killed.returncode == -signal.SIGKILL, (instant, killed.stderr)
    done = search("killed", 9, *NEVER)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(whole.stdout) == {"lessons": 16}
    assert (tmp_path / "killed/told").read_text() == (tmp_path / "whole/told").read_text()
