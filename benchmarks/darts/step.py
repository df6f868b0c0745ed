"""What a step of the DARTS search costs, beside the plain form of the supernet; prints Markdown.

    python -m benchmarks.darts.step [--sizes tiny medium paper] [--orders 2 1] [--steps 3] [--compile] [--device cuda]

Each form runs in a process of its own, with random images; their steps alternate, so that both see the same machine.
Seconds are medians after two steps that do not count, memory is the peak of the process above what it held before the
first step (on a GPU, of what is reserved there), and operator calls are those of a step, views left out. On a GPU there
are two forms more: the step replayed as a CUDA graph, which is a single call, in float32 and in bfloat16. With
``--compile`` there is one more, whose cells torch.compile translates in the steps that do not count; on two cores that
takes many minutes, and g++. Its memory and calls are left out: they would be the compiler's.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from cell_networks.layout import Layout
from darts_service.settings import DartsSettings
from darts_trainer.search.bilevel import BilevelOptimiser
from darts_trainer.supernet.supernet import Supernet, frozen_statistics
from trial_runtime.devices import precision
from trial_runtime.devices.step_graph import Replayed

PRIMITIVES = (
    "max_pooling_3x3",
    "avg_pooling_3x3",
    "skip_connection",
    "separable_convolution_3x3",
    "separable_convolution_5x5",
    "dilated_convolution_3x3",
    "dilated_convolution_5x5",
    "none",
)


@dataclass(frozen=True)
class Form:
    plain: bool = False
    checkpoint_cells: bool = False
    compile: bool = False
    replay: bool = False
    precision: str = "fp32"


FORMS = {
    "plain": Form(plain=True),
    "fused": Form(),
    "fused, cells computed again": Form(checkpoint_cells=True),
}
COMPILED = {"fused, compiled": Form(compile=True)}
FORMS_ON_CUDA = {
    "fused, replayed": Form(replay=True),
    "fused, replayed, bf16": Form(replay=True, precision="bf16"),
}


@dataclass(frozen=True)
class Size:
    batch: int
    channels: int
    layers: int
    nodes: int


SIZES = {"tiny": Size(16, 4, 3, 2), "medium": Size(32, 8, 5, 3), "paper": Size(64, 16, 8, 4)}
"""The last is that of 1806.09055, section 3.1."""


ENVIRONMENT = os.environ | {"PYTORCH_ALLOC_CONF": "graph_capture_record_stream_reuse:True"}
"""As the trainer's."""

_NUM_WARM_UP_STEPS = 2
"""The second one records what is replayed."""


