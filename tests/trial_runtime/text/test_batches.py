from itertools import islice

import pytest
import torch

from trial_runtime.errors import DatasetError
from trial_runtime.processes.processes import Processes
from trial_runtime.text.batches import Exactly, FollowingBatches, Steady, Text, TextBatches, Varied

CPU = torch.device("cpu")


def text(num_words=100, batch_size=3, **options):
    return Text(torch.arange(num_words), batch_size, name="training", device=CPU, **options)


def batches(lengths=None, seed=0, **options):
    return TextBatches(text(**options), lengths or Steady(bptt=7, half_probability=0.5), generator(seed))


def generator(seed):
    return torch.Generator().manual_seed(seed)


def test_windows_follow_each_other_down_the_columns():
    windows = list(batches(Exactly(10)))
    assert torch.equal(torch.cat([window.words_tb for window in windows])[:, 1], torch.arange(33, 65))
    for window in windows:
        assert torch.equal(window.next_tb, window.words_tb + 1)
    assert [len(window.words_tb) for window in windows] == [10, 10, 10, 2]
    assert [float(window.carries) for window in windows] == [0, 1, 1, 1]


def test_a_pass_is_as_long_as_it_says_whatever_is_drawn():
    drawn = batches()
    for _ in range(3):
        lengths = []
        iterator = iter(drawn)
        lengths = [len(window.words_tb) for window in iterator]
        assert len(lengths) == len(drawn)
        assert sum(lengths) == 32
        assert set(lengths[:-1]) <= {3, 7}


def test_lengths_change_from_pass_to_pass():
    drawn = batches()
    passes = {tuple(len(window.words_tb) for window in drawn) for _ in range(8)}
    assert len(passes) > 1


def test_varied_lengths_stay_within_their_bounds():
    draws = generator(0)
    lengths = [Varied(bptt=35).draw(draws) for _ in range(4000)]
    assert (min(lengths) >= 5, max(lengths) <= 55) == (True, True)
    assert sum(lengths) / len(lengths) == pytest.approx(0.95 * 34.5 + 0.05 * 17, abs=0.4)
    assert Varied(bptt=1).draw(draws) <= 21


@pytest.mark.parametrize("num_given", [0, 1, 3])
def test_a_pass_goes_on_where_another_stood(num_given):
    whole = batches()
    iterator = iter(whole)
    list(islice(iterator, num_given))
    state = whole.state_dict()
    rest = [window.words_tb for window in iterator] + [window.words_tb for window in whole]
    again = batches(seed=5)
    again.load_state_dict(state, is_within_pass=num_given > 0)
    found = [window.words_tb for window in again] + [window.words_tb for window in again]
    assert all(torch.equal(a, b) for a, b in zip(rest, found, strict=True))


@pytest.mark.parametrize(
    "wrong", [{"lengths": [30]}, {"lengths": [32], "num_given": 2}, {"lengths": [0, 32], "num_given": 0}]
)
def test_a_state_of_another_text_is_refused(wrong):
    drawn = batches()
    with pytest.raises(ValueError, match=r"windows"):
        drawn.load_state_dict(drawn.state_dict() | {"num_given": 0} | wrong, is_within_pass=True)


@pytest.mark.parametrize("size", [2, 3])
def test_processes_share_the_columns(size):
    whole = next(iter(batches(Exactly(5)))).words_tb
    shares = [
        next(iter(batches(Exactly(5), processes=Processes(rank=rank, size=size)))).words_tb for rank in range(size)
    ]
    assert torch.equal(torch.cat(shares, dim=1), whole)


def test_too_few_words_and_too_few_columns_are_told_of():
    with pytest.raises(DatasetError, match=r"batch_size: 51 .*the training part has 100 words, .*50 at most"):
        text(batch_size=51)
    assert text(batch_size=50).num_rows == 1
    with pytest.raises(DatasetError, match="each of the 4 processes"):
        text(batch_size=3, processes=Processes(size=4))


def test_following_windows_are_as_long_and_keep_their_own_place():
    followed = batches()
    following = FollowingBatches(text(num_words=33), followed)
    places = []
    for window in followed:
        other = next(iter(following))
        assert len(other.words_tb) == len(window.words_tb)
        places.append((int(other.words_tb[0, 0]), float(other.carries)))
        assert other.words_tb[-1, -1] < 32
    assert all(carries == (place > 0) for place, carries in places)
    assert len({place for place, _ in places}) > 1
    assert sum(place == 0 for place, _ in places) > 1, "it begins again at the end of the text"


def test_a_text_shorter_than_a_window_is_one():
    followed = batches(Exactly(8))
    following = FollowingBatches(text(num_words=12), followed)
    for _ in followed:
        window = next(iter(following))
        assert (len(window.words_tb), float(window.carries)) == (3, 0)


def test_following_goes_on_where_another_stood():
    followed = batches(Exactly(4))
    following = FollowingBatches(text(), followed)
    next(iter(followed))
    next(iter(following))
    again = FollowingBatches(text(), followed)
    again.load_state_dict(following.state_dict(), is_within_pass=False)
    assert torch.equal(next(iter(again)).words_tb, next(iter(following)).words_tb)
    with pytest.raises(ValueError, match="row 99"):
        again.load_state_dict({"row": 99}, is_within_pass=True)
