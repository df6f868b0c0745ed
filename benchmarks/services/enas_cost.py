"""What a round of the ENAS service costs, over real gRPC; prints Markdown.

    python -m benchmarks.services.enas_cost [--rounds 200] [--layers 8 12 24] [--parameters 20] [--micro 5] …

The search space is the 106 operations of Katib's GPU example, so many plain parameters of all four types, or cells of
so many nodes with the operations of the paper's code; three suggestions a round, every trial finished by the next.
Katib's own figures, measured on another day on a machine of the same kind, stand beside ours where there are any.
"""

import argparse
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from katib_local.manifest import manifest
from katib_local.running.wire import experiment_message
from katib_suggestion.serving.server import HEALTH_SERVICE
from katib_suggestion.wire import api_pb2, api_pb2_grpc

EXAMPLE = Path(__file__).parents[2] / "examples" / "enas-gpu.yaml"
KATIBS_CALLS_S = {"8 layers": (0.68, 0.60), "12 layers": (1.03, 0.93), "24 layers": (2.2, 2.0)}
"""Seconds of the first and of a later call."""
KATIBS_START_S, KATIBS_START_MIB, KATIBS_MIB_AFTER_10 = "4.3 - 4.8", 515, 646


def memory_mib(process: subprocess.Popen[str]) -> tuple[float, float]:
    """Resident memory of a process, and the anonymous part of it, which no limit can take back."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    resident, anonymous = (int(re.search(rf"{name}:\s+(\d+)", status).group(1)) for name in ("VmRSS", "RssAnon"))
    return resident / 1024, anonymous / 1024


def start(log: Path) -> tuple[subprocess.Popen[str], grpc.Channel, float, float]:
    """Start the service; return it with a channel, and the seconds until health answers and until it serves."""
    began = time.monotonic()
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "enas_service", "--port", "0", "--seed", "1"],
            stderr=stream,
            text=True,
            # As in the image.
            env=os.environ | {"MALLOC_ARENA_MAX": "2"},
        )
    while not (found := re.search(r"listening on port (\d+)", log.read_text())):
        time.sleep(0.01)
    channel = grpc.insecure_channel(f"127.0.0.1:{found.group(1)}")
    stub = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest(service=HEALTH_SERVICE)
    status = stub.Check(request, timeout=10).status
    answered_s = time.monotonic() - began
    while status != health_pb2.HealthCheckResponse.SERVING:
        time.sleep(0.02)
        status = stub.Check(request, timeout=10).status
    return process, channel, answered_s, time.monotonic() - began


def trial(name: str, suggestion: api_pb2.GetSuggestionsReply.ParameterAssignments, value: float) -> api_pb2.Trial:
    metric = api_pb2.Metric(name="Validation-Accuracy", value=str(value))
    return api_pb2.Trial(
        name=name,
        spec=api_pb2.TrialSpec(
            parameter_assignments=api_pb2.TrialSpec.ParameterAssignments(assignments=suggestion.assignments)
        ),
        status=api_pb2.TrialStatus(
            condition=api_pb2.TrialStatus.SUCCEEDED, observation=api_pb2.Observation(metrics=[metric])
        ),
    )


def elapsed(call: Callable[..., object], request: object) -> float:
    """Seconds that a call takes."""
    began = time.monotonic()
    call(request, timeout=10)
    return time.monotonic() - began


def of_layers(num_layers: int) -> api_pb2.Experiment:
    """Katib's GPU example with so many layers."""
    parsed, _ = manifest.load(EXAMPLE)
    message = experiment_message(parsed, {})
    message.spec.nas_config.graph_config.num_layers = num_layers
    return message


def of_parameters(count: int) -> api_pb2.Experiment:
    """So many plain parameters, of the four types in turn."""
    kinds = (
        ("rate", api_pb2.DOUBLE, {"min": "1e-5", "max": "0.1", "distribution": api_pb2.LOG_UNIFORM}),
        ("depth", api_pb2.INT, {"min": "1", "max": "8"}),
        ("width", api_pb2.DISCRETE, {"list": ["16", "32", "64", "128"]}),
        ("block", api_pb2.CATEGORICAL, {"list": ["plain", "residual", "dense", "none"]}),
    )
    message = of_layers(1)
    message.spec.ClearField("nas_config")
    for place in range(count):
        name, kind, space = kinds[place % len(kinds)]
        # Letters: names that differ in a number alone would be one kind of thing.
        letters = f"{name}-{chr(97 + place // len(kinds) // 26)}{chr(97 + place // len(kinds) % 26)}"
        message.spec.parameter_specs.parameters.add(
            name=letters, parameter_type=kind, feasible_space=api_pb2.FeasibleSpace(**space)
        )
    return message


