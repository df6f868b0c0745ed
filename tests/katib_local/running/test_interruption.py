"""Signals, noticed where it suits."""

import os
import signal
import threading
import time

import pytest

from katib_local.errors import Interrupted
from katib_local.running.interruption import Interruption


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noticed_at_the_next_check(number: signal.Signals) -> None:
    with Interruption() as interruption:
        interruption.check()
        os.kill(os.getpid(), number)
        with pytest.raises(Interrupted):
            interruption.check()
        with pytest.raises(Interrupted):
            interruption.sleep(60)


def test_a_signal_ends_a_sleep() -> None:
    with Interruption() as interruption:
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        start = time.monotonic()
        with pytest.raises(Interrupted):
            interruption.sleep(60)
        assert time.monotonic() - start < 5


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interruption():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before
