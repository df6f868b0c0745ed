"""Kills DARTS searches (SIGKILL) at random instants, lets each go on, and compares it with one that nobody disturbed.

    python -m benchmarks.robustness.kill_and_resume --kills 10 --seed 0 [--recurrent] [--device cuda] [--precision bf16]

An instant is a random line of the search's log (it logs each step) and a random part of the time between two lines, so
that steps, validations, writes of checkpoints and ends of epochs are all hit however busy the machine is. Compared are
every bit of weights, alphas, statistics, optimisers and generators, genotype.json, and epochs.csv but for its times.
"""

import argparse
import csv
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from trial_runtime.checkpointing import checkpoints

_PICTURES = (
    (
        "--algorithm-settings={'num_epochs': '4', 'num_nodes': '1', 'init_channels': '2', 'stem_multiplier': '1', "
        "'batch_size': '6', 'print_step': '1'}"
    ),
    "--search-space=['separable_convolution_3x3','max_pooling_3x3','skip_connection']",
    "--num-layers=2", "--dataset=fake:61", "--cutout=8",
)  # fmt: skip
_TEXT = (
    (
        "--algorithm-settings={'num_epochs': '4', 'num_nodes': '2', 'hidden_size': '6', 'batch_size': '4', "
        "'bptt': '6', 'w_lr': '3', 'print_step': '1'}"
    ),
    "--search-space=['tanh','relu','sigmoid','identity']", "--num-layers=1", "--dataset=grammar:130",
)  # fmt: skip
"""Small: most of a search's seconds are those of its start, which every kill costs twice."""
_TIMES = ("seconds", "images_per_second", "words_per_second", "time")


def main() -> int:
    """Print a line a kill; return 1 if any search ended otherwise than the undisturbed one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the instants")
    parser.add_argument("--checkpoint-every-steps", type=int, default=3)
    parser.add_argument("--recurrent", action="store_true", help="searches for recurrent cells, on text")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32")
    arguments = parser.parse_args()
    instants = random.Random(arguments.seed)
    differing = 0
    with tempfile.TemporaryDirectory() as name:
        whole = Path(name) / "whole"
        lines, _, interval_s = _search(whole, arguments)
        for kill in range(1, arguments.kills + 1):
            folder = Path(name) / str(kill)
            line, delay_s = instants.randrange(1, len(lines)), instants.uniform(0, interval_s)
            seen, is_killed, _ = _search(folder, arguments, line, delay_s)
            again, _, _ = _search(folder, arguments)
            is_same = _result(folder) == _result(whole)
            differing += not is_same
            print(
                f"kill {kill}: {'killed' if is_killed else 'over'} {delay_s:.2f} s after '{_text(seen[-1])}'; "
                f"{_start(again)}; {'the same to the bit' if is_same else 'DIFFERENT'}",
                flush=True,
            )
    print(f"{arguments.kills - differing} of {arguments.kills} ended as if nobody had disturbed them")
    return int(differing > 0)


def _search(
    folder: Path, arguments: argparse.Namespace, kill_at: int | None = None, delay_s: float = 0.0
) -> tuple[list[str], bool, float]:
    """Run a search, or kill it after a line of its log and a delay; return log, whether killed, and seconds a line."""
    process = subprocess.Popen(
        [
            sys.executable, "-m", "darts_trainer", *(_TEXT if arguments.recurrent else _PICTURES), "--seed=1",
            f"--device={arguments.device}", f"--precision={arguments.precision}", f"--output-dir={folder}",
            f"--checkpoint-every-steps={arguments.checkpoint_every_steps}",
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    lines, times = [], []
    for line in process.stderr:
        lines.append(line)
        times.append(time.monotonic())
        if len(lines) == kill_at:
            time.sleep(delay_s)
            process.kill()
            break
    process.stderr.close()
    code = process.wait()
    assert code in (0, -9), "".join(lines)
    return lines, code == -9, (times[-1] - times[0]) / len(times)


def _result(folder: Path) -> tuple[Any, ...]:
    search = checkpoints.read(folder / "checkpoint.pt").state["search"]  # type: ignore[union-attr]
    parts = ("supernet", "optimiser", "training", "architecture")
    with (folder / "epochs.csv").open() as file:
        rows = [{key: value for key, value in row.items() if key not in _TIMES} for row in csv.DictReader(file)]
    return [_plain(search[part]) for part in parts], (folder / "genotype.json").read_text(), rows


def _plain(state: Any) -> Any:
    """Tensors as numbers that compare."""
    if isinstance(state, torch.Tensor):
        return state.dtype, state.tolist()
    if isinstance(state, dict):
        return {key: _plain(value) for key, value in state.items()}
    return [_plain(value) for value in state] if isinstance(state, list) else state


def _text(line: str) -> str:
    return line.strip().split(": ", 1)[-1][:60]


def _start(lines: list[str]) -> str:
    found = [line.strip().split("checkpoint.pt: ")[-1] for line in lines if "goes on from" in line]
    over = ["was over"] if any("is over" in line for line in lines) else []
    return f"went on from {found[0]}" if found else (over or ["began anew"])[0]


if __name__ == "__main__":
    sys.exit(main())
