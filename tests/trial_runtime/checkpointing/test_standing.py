import pytest
import torch

from trial_runtime.checkpointing.standing import Standing
from trial_runtime.images.tally import Tally
from trial_runtime.processes.processes import ALONE


def standing(num_epochs=2):
    return Standing(num_epochs, lambda name: Tally(name, ALONE, ""))


def add_a_step(to):
    to.tally.add(torch.tensor(1.0), torch.eye(2), torch.tensor([0, 1]))


def test_an_epoch_begins_without_steps_and_after_the_last_it_is_over():
    ours = standing()
    found = []
    while not ours.is_over:
        add_a_step(ours)
        found.append((ours.epoch, ours.step))
        ours.end_epoch()
    assert found == [(1, 1), (2, 1)]


def test_another_goes_on_where_it_stood():
    ours, theirs = standing(), standing()
    ours.end_epoch()
    add_a_step(ours)
    with ours.clock:
        pass
    theirs.load_state_dict(ours.state_dict())
    assert (theirs.epoch, theirs.step, theirs.clock.seconds) == (2, 1, ours.clock.seconds)
    assert theirs.tally.means() == ours.tally.means()


@pytest.mark.parametrize("epoch", [0, 4, "1", True, 1.0])
def test_it_stands_in_none_but_its_own_epochs(epoch):
    with pytest.raises(ValueError, match="of 2"):
        standing().load_state_dict(standing().state_dict() | {"epoch": epoch})