def of_cells(kind: str, num_nodes: int) -> api_pb2.Experiment:
    """A search for micro or recurrent cells, with the operations of the paper's code."""
    message = of_layers(8 if kind == "micro" else 1)
    for name, value in (("search_for", kind), ("num_nodes", str(num_nodes))):
        message.spec.algorithm.algorithm_settings.add(name=name, value=value)
    operations = message.spec.nas_config.operations.operation
    del operations[:]
    if kind == "recurrent":
        graph = message.spec.nas_config.graph_config
        graph.input_sizes[:] = graph.output_sizes[:] = [10_000]
        operations.extend(api_pb2.Operation(operation_type=name) for name in ("tanh", "relu", "sigmoid", "identity"))
        return message
    for name, sizes in (("separable_convolution", "35"), ("avg_pooling", "3"), ("max_pooling", "3")):
        one = operations.add(operation_type=name)
        one.parameter_specs.parameters.add(
            name="filter_size",
            parameter_type=api_pb2.CATEGORICAL,
            feasible_space=api_pb2.FeasibleSpace(list=list(sizes)),
        )
    operations.add(operation_type="skip_connection")
    return message


def measure(label: str, message: api_pb2.Experiment, num_rounds: int) -> None:
    """Run rounds against a fresh service and print a row of the table."""
    message.spec.max_trial_count = 3 * num_rounds + 3
    values = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        process, channel, answered_s, serving_s = start(Path(folder) / "log")
        stub = api_pb2_grpc.SuggestionStub(channel)
        at_start = memory_mib(process)
        seconds, memory, trials = [], [], []
        validation = api_pb2.ValidateAlgorithmSettingsRequest(experiment=message)
        for _ in range(num_rounds):
            began = time.monotonic()
            reply = stub.GetSuggestions(
                api_pb2.GetSuggestionsRequest(
                    experiment=message,
                    trials=trials,
                    current_request_number=3,
                    total_request_number=len(trials) + 3,
                ),
                timeout=60,
            )
            seconds.append(time.monotonic() - began)
            memory.append(memory_mib(process))
            for one in reply.parameter_assignments:
                trials.append(trial(f"trial-{len(trials)}", one, values.random()))
        validations = [elapsed(stub.ValidateAlgorithmSettings, validation) for _ in range(200)]
        process.terminate()
        process.wait()
    first, later = KATIBS_CALLS_S.get(label, ("-", "-"))
    cells = [
        label,
        f"{answered_s:.2f} / {serving_s:.2f}",
        f"{seconds[0]:.2f} [{first}]",
        f"{seconds[1]:.2f}",
        f"{statistics.median(seconds[4:14]):.3f} [{later}]",
        f"{statistics.median(seconds[-10:]):.3f}",
        f"{1000 * statistics.median(validations):.1f}",
        *(f"{resident:.0f} / {anonymous:.0f}" for resident, anonymous in (at_start, memory[9], memory[-1])),
    ]
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--layers", type=int, nargs="+", default=[1, 8, 12, 24])
    parser.add_argument("--parameters", type=int, nargs="*", default=[20])
    parser.add_argument("--micro", type=int, nargs="*", default=[5], help="nodes of each of two cells")
    parser.add_argument("--recurrent", type=int, nargs="*", default=[8], help="nodes of the cell")
    arguments = parser.parse_args()
    print(f"Seconds [Katib's]; memory in MiB, resident / anonymous; {arguments.rounds} rounds of 3 suggestions")
    print(
        f"Katib's: {KATIBS_START_S} s to SERVING, {KATIBS_START_MIB} MiB then, {KATIBS_MIB_AFTER_10} after 10 rounds\n"
    )
    print(
        "| search space | port / SERVING | first call | second, training traced | rounds 5-14 | last 10 rounds "
        "| validation, ms | memory at the start | after 10 | at the end |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    for num_layers in arguments.layers:
        measure(f"{num_layers} layers", of_layers(num_layers), arguments.rounds)
    for count in arguments.parameters:
        measure(f"{count} parameters", of_parameters(count), arguments.rounds)
    for kind, counts in (("micro", arguments.micro), ("recurrent", arguments.recurrent)):
        for count in counts:
            measure(f"{kind}, {count} nodes", of_cells(kind, count), arguments.rounds)


if __name__ == "__main__":
    main()
