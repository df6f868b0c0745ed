"""A suggestion service as a process of ours: the DARTS service, and modules that misbehave."""

import os
import signal
import socket
import textwrap
import time
from pathlib import Path

import pytest

from katib_local.errors import Interrupted, SuggestionError
from katib_local.running import leftovers, suggestion_process
from katib_local.running.interruption import Interruption
from katib_local.running.suggestion_process import SuggestionProcess, wait_until_serving


def process_id(log: Path) -> int:
    (found,) = leftovers.find(log)
    return found


def is_running(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a module whose text a test writes into the working directory, from which the process starts."""
    monkeypatch.chdir(tmp_path)
    return "misbehaving"


def write(module: str, text: str) -> None:
    Path(f"{module}.py").write_text(textwrap.dedent(text))


def test_it_serves_and_ends(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    with SuggestionProcess("darts_service", [], log, Interruption()) as process:
        wait_until_serving(process.address, 5, Interruption())
        number = process_id(log)
        assert is_running(number)
    assert not is_running(number)
    assert not process.is_alive
    assert "serving" in log.read_text()


def test_one_that_ignores_sigterm_is_killed(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggestion_process, "STOP_TIMEOUT_S", 0.2)
    monkeypatch.setattr(suggestion_process, "START_TIMEOUT_S", 1.0)
    write(
        module,
        """
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)
        """,
    )
    log = tmp_path / "service.log"
    process = SuggestionProcess(module, [], log, Interruption())
    with pytest.raises(SuggestionError, match="was not ready after 1 s"):
        process.start()
    number = process_id(log)
    assert is_running(number)
    process.stop()
    assert not is_running(number)


def test_one_that_ends_at_once_is_told_with_its_last_words(module: str, tmp_path: Path) -> None:
    write(module, "raise SystemExit('no TensorFlow here')")
    start = time.monotonic()
    with pytest.raises(SuggestionError, match="ended with code 1 before it served; it said 'no TensorFlow here'"):
        SuggestionProcess(module, [], tmp_path / "service.log", Interruption()).start()
    assert time.monotonic() - start < 10


def test_a_port_that_was_taken_is_given_up(module: str, tmp_path: Path) -> None:
    write(module, "import os; os._exit(os.EX_UNAVAILABLE)")
    with pytest.raises(SuggestionError, match="no free port in 3 attempts"):
        SuggestionProcess(module, [], tmp_path / "service.log", Interruption()).start()


def test_what_a_killed_runner_left_is_ended_first(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    left = SuggestionProcess("darts_service", [], log, Interruption())
    left.start()
    number = process_id(log)
    with SuggestionProcess("darts_service", [], log, Interruption()):
        assert not left.is_alive
        assert process_id(log) != number


def test_waiting_for_a_service_that_is_not_there_ends() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.raises(SuggestionError, match=r"was not ready after 0\.3 s"):
            wait_until_serving(address, 0.3, Interruption())


def test_a_signal_ends_the_waiting() -> None:
    with Interruption() as interruption:
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Interrupted):
            wait_until_serving("127.0.0.1:1", 30, interruption)