class Calls(TorchDispatchMode):
    """Counts operator calls that compute or copy something; views cost a GPU nothing."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


class Steps:
    """A search that takes one step at a time."""

    def __init__(self, size: Size, form: Form, order: int, device: torch.device) -> None:
        layout = Layout(
            num_layers=size.layers,
            num_nodes=size.nodes,
            init_channels=size.channels,
            stem_multiplier=3,
            image_channels=3,
            num_classes=10,
        )
        generator = torch.Generator().manual_seed(0)
        self._device = device
        precision.settle(device)
        self._net = Supernet(
            layout,
            PRIMITIVES,
            generator=generator,
            plain=form.plain,
            checkpoint_cells=form.checkpoint_cells,
            precision=form.precision,
        ).to(device)
        if form.compile:
            self._net.compile_cells()
        self._optimiser = BilevelOptimiser(self._net.weights(), self._net.alphas(), DartsSettings(), order=order)
        self._images = torch.randn(2, size.batch, 3, 32, 32, generator=generator).to(device)
        self._labels = torch.randint(10, (2, size.batch), generator=generator).to(device)
        self._step = Replayed(self._plain_step) if form.replay else self._plain_step
        self._is_compiled = form.compile
        self._held_bytes = self._peak_bytes()

    def take(self) -> float:
        """Take a step; return its seconds."""
        started = time.perf_counter()
        self._step(self._images, self._labels)
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter() - started

    def summary(self) -> dict[str, float]:
        if self._is_compiled:
            return {}
        peak_bytes = self._peak_bytes() - self._held_bytes
        with Calls() as calls:
            self._plain_step(self._images, self._labels)
        return {"peak_gib": peak_bytes / 2**30, "calls": calls.count}

    def _plain_step(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        def loss(half: int) -> torch.Tensor:
            return functional.cross_entropy(self._net(images[half]), labels[half])

        with frozen_statistics(self._net):
            self._optimiser.architecture_step(lambda: loss(0), lambda: loss(1))
        self._optimiser.weight_step(loss(0))
        return ()

    def _peak_bytes(self) -> int:
        if self._device.type == "cuda":
            # What a recorded step may not use again before its end is reserved, though it is not allocated.
            return torch.cuda.max_memory_reserved(self._device)
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _forms(arguments: argparse.Namespace) -> dict[str, Form]:
    is_gpu = torch.device(arguments.device).type == "cuda"
    return FORMS | (COMPILED if arguments.compile else {}) | (FORMS_ON_CUDA if is_gpu else {})


def child(size: str, form: str, order: int, arguments: argparse.Namespace) -> None:
    """Take a step for each line that is read, and end with the summary."""
    torch.set_num_threads(arguments.threads)
    steps = Steps(SIZES[size], (FORMS | COMPILED | FORMS_ON_CUDA)[form], order, torch.device(arguments.device))
    for _ in sys.stdin:
        print(json.dumps(steps.take()), flush=True)
    print(json.dumps(steps.summary()), flush=True)


def measure(size: str, order: int, arguments: argparse.Namespace) -> None:
    """Print a row for each form."""
    command = [sys.executable, __file__, "--threads", str(arguments.threads), "--device", arguments.device]
    running = {
        form: subprocess.Popen(
            [*command, "--child", size, form, str(order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )
        for form in _forms(arguments)
    }
    seconds: dict[str, list[float]] = {form: [] for form in running}

    def ask(form: str) -> None:
        print(file=running[form].stdin, flush=True)

    def hear(form: str) -> None:
        seconds[form].append(json.loads(running[form].stdout.readline()))

    # On a GPU the first step takes up to a minute; on a CPU threads of several forms at once would keep each other up.
    is_gpu = torch.device(arguments.device).type == "cuda"
    for _ in range(_NUM_WARM_UP_STEPS):
        for together in [list(running)] if is_gpu else [[form] for form in running]:
            for form in together:
                ask(form)
            for form in together:
                hear(form)
    for _ in range(arguments.steps):
        for form in running:
            ask(form)
            hear(form)
    summaries = {}
    for form, process in running.items():
        process.stdin.close()
        summaries[form] = json.loads(process.stdout.readline())
        process.wait()
    plain_s, plain = statistics.median(seconds["plain"][_NUM_WARM_UP_STEPS:]), summaries["plain"]
    for form in running:
        median_s, summary = statistics.median(seconds[form][_NUM_WARM_UP_STEPS:]), summaries[form]
        cells = [size, order, form, f"{median_s:.3g}", f"{plain_s / median_s:.2f}"]
        for name, digits in (("peak_gib", 2), ("calls", 0)):
            cells += [f"{summary[name]:.{digits}f}", f"{summary[name] / plain[name]:.2f}"] if summary else ["", ""]
        print(f"| {' | '.join(map(str, cells))} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--orders", nargs="+", type=int, choices=(1, 2), default=[2, 1])
    parser.add_argument("--steps", type=int, default=3, help="measured, after two that are not")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true", help="measure compiled cells, too")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child is not None:
        size, form, order = arguments.child
        child(size, form, int(order), arguments)
        return
    print(f"torch {torch.__version__}, {arguments.device}, {arguments.threads} threads, {arguments.steps} steps each\n")
    print("| size | order | form | s | times faster | peak GiB | of plain | operator calls | of plain |")
    print("|---|---|---|---|---|---|---|---|---|")
    for size in arguments.sizes:
        for order in arguments.orders:
            measure(size, order, arguments)


if __name__ == "__main__":
    main()
