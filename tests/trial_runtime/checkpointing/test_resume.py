import pytest

from katib_suggestion.files.folder_lock import FolderLock
from trial_runtime.checkpointing import checkpoints, resume
from trial_runtime.checkpointing.checkpoints import CheckpointError
from trial_runtime.checkpointing.resume import ResumeOptions, Saver
from trial_runtime.processes.processes import ALONE, Processes
from trial_runtime.processes.termination import Terminated, Termination

ONWARDS = ResumeOptions(every_steps=None, fresh=False)
FRESH = ResumeOptions(every_steps=None, fresh=True)


def find(folder, asked, options=ONWARDS, unasked=frozenset()):
    return resume.find(folder, asked, options=options, unasked=unasked, group=ALONE)


def test_a_trial_goes_on_from_its_own_configuration_alone(tmp_path):
    assert find(tmp_path, {"seed": 1}) is None
    checkpoints.write(tmp_path / resume.FILE, {"epoch": 3}, {"seed": 1, "order": 2})

    assert find(tmp_path, {"seed": 1, "order": 2}).state == {"epoch": 3}
    with pytest.raises(CheckpointError, match="seed is 1 there and 5 here"):
        find(tmp_path, {"seed": 5, "order": 2})


def test_what_was_not_asked_for_is_the_checkpoints(tmp_path):
    checkpoints.write(tmp_path / resume.FILE, {}, {"seed": 1, "order": 2})

    assert find(tmp_path, {"seed": 5, "order": 2}, unasked=frozenset({"seed"})).configuration["seed"] == 1
    with pytest.raises(CheckpointError, match="order is 2 there and 1 here"):
        find(tmp_path, {"seed": 5, "order": 1}, unasked=frozenset({"seed"}))


def test_fresh_forgets_what_is_there_for_good(tmp_path):
    (tmp_path / resume.FILE).write_bytes(b"garbage")

    assert find(tmp_path, {}, FRESH) is None
    assert find(tmp_path, {}) is None


def saver(folder, every_steps=None, termination=None):
    options = ResumeOptions(every_steps=every_steps, fresh=False)
    return Saver(folder, {}, options=options, group=ALONE, termination=termination or Termination())


@pytest.mark.parametrize(("every_steps", "saved"), [(None, []), (1, [1, 2, 3, 4, 5, 6, 7]), (3, [3, 6]), (9, [])])
def test_a_checkpoint_is_written_every_so_many_steps(tmp_path, every_steps, saved):
    found = []
    for step in range(1, 8):
        saver(tmp_path, every_steps).after_step(step, lambda step=step: {"step": step})
        found += [checkpoint.state["step"] for checkpoint in [checkpoints.read(tmp_path / resume.FILE)] if checkpoint]
    assert sorted(set(found)) == saved


def test_sigterm_writes_one_and_ends_the_trial(tmp_path):
    termination = Termination()
    termination.is_asked_for = True

    with pytest.raises(Terminated, match=f"the same command goes on from {tmp_path}"):
        saver(tmp_path, termination=termination).after_step(4, lambda: {"step": 4})

    assert checkpoints.read(tmp_path / resume.FILE).state["step"] == 4


def test_one_trial_at_a_time_writes_a_folder(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(resume, "WAIT_S", 0.3)
    other = FolderLock(tmp_path)
    assert other.claim()

    with pytest.raises(resume.FolderInUse, match="is in use by another process"), resume.alone_in(tmp_path, ALONE):
        raise AssertionError("two at a time")

    assert "waiting up to 0.3 s for its end" in caplog.text
    other.release()
    with resume.alone_in(tmp_path, ALONE):
        assert not other.claim()
    assert other.claim()
    other.release()


def test_of_the_processes_of_a_trial_the_first_claims_its_folder(tmp_path):
    with resume.alone_in(tmp_path, ALONE), resume.alone_in(tmp_path, Processes(rank=1, size=2, local_rank=1)):
        pass
