import json
import logging
import math
import os
import pickle
import struct
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import torch as safetensors_torch

from enas_trainer.sharing import weight_bank
from enas_trainer.sharing.weight_bank import Taken, merged, put, take
from tests.power_loss import Disk, written_out
from tests.warm_python import with_torch

LIKE = {"weight": torch.zeros(2, 3), "count": torch.tensor(0)}
A, B, C, D = (letter * 16 for letter in "abcd")


def _weights(value, count=0):
    return {"weight": torch.full((2, 3), float(value)), "count": torch.tensor(count)}


def _value(taken):
    (value,) = taken.weights["weight"].unique().tolist()
    return value


def _files(entry):
    return sorted(path.name for path in entry.iterdir())


def test_what_was_put_is_taken(tmp_path):
    entry = tmp_path / "bank" / "entry"
    weights = {"weight": torch.randn(2, 3), "count": torch.tensor(7)}
    put(entry, weights, Taken(), trial=A, steps=10)

    taken = take(entry, LIKE)

    assert taken.history == {A: 10}
    torch.testing.assert_close(taken.weights, weights, rtol=0, atol=0)


def test_an_entry_that_does_not_exist_has_nothing(tmp_path):
    assert take(tmp_path / "entry", LIKE) == Taken(weights=None, history={}, files=())


def test_one_trial_after_another_leaves_one_version(tmp_path):
    put(tmp_path, _weights(1), Taken(), trial=A, steps=10)
    put(tmp_path, _weights(5), take(tmp_path, LIKE), trial=B, steps=20)

    assert take(tmp_path, LIKE).history == {A: 10, B: 20}
    assert _value(take(tmp_path, LIKE)) == 5
    assert _files(tmp_path) == [f"000002-{B}.safetensors"]


def test_trials_that_finish_at_once_are_averaged_by_their_steps(tmp_path):
    put(tmp_path, _weights(100), Taken(), trial=A, steps=1000)
    start = take(tmp_path, LIKE)
    put(tmp_path, _weights(1, count=5), start, trial=B, steps=10)
    put(tmp_path, _weights(5, count=8), start, trial=C, steps=30)

    taken = take(tmp_path, LIKE)

    assert taken.history == {A: 1000, B: 10, C: 30}
    assert _value(taken) == (10 * 1 + 30 * 5) / 40
    assert int(taken.weights["count"]) == 8
    put(tmp_path, _weights(9), taken, trial=D, steps=1)
    assert _value(take(tmp_path, LIKE)) == 9
    assert _files(tmp_path) == [f"000004-{D}.safetensors"]


def test_a_trial_that_comes_late_counts_by_what_has_happened_since_it_began(tmp_path):
    put(tmp_path, _weights(0), Taken(), trial=A, steps=1000)
    start = take(tmp_path, LIKE)
    put(tmp_path, _weights(2), start, trial=B, steps=10)
    put(tmp_path, _weights(4), take(tmp_path, LIKE), trial=C, steps=20)
    put(tmp_path, _weights(8), start, trial=D, steps=10)

    assert _value(take(tmp_path, LIKE)) == (30 * 4 + 10 * 8) / 40


def test_to_put_twice_is_to_put_once(tmp_path):
    start = take(tmp_path, LIKE)
    put(tmp_path, _weights(2), start, trial=A, steps=10)
    put(tmp_path, _weights(2), start, trial=A, steps=10)
    assert take(tmp_path, LIKE).files == (f"000001-{A}.safetensors",)

    put(tmp_path, _weights(4), take(tmp_path, LIKE), trial=B, steps=10)
    put(tmp_path, _weights(2), start, trial=A, steps=10)

    taken = take(tmp_path, LIKE)
    assert _value(taken) == 4
    assert taken.history == {A: 10, B: 10}


