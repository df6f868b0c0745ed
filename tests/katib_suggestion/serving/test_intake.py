"""Bodies of requests that are taken in by turns."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import pytest

from katib_suggestion.serving import intake
from katib_suggestion.serving.caller import Unavailable
from katib_suggestion.serving.intake import Intake


class Call:
    """A call as gRPC tells of it, whose body does not come."""

    def __init__(self, connection: str = "") -> None:
        self.peer = lambda: connection or str(id(self))
        self.given_up = threading.Event()
        self.cancel = self.given_up.set

    def is_active(self) -> bool:
        return not self.given_up.is_set()

    def time_remaining(self) -> float:
        return 60.0


@pytest.fixture
def bodies() -> Intake:
    return Intake()


def receiving(bodies: Intake, call: Call, has_turn: threading.Event, said: list[str]) -> threading.Thread:
    """Receive, in a thread, until the call is given up."""

    def run() -> None:
        try:
            with bodies.turn(call):  # type: ignore[arg-type]
                has_turn.set()
                call.given_up.wait(60)
        except Unavailable as error:
            said.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def end(bodies: Intake, calls: Sequence[Call], threads: Sequence[threading.Thread]) -> None:
    """Give up all calls, and wait until they have ended."""
    for call in calls:
        call.cancel()
    with bodies._changed:
        bodies._changed.notify_all()
    for thread in threads:
        thread.join(30)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_few_are_received_at_a_time_and_the_rest_in_their_order(
    bodies: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "_TURN_S", 60)
    monkeypatch.setattr(intake, "_LONG_S", 120)
    calls, turns = [Call() for _ in range(6)], [threading.Event() for _ in range(6)]
    threads = []
    for index in range(6):
        threads.append(receiving(bodies, calls[index], turns[index], []))
        until(lambda index=index: turns[index].is_set() or len(bodies._waiting) == index)  # type: ignore[misc]
    for index in range(5):
        assert [turn.is_set() for turn in turns] == [number < index + 1 for number in range(6)]
        calls[index].cancel()
        assert turns[index + 1].wait(30)
    end(bodies, calls, threads)


def test_the_slow_leave_others_their_turn_and_of_many_the_oldest_is_given_up(
    bodies: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "_TURN_S", 0.01)
    calls, threads = [Call() for _ in range(intake._MAX_SLOW + 4)], []
    for call in calls:
        has_turn = threading.Event()
        threads.append(receiving(bodies, call, has_turn, []))
        assert has_turn.wait(30)
    until(lambda: calls[0].given_up.is_set())
    assert not calls[-1].given_up.is_set()
    end(bodies, calls, threads)


def test_who_waits_for_a_turn_longest_makes_room_for_the_newest(
    bodies: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "_TURN_S", 60)
    calls, said = [Call() for _ in range(4)], []
    threads = [receiving(bodies, call, threading.Event(), said) for call in calls]
    until(lambda: len(bodies._waiting) == 3)
    assert bodies.make_room("too many; call again")
    until(lambda: said == ["too many; call again"])
    assert bodies.make_room("too many; call again")
    assert bodies.make_room("too many; call again")
    assert not bodies.make_room("too many; call again")
    end(bodies, calls, threads)


def test_a_connection_that_has_many_bodies_coming_holds_up_itself(
    bodies: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither before it nor behind it does anybody else wait for more than the turn that goes on."""
    monkeypatch.setattr(intake, "_TURN_S", 60)
    monkeypatch.setattr(intake, "_LONG_S", 120)
    names = ["crowd", "crowd", "crowd", "other", "crowd"]
    calls, turns, threads = [Call(name) for name in names], [threading.Event() for _ in names], []
    for call, turn in zip(calls, turns, strict=True):
        threads.append(receiving(bodies, call, turn, []))
        until(lambda: turns[0].is_set() and len(bodies._waiting) == len(threads) - 1)
    bodies._slow.append(bodies._receiving.pop())  # as one whose turn is over, and whose body still comes
    with bodies._changed:
        bodies._changed.notify_all()
    until(lambda: sum(turn.is_set() for turn in turns) == 2)
    assert turns[names.index("other")].is_set()
    end(bodies, calls, threads)


def test_of_those_that_wait_the_crowd_makes_room(bodies: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "_TURN_S", 60)
    names = ["first", "other", "crowd", "crowd"]
    said: dict[str, list[str]] = {"other": [], "crowd": []}
    calls, threads = [Call(name) for name in names], []
    for call, name in zip(calls, names, strict=True):
        threads.append(receiving(bodies, call, threading.Event(), said.get(name, [])))
        until(lambda: len(bodies._waiting) == len(threads) - 1)
    assert bodies.make_room("too many; call again")
    until(lambda: said == {"other": [], "crowd": ["too many; call again"]})
    end(bodies, calls, threads)


def test_where_one_has_waited_long_the_newest_goes_first(bodies: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its caller has the most time left, and there would be nothing but calls that come too late."""
    monkeypatch.setattr(intake, "_TURN_S", 60)
    monkeypatch.setattr(intake, "_LONG_S", 0.05)
    calls, turns, threads = [Call() for _ in range(3)], [threading.Event() for _ in range(3)], []
    for call, turn in zip(calls, turns, strict=True):
        threads.append(receiving(bodies, call, turn, []))
        until(lambda: turns[0].is_set() and len(bodies._waiting) == len(threads) - 1)
    time.sleep(0.1)
    calls[0].cancel()
    until(lambda: any(turn.is_set() for turn in turns[1:]))
    assert [turn.is_set() for turn in turns[1:]] == [False, True]
    end(bodies, calls, threads)


def test_who_waits_for_a_turn_too_long_is_turned_away(bodies: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "_TURN_S", 0.2)
    monkeypatch.setattr(intake, "_WAIT_S", 0.1)
    first, second, has_turn = Call(), Call(), threading.Event()
    said: list[str] = []
    threads = [receiving(bodies, first, has_turn, [])]
    assert has_turn.wait(30)
    threads.append(receiving(bodies, second, threading.Event(), said))
    until(lambda: said == ["too many requests come at once; call again"])
    end(bodies, [first, second], threads)


def test_who_hangs_up_while_it_waits_has_no_turn(bodies: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "_TURN_S", 60)
    first, second, has_turn = Call(), Call(), threading.Event()
    said: list[str] = []
    threads = [receiving(bodies, first, has_turn, [])]
    assert has_turn.wait(30)
    threads.append(receiving(bodies, second, threading.Event(), said))
    until(lambda: len(bodies._waiting) == 1)
    end(bodies, [second], threads[1:])
    assert said == ["the caller has gone"]
    end(bodies, [first], threads)


def test_large_requests_are_not_at_work_together(bodies: Intake) -> None:
    small, large = 1_000, intake._MAX_HELD
    with ExitStack() as at_work:
        at_work.enter_context(bodies.holding(2 * large))  # one alone is as large as it likes
        with pytest.raises(Unavailable, match="other large requests are at work; call again"), bodies.holding(small):
            pass
    with bodies.holding(small), bodies.holding(large - small), pytest.raises(Unavailable), bodies.holding(1):
        pass
    with bodies.holding(large):
        pass
