"""How long a network takes for one example, on the machine that asks.

On a CPU it is run by ONNX Runtime in one thread, as a server would run it, and not by torch, whose own time for a small
network is a multiple of that. On a GPU torch runs it, and the GPU's own clock tells when it has begun and ended.
"""

import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from trial_runtime.trained import onnx_file
from trial_runtime.trained.graph import Graph

WARM_UP_S = 0.2
"""Time that is not counted: caches fill and clocks rise."""
MEASURED_S = 1.0
"""Time that is."""
MIN_RUNS, MAX_RUNS = 20, 2_000
"""How many runs are counted, whatever their time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Latency:
    """What a number of runs of a batch of one took."""

    median_ms: float
    lower_ms: float
    """A quarter of the runs took less."""
    upper_ms: float
    """A quarter of the runs took more."""
    num_runs: int
    engine: str
    """What ran it."""
    device: str
    """Where it ran."""

    def __str__(self) -> str:
        return (
            f"{self.median_ms:.3g} ms (quartiles {self.lower_ms:.3g} and {self.upper_ms:.3g} ms, {self.num_runs} runs) "
            f"by {self.engine} on {self.device}"
        )


def measure(graph: Graph, device: torch.device, file: bytes | None = None) -> Latency:
    """Measure a network with a batch of one.

    Args:
        graph: the network; it is left on the device.
        device: a CUDA device; for any other the CPU is measured.
        file: the same network as an ONNX file, for the CPU; None makes one.

    Raises:
        CommandLineError: what an export and a run need is not installed.
    """
    if device.type == "cuda":
        return _on_gpu(graph, device)
    return _on_cpu(graph, onnx_file.write(graph) if file is None else file)


def _on_cpu(graph: Graph, file: bytes) -> Latency:
    import onnxruntime

    session = onnx_file.session(file, num_threads=1)
    inputs = {name: tensor.numpy() for name, tensor in zip(graph.inputs, graph.examples(1), strict=True)}

    def run_ms() -> float:
        begin = time.perf_counter_ns()
        session.run([*graph.outputs], inputs)
        return (time.perf_counter_ns() - begin) / 1e6

    return _latency(run_ms, f"ONNX Runtime {onnxruntime.__version__} in one thread", cpu_name())


@torch.no_grad()
def _on_gpu(graph: Graph, device: torch.device) -> Latency:
    network = graph.network.to(device)
    inputs = [tensor.to(device) for tensor in graph.examples(1)]
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]

    def run_ms() -> float:
        begin.record()
        network(*inputs)
        end.record()
        end.synchronize()
        return float(begin.elapsed_time(end))

    return _latency(run_ms, f"torch {torch.__version__}", torch.cuda.get_device_name(device))


def _latency(run_ms: Callable[[], float], engine: str, device: str) -> Latency:
    _repeat(run_ms, WARM_UP_S)
    times_ms = _repeat(run_ms, MEASURED_S)
    lower, median, upper = statistics.quantiles(times_ms, n=4)
    return Latency(
        median_ms=median, lower_ms=lower, upper_ms=upper, num_runs=len(times_ms), engine=engine, device=device
    )


def _repeat(run_ms: Callable[[], float], seconds: float) -> list[float]:
    end = time.monotonic() + seconds
    times_ms: list[float] = []
    while len(times_ms) < MIN_RUNS or (time.monotonic() < end and len(times_ms) < MAX_RUNS):
        times_ms.append(run_ms())
    return times_ms


def cpu_name() -> str:
    """Return what the machine calls its processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
