"""Processes that put into a bank and are killed, for tests: ``python bank_processes.py steps|storm FOLDER …``.

``steps FOLDER``: for n = 1, 2, …, a process is killed right before the n-th time that its put touches the file system,
until one lives through its put. After each, what is there is printed as a line of JSON.

``storm FOLDER SEED``: processes take and put at once, and are killed at random instants. Each writes down what it has
put once that is done; in the end, these ids are printed.
"""

import json
import os
import random
import secrets
import signal
import sys
import time
from pathlib import Path

import torch

from enas_trainer.sharing import weight_bank

LIKE = {"weight": torch.zeros(5_000), "count": torch.tensor(0)}
TOUCHING = {"open", "os.rename", "os.remove", "os.mkdir", "os.listdir", "os.scandir", "glob.glob"}
ENTRIES = ("first", "second")
NUM_PROCESSES = 6
NUM_KILLED = 40


def killed_at_each_step(folder: Path) -> None:
    entry = folder / "entry"
    weight_bank.put(entry, _filled(1.0), weight_bank.Taken(), trial=f"{1:016x}", steps=1)
    step, lived = 0, False
    while not lived:
        step += 1
        taken = weight_bank.take(entry, LIKE)
        before = [*taken.history]
        if (child := os.fork()) == 0:
            _kill_before_touch(step)
            weight_bank.put(entry, _filled(float(step + 1)), taken, trial=f"{step + 1:016x}", steps=1)
            os._exit(0)
        lived = os.waitpid(child, 0)[1] == 0
        left = weight_bank.take(entry, LIKE)
        values = left.weights["weight"].unique().tolist()
        names = sorted(path.name for path in entry.iterdir() if path.suffix == ".damaged")
        sys.stdout.write(
            json.dumps({"before": before, "after": [*left.history], "values": values, "damaged": names}) + "\n"
        )


def storm(folder: Path, seed: int) -> None:
    chance = random.Random(seed)
    running = [_start(folder) for _ in range(NUM_PROCESSES)]
    for _ in range(NUM_KILLED):
        time.sleep(chance.uniform(0, 0.04))
        victim = running.pop(chance.randrange(NUM_PROCESSES))
        os.kill(victim, signal.SIGKILL)
        os.waitpid(victim, 0)
        running.append(_start(folder))
    for process in running:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    lines = [line.split() for path in folder.glob("done-*") for line in path.read_text().splitlines()]
    sys.stdout.write(json.dumps({entry: [trial for name, trial in lines if name == entry] for entry in ENTRIES}) + "\n")


def _start(folder: Path) -> int:
    if (process := os.fork()) != 0:
        return process
    done = os.open(folder / f"done-{os.getpid()}", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    while True:
        for entry in ENTRIES:
            taken = weight_bank.take(folder / entry, LIKE)
            value = float(torch.rand(()))
            if taken.weights is not None:
                (value,) = taken.weights["weight"].unique().tolist()  # one trial's, or an average, in all places
            trial = secrets.token_hex(8)
            weight_bank.put(folder / entry, _filled(value + 1), taken, trial=trial, steps=3)
            os.write(done, f"{entry} {trial}\n".encode())


def _filled(value: float) -> weight_bank.Weights:
    return {"weight": torch.full((5_000,), value), "count": torch.tensor(int(value))}


def _kill_before_touch(number: int) -> None:
    touches = 0

    def hook(event: str, _: object) -> None:
        nonlocal touches
        if event in TOUCHING:
            touches += 1
            if touches == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1] == "steps":
        killed_at_each_step(Path(sys.argv[2]))
    else:
        storm(Path(sys.argv[2]), int(sys.argv[3]))