def test_merged_passes_over_what_another_was_trained_from():
    versions = [(_weights(1), {A: 10}), (_weights(2), {A: 10, B: 10}), (_weights(4), {A: 10, C: 30})]

    assert merged(versions)["weight"].unique().tolist() == [(2 * 10 + 4 * 30) / 40]
    assert merged(versions[:2])["weight"].unique().tolist() == [2]
    assert merged([versions[0]] * 2)["weight"].unique().tolist() == [1]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_merged_keeps_the_type_and_averages_more_exactly(dtype):
    versions = [({"weight": torch.randn(50, dtype=dtype)}, {trial: 7}) for trial in (A, B, C)]

    average = merged(versions)["weight"]

    exact = torch.stack([weights["weight"].double() for weights, _ in versions]).mean(dim=0)
    torch.testing.assert_close(average, exact.to(dtype))


def test_weights_of_other_shapes_are_passed_over_and_replaced(tmp_path, caplog):
    put(tmp_path, {"weight": torch.ones(7)}, Taken(), trial=A, steps=10)

    taken = take(tmp_path, LIKE)

    assert taken.weights is None
    assert "holds other weights than this network has" in caplog.text
    put(tmp_path, _weights(3), taken, trial=B, steps=1)
    assert _files(tmp_path) == [f"000002-{B}.safetensors"]
    assert _value(take(tmp_path, LIKE)) == 3


class _Bomb:
    def __reduce__(self):
        return (Path.touch, (Path("exploded"),))


def _header(header, data=b"\0" * 8):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def _flipped(content, place):
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


