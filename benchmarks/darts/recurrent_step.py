"""What a pass of the recurrent supernet costs, beside the published form and torch's LSTM; prints Markdown.

    python -m benchmarks.darts.recurrent_step [--sizes small paper] [--passes 5] [--compile] [--device cuda]

A pass is the cell alone, forward and backward to all gradients: inputs, weights, alphas. ``published`` is the form of
quark0/darts, which computes all edges into a node at once and leaves the backward pass to autograd; ``plain`` is our
reference, edge by edge; ``fast`` is what a search runs. The LSTM reads the same inputs, with as many multiply-adds a
word; its hidden units are more. Each form runs in a process of its own, in one thread; their passes alternate, and
seconds are the least of CPU time (on a GPU, of wall time). Memory is the peak of the process above what it held before.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
from torch import Tensor, nn
from torch.nn import functional

from darts_genotype.activations import ACTIVATIONS
from darts_trainer.recurrent import fused_cell, plain_cell

SIZES = {"small": (64, 64, 35), "paper": (300, 256, 6)}
"""Hidden units, batch, steps; the paper's search takes 35 steps, which go by like these."""

NUM_NODES = 8
FORMS = ("published", "plain", "fast", "compiled", "LSTM")


def published(
    x_tbh: Tensor, state_bh: Tensor, w0: Tensor, weights: Tensor, mixture_njf: Tensor, mask_bh: Tensor
) -> Tensor:
    """The published form in our words: a node at a time, all its edges at once, function by function."""
    size = state_bh.shape[1]
    functions = (torch.tanh, torch.relu, torch.sigmoid, lambda x: x)
    outputs = []
    for x_bh in x_tbh:
        c, h = (torch.cat([x_bh * mask_bh, state_bh * mask_bh], dim=1) @ w0).split(size, dim=1)
        first = functional.batch_norm(state_bh + c.sigmoid() * (h.tanh() - state_bh), None, None, training=True)
        states = first[None]
        for node, weight in enumerate(weights):
            product = ((states * mask_bh).view(-1, size) @ weight).view(node + 1, -1, 2 * size)
            c, h = product.split(size, dim=-1)
            c = c.sigmoid()
            total = torch.zeros_like(first)
            for place, function in enumerate(functions):
                unweighted = states + c * (function(h) - states)
                total = total + (mixture_njf[node, : node + 1, place, None, None] * unweighted).sum(dim=0)
            total = functional.batch_norm(total, None, None, training=True)
            states = torch.cat([states, total[None]])
        state_bh = states[1:].mean(dim=0)
        outputs.append(state_bh)
    return torch.stack(outputs)


class Passes:
    """Passes of a form."""

    def __init__(self, form: str, size: str, device: torch.device) -> None:
        hidden, batch, steps = SIZES[size]
        generator = torch.Generator().manual_seed(0)

        def draw(*shape: int) -> Tensor:
            return (0.04 * torch.randn(*shape, generator=generator)).to(device).requires_grad_()

        alpha = torch.randn(NUM_NODES, NUM_NODES, 5, generator=generator).softmax(dim=-1)[..., 1:]
        self.form = form
        self.words = batch * steps
        self.inputs = [
            draw(steps, batch, hidden), draw(batch, hidden), draw(2 * hidden, 2 * hidden),
            draw(NUM_NODES, hidden, 2 * hidden), alpha.contiguous().to(device).requires_grad_(),
        ]  # fmt: skip
        self.mask_bh = torch.ones(batch, hidden, device=device)
        if form == "LSTM":
            # 4H² of node 0 and 2H² of each edge, beside 8U² of U units that read as many inputs.
            num_edges = NUM_NODES * (NUM_NODES + 1) // 2
            units = round(hidden * ((4 + 2 * num_edges) / 8) ** 0.5)
            self.lstm = nn.LSTM(units, units).to(device)
            self.inputs = [draw(steps, batch, units), *self.lstm.parameters()]

    def __call__(self) -> None:
        output = self.forward()
        torch.autograd.grad(output.square().sum(), self.inputs)

    def forward(self) -> Tensor:
        if self.form == "LSTM":
            output: Tensor = self.lstm(self.inputs[0])[0]
            return output
        if self.form == "published":
            return published(*self.inputs, self.mask_bh)
        masks = {"x_mask_bh": self.mask_bh, "state_mask_bh": self.mask_bh}
        if self.form == "plain":
            return plain_cell.outputs(*self.inputs, ACTIVATIONS, **masks)
        return fused_cell.outputs(*self.inputs, ACTIVATIONS, **masks, compiled=self.form == "compiled")


def serve(form: str, size: str, device: str) -> None:
    """Take a pass for each line of standard input, and answer with its seconds and the memory so far, in MiB."""
    torch.set_num_threads(1)
    passes = Passes(form, size, torch.device(device))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"words": passes.words}), flush=True)
    for _ in sys.stdin:
        clock = time.process_time if device == "cpu" else time.perf_counter
        start = clock()
        passes()
        if device != "cpu":
            torch.cuda.synchronize()
        seconds = clock() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        memory = peak / 1024 if device == "cpu" else torch.cuda.max_memory_reserved() / 2**20
        print(json.dumps({"seconds": seconds, "memory": memory}), flush=True)


def measure(size: str, forms: list[str], num_passes: int, device: str) -> dict[str, tuple[float, float, int]]:
    """Return for each form the least seconds of a pass, its peak memory in MiB, and the words of a pass."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    processes = {
        form: subprocess.Popen(
            [sys.executable, "-m", __spec__.name, "--serve", form, "--sizes", size, "--device", device],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=Path(__file__).parents[2],
        )
        for form in forms
    }  # fmt: skip
    words = {form: json.loads(process.stdout.readline())["words"] for form, process in processes.items()}
    answers: dict[str, list[dict[str, float]]] = {form: [] for form in forms}
    for _ in range(num_passes + 1):
        for form, process in processes.items():
            process.stdin.write("\n")
            process.stdin.flush()
            answers[form].append(json.loads(process.stdout.readline()))
    for process in processes.values():
        process.stdin.close()
        process.wait()
    return {
        form: (min(answer["seconds"] for answer in found[1:]), found[-1]["memory"], words[form])
        for form, found in answers.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--passes", type=int, default=5, help="of each form, after one that does not count")
    parser.add_argument("--compile", action="store_true", help="the fast form by torch.compile, too: minutes more")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--serve", choices=FORMS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve, arguments.sizes[0], arguments.device)
        return
    forms = [form for form in FORMS if arguments.compile or form != "compiled"]
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, {arguments.device}\n")
    for size in arguments.sizes:
        hidden, batch, steps = SIZES[size]
        found = measure(size, forms, arguments.passes, arguments.device)
        base, _, _ = found["published"]
        print(f"H {hidden}, batch {batch}, {steps} steps\n")
        print("| form | ms a pass | words a second | as often as fast as the published form | peak memory, MiB |")
        print("|---|---|---|---|---|")
        for form, (seconds, memory, words) in found.items():
            shown = "of the compiler" if form == "compiled" else f"{memory:.0f}"
            print(f"| {form} | {1000 * seconds:.0f} | {words / seconds:,.0f} | {base / seconds:.2f} | {shown} |")
        print()


if __name__ == "__main__":
    main()
