import math

import pytest
import torch

from trial_runtime.errors import TrainingDiverged
from trial_runtime.processes.processes import ALONE
from trial_runtime.text.perplexity import Perplexity, TextTally


def tally():
    return TextTally("epoch 1, training", ALONE, "smaller steps may help")


def words(steps):
    return torch.zeros(steps, 2, dtype=torch.int64)


def test_every_word_counts_alike():
    counted = tally()
    counted.add(torch.tensor(1.0), words(3))
    counted.add(torch.tensor(4.0), words(1))
    assert counted.means() == Perplexity(1.75)
    assert counted.means().perplexity == pytest.approx(math.exp(1.75))
    assert len(counted) == 2
    assert str(Perplexity(math.log(2))) == "loss 0.6931, perplexity 2.00"


def test_another_tally_goes_on():
    counted, again = tally(), tally()
    again.load_state_dict(counted.state_dict())
    counted.add(torch.tensor(1.0), words(3))
    again.load_state_dict(counted.state_dict())
    again.add(torch.tensor(4.0), words(1))
    assert (again.means().loss, len(again)) == (1.75, 2)
    with pytest.raises(ValueError, match="two columns"):
        again.load_state_dict({"sums": torch.zeros(3)})


def test_a_loss_that_is_no_number_ends_it_by_the_name_of_the_step():
    counted = tally()
    counted.add(torch.tensor(1.0), words(3))
    counted.add(torch.tensor(math.nan), words(3))
    with pytest.raises(TrainingDiverged, match="epoch 1, training step 2: the loss is nan; smaller steps"):
        counted.means()


def test_the_worst_models_have_a_perplexity_too():
    assert math.isfinite(Perplexity(1e6).perplexity)