GOOD = weight_bank._encode(_weights(3), {A: 10})
DAMAGED = {
    "empty": b"",
    "cut": GOOD[:-1],
    "longer": GOOD + b"\0",
    "text": b"not safetensors at all",
    "pickle": pickle.dumps(_Bomb()),
    "a header beyond all bounds": struct.pack("<Q", 2**62) + b"{}",
    "a header larger than any": struct.pack("<Q", 200_000_000) + b"{}",
    "a header that never ends": struct.pack("<Q", 200_000) + b"[" * 200_000,
    "a tensor beyond all bounds": _header({"weight": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 8]}}),
    "a type that torch does not have": _header({"weight": {"dtype": "F4", "shape": [16], "data_offsets": [0, 8]}}),
    "no history": safetensors_torch.save(LIKE),
    "a history that is none": weight_bank._encode(LIKE, ["a"]),
    "steps that are none": weight_bank._encode(LIKE, {A: -1}),
    "a flipped bit in a weight": _flipped(GOOD, len(GOOD) - 2),
    "a flipped bit in the history": _flipped(GOOD, GOOD.index(b"10}")),
    "not finite": weight_bank._encode(_weights(math.nan), {A: 10}),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_version_is_set_aside_and_the_others_count(tmp_path, caplog, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    entry = tmp_path / "entry"
    put(entry, _weights(5), Taken(), trial=B, steps=10)
    (entry / "000001-bad.safetensors").write_bytes(content)

    assert _value(take(entry, LIKE)) == 5

    assert _files(entry) == ["000001-bad.safetensors.damaged", f"000001-{B}.safetensors"]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "000001-bad.safetensors is damaged and was set aside" in caplog.text
    assert "\n" not in caplog.records[0].getMessage()
    assert not (tmp_path / "exploded").exists()


@given(data=st.data())
def test_whatever_a_version_holds_it_is_used_or_passed_over(data, bad, tmp_path):
    history = data.draw(st.just({A: 10}) | bad.document({A: 10, B: 3}) | bad.values)
    # By way of JSON, as whoever wrote it there: some of what is drawn cannot stand in it.
    content = data.draw(st.just(GOOD) | bad.content(GOOD) | st.just(weight_bank._encode(_weights(3), history)))
    put(tmp_path, _weights(5), Taken(), trial=C, steps=10)
    (tmp_path / "000001-bad.safetensors").write_bytes(content)

    taken = take(tmp_path, LIKE)

    assert 3 <= _value(taken) <= 5
    assert all(type(steps) is int and steps > 0 for steps in taken.history.values())
    put(tmp_path, _weights(4), taken, trial=D, steps=1)
    assert _value(take(tmp_path, LIKE)) == 4


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_set_aside(tmp_path, caplog, make):
    make(tmp_path / "000001-bad.safetensors")

    assert take(tmp_path, LIKE).weights is None

    assert _files(tmp_path) == ["000001-bad.safetensors.damaged"]
    assert "is damaged" in caplog.text


def test_a_file_far_too_large_is_set_aside_unread(tmp_path):
    with (tmp_path / "000001-bad.safetensors").open("wb") as file:
        file.truncate(2**33)

    assert take(tmp_path, LIKE).weights is None

    assert _files(tmp_path) == ["000001-bad.safetensors.damaged"]


def test_a_machine_that_refuses_says_so_and_leaves_the_entry_as_it_was(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        put(tmp_path / "file" / "entry", _weights(1), Taken(), trial=A, steps=1)

    put(tmp_path / "entry", _weights(1), Taken(), trial=A, steps=1)
    script = (
        "import resource, sys, pathlib, torch\n"
        "from enas_trainer.sharing import weight_bank\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"  # as a disk that is full: writing stops half-way
        "entry = pathlib.Path(sys.argv[1])\n"
        "taken = weight_bank.take(entry, {'weight': torch.zeros(2, 3), 'count': torch.tensor(0)})\n"
        "try:\n"
        f"    weight_bank.put(entry, {{'weight': torch.ones(1000)}}, taken, trial='{B}', steps=1)\n"
        "except OSError as error:\n"
        "    print(error)\n"
    )
    assert "File too large" in with_torch.run("-c", script, tmp_path / "entry").stdout
    assert _files(tmp_path / "entry") == [f"000001-{A}.safetensors"]


def test_what_a_killed_trial_never_finished_is_removed_after_a_day(tmp_path):
    old, new = tmp_path / ".old.writing", tmp_path / ".new.writing"
    old.touch()
    new.touch()
    os.utime(old, (time.time() - 90_000,) * 2)

    put(tmp_path, _weights(1), Taken(), trial=A, steps=1)

    assert _files(tmp_path) == [".new.writing", f"000001-{A}.safetensors"]


def _processes(*arguments):
    script = Path(__file__).with_name("bank_processes.py")
    result = with_torch.run(script, *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_put_that_is_killed_at_any_step_happens_wholly_or_not_at_all(tmp_path):
    outcomes = _processes("steps", tmp_path)

    assert len(outcomes) > 4
    assert [outcome["damaged"] for outcome in outcomes] == [[]] * len(outcomes)
    happened = []
    for step, outcome in enumerate(outcomes, start=1):
        new = [trial for trial in outcome["after"] if trial not in outcome["before"]]
        assert set(outcome["before"]) <= set(outcome["after"])
        assert outcome["values"] == [int(outcome["after"][-1], 16)]
        assert new in ([], [f"{step + 1:016x}"])
        happened.append(bool(new))
    assert happened == sorted(happened)
    assert not happened[0]
    assert happened[-1]


def test_nothing_is_lost_when_many_put_at_once_and_are_killed_at_random(tmp_path):
    (done,) = _processes("storm", tmp_path, 1)

    like = {"weight": torch.zeros(5_000), "count": torch.tensor(0)}
    for entry, trials in done.items():
        assert len(trials) > 20
        taken = take(tmp_path / entry, like)
        assert set(trials) <= set(taken.history)
        assert len(taken.weights["weight"].unique()) == 1
        assert not list((tmp_path / entry).glob("*.damaged"))
        assert len(taken.files) < 100


def test_a_loss_of_power_leaves_what_was_taken_or_what_was_put(tmp_path):
    """The version that a new one takes the place of goes only when the new one is sure to stay."""
    entry = tmp_path / "disk" / "entry"
    put(entry, _weights(1), Taken(), trial=A, steps=10)
    disk = Disk(tmp_path / "disk")
    with disk.watched():
        put(entry, _weights(5), take(entry, LIKE), trial=B, steps=20)
    values = [
        _value(take(written_out(state, tmp_path / f"left-{number}") / "entry", LIKE))
        for number, state in enumerate([*disk.in_the_end, *disk.states()])
    ]
    assert set(values[: len(disk.in_the_end)]) == {5}
    assert set(values) == {1, 5}
