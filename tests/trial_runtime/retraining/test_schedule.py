import pytest

from trial_runtime.retraining import schedule


def test_the_rate_falls_along_half_a_cosine_to_the_epoch_after_the_last():
    assert [schedule.cosine(epoch, 4, 1.0, 0.2) for epoch in (1, 3, 5)] == pytest.approx([1.0, 0.6, 0.2])


def test_each_cosine_begins_anew_and_is_longer_than_the_one_before():
    rates = [schedule.restarted_cosine(epoch, 2, 3, 1.0, 0.2) for epoch in range(1, 28)]
    assert [epoch for epoch, rate in enumerate(rates, start=1) if rate == pytest.approx(1.0)] == [1, 3, 9, 27]
    assert rates[1] == pytest.approx(0.6)
    assert rates[2:8] == pytest.approx([schedule.cosine(epoch, 6, 1.0, 0.2) for epoch in range(1, 7)])


@pytest.mark.parametrize(
    ("num_epochs", "period", "factor", "expected"),
    [(310, 10, 2, True), (30, 10, 2, True), (31, 10, 2, False), (5, 10, 2, False), (20, 10, 1, True)],
)
def test_some_trainings_end_with_a_cosine(num_epochs, period, factor, expected):
    assert schedule.ends_a_cosine(num_epochs, period, factor) is expected
