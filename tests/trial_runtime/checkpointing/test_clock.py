from trial_runtime.checkpointing.clock import Clock


def test_a_clock_goes_on_from_the_seconds_before_and_runs_only_within():
    clock = Clock(100.0)
    assert clock.seconds == 100.0
    with clock:
        first = clock.seconds
        assert 100.0 <= first <= clock.seconds
    stopped = clock.seconds
    assert first <= stopped == clock.seconds < 200.0
