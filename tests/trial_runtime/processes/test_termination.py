import os
import signal

from trial_runtime.processes import termination


def test_sigterm_is_noted_and_does_not_end_the_process():
    before = signal.getsignal(signal.SIGTERM)
    with termination.watched() as watch:
        assert not watch.is_asked_for
        os.kill(os.getpid(), signal.SIGTERM)
        assert watch.is_asked_for
    assert signal.getsignal(signal.SIGTERM) == before
