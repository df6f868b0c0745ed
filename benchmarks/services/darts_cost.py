"""What the DARTS service costs, over real gRPC; prints Markdown.

    python -m benchmarks.services.darts_cost [--calls 5000]

The service runs on one core, the client on the others. An empty call of the same server, gRPC's own health check,
stands beside the calls: what they cost above it is ours.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from katib_local.manifest import manifest
from katib_local.running.wire import experiment_message
from katib_suggestion.serving.server import HEALTH_SERVICE
from katib_suggestion.wire import api_pb2, api_pb2_grpc

EXAMPLE = Path(__file__).parents[2] / "examples" / "darts-gpu.yaml"
NUM_CLIENTS = 8


def start(log: Path) -> tuple[subprocess.Popen[str], grpc.Channel, float]:
    """Start the service on one core; return it with a channel and the seconds until it serves."""
    core = min(os.sched_getaffinity(0))
    began = time.monotonic()
    with log.open("w") as stream:
        command = ["taskset", "--cpu-list", str(core), sys.executable, "-m", "darts_service", "--port", "0"]
        process = subprocess.Popen([*command, "--log-level", "warning"], stderr=stream, text=True)
    os.sched_setaffinity(0, os.sched_getaffinity(0) - {core} or {core})
    while not (port := listening_port(process.pid)):
        time.sleep(0.005)
    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    health = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest(service=HEALTH_SERVICE)
    while health.Check(request, timeout=10).status != health_pb2.HealthCheckResponse.SERVING:
        time.sleep(0.005)
    return process, channel, time.monotonic() - began


def listening_port(pid: int) -> int | None:
    """The port that a process listens on, from the kernel: the log is at level warning."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            inodes |= set(re.findall(r"socket:\[(\d+)\]", str(link.readlink())))
        except OSError:
            continue
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and rest[5] in inodes:
                return int(local.rsplit(":", 1)[1], 16)
    return None


def row(name: str, call: Callable[[], object], num_calls: int) -> str:
    """Time calls one after the other, then from several clients at once."""

    def timed(_: int) -> float:
        began = time.monotonic()
        call()
        return time.monotonic() - began

    seconds = [timed(index) for index in range(num_calls // 5)]
    began = time.monotonic()
    with ThreadPoolExecutor(NUM_CLIENTS) as pool:
        list(pool.map(timed, range(num_calls)))
    rate = num_calls / (time.monotonic() - began)
    return f"| {name} | {1000 * statistics.median(seconds):.2f} | {1000 * max(seconds):.1f} | {rate:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=5000)
    arguments = parser.parse_args()
    parsed, _ = manifest.load(EXAMPLE)
    message = experiment_message(parsed, {})
    with tempfile.TemporaryDirectory() as folder:
        process, channel, serving_s = start(Path(folder) / "log")
        stub, health = api_pb2_grpc.SuggestionStub(channel), health_pb2_grpc.HealthStub(channel)
        suggest = api_pb2.GetSuggestionsRequest(experiment=message, current_request_number=1, total_request_number=1)
        validate = api_pb2.ValidateAlgorithmSettingsRequest(experiment=message)
        check = health_pb2.HealthCheckRequest(service=HEALTH_SERVICE)
        print(
            f"SERVING after {serving_s:.2f} s\n\n| call | ms, median | ms, most | calls a second |\n|---|---|---|---|"
        )
        for name, call, request in (
            ("GetSuggestions", stub.GetSuggestions, suggest),
            ("ValidateAlgorithmSettings", stub.ValidateAlgorithmSettings, validate),
            ("health check (baseline)", health.Check, check),
        ):
            print(row(name, lambda call=call, request=request: call(request, timeout=10), arguments.calls), flush=True)
        status = Path(f"/proc/{process.pid}/status").read_text()
        resident, peak = (int(re.search(rf"{name}:\s+(\d+)", status).group(1)) for name in ("VmRSS", "VmHWM"))
        print(f"\nMemory: {resident / 1024:.0f} MiB resident at the end, {peak / 1024:.0f} at most")
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
