"""Both suggestion services under load: errors, counts, latency, memory, and health checks meanwhile; prints Markdown.

    python -m benchmarks.services.load                                  # 64 clients, 20 experiments, two minutes
    python -m benchmarks.services.load --rounds 10000 --experiments 50  # the memory of the ENAS service over rounds
    python -m benchmarks.services.load --slow                           # health checks beside one slow call

The services, the clients and who asks for health are processes of their own. Half of the clients call each service. A
client draws an experiment: if nobody else is at it, it asks for its next round; otherwise it repeats the latest
request, which must get the same reply, or has the experiment validated, as a controller does that gave up waiting.
"""

import argparse
import json
import math
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from katib_local.running.suggestion_process import open_channel
from katib_suggestion.serving.server import HEALTH_SERVICE
from katib_suggestion.wire import api_pb2, api_pb2_grpc

_PROBE_S = 0.1
"""Between two health checks of a service; Katib's probes ask every 10 s, and give up after 1 s."""
_LOAD_S = 120.0
_WARM_SHARE = 0.25
"""Of the time, in which memory may still grow: the first calls of each experiment."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """A running service."""

    name: str
    process: subprocess.Popen[bytes]
    port: int

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"127.0.0.1:{self.port}"

    def memory_mib(self) -> float:
        """Anonymous resident memory, which no limit can take back."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"RssAnon:\s+(\d+)", status)
        assert found is not None
        return int(found[1]) / 1024


@contextmanager
def _started(name: str, folder: Path) -> Iterator[Service]:
    """Start a service, wait until it serves, and end it."""
    log = folder / f"{name}.log"
    flags = [f"--state-dir={folder / 'state'}", "--seed=1"] if name == "enas" else []
    command = [sys.executable, "-m", f"{name}_service", "--port=0", *flags]
    with log.open("wb") as stream:
        # As in the images.
        process = subprocess.Popen(command, stderr=stream, env=os.environ | {"MALLOC_ARENA_MAX": "2"})
    while " serving\n" not in log.read_text():
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    found = re.search(r"listening on port (\d+)", log.read_text())
    assert found is not None
    yield Service(name=name, process=process, port=int(found[1]))
    process.terminate()
    assert process.wait(300) == 0, log.read_text()


@dataclass(slots=True)
class Watch:
    """What is seen of a service from outside, while others call it."""

    service: Service
    health_s: list[float] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)
    problems: Counter[str] = field(default_factory=Counter)

    def run(self, is_over: threading.Event) -> None:
        """Ask for health, and look at the memory, again and again."""
        with open_channel(self.service.address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            while not is_over.wait(_PROBE_S):
                began = time.monotonic()
                try:
                    reply = stub.Check(health_pb2.HealthCheckRequest(service=HEALTH_SERVICE), timeout=30)
                except grpc.RpcError as error:
                    self.problems[f"health: {error.code().name}"] += 1
                    continue
                self.health_s.append(time.monotonic() - began)
                if reply.status != health_pb2.HealthCheckResponse.SERVING:
                    self.problems["health: not SERVING"] += 1
                self.memory_mib.append(self.service.memory_mib())

    def growth_mib(self) -> float:
        """How much more memory there is in the last quarter of the time than in the first after the warm-up."""
        warm = self.memory_mib[int(len(self.memory_mib) * _WARM_SHARE) :]
        part = max(1, len(warm) // 4)
        return statistics.mean(warm[-part:]) - statistics.mean(warm[:part])


@contextmanager
def _watched(services: Sequence[Service]) -> Iterator[list[Watch]]:
    watches, is_over = [Watch(service) for service in services], threading.Event()
    threads = [threading.Thread(target=watch.run, args=(is_over,)) for watch in watches]
    for thread in threads:
        thread.start()
    try:
        yield watches
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


class Experiment:
    """An experiment as its controller knows it."""

    def __init__(self, number: int, algorithm: str, num_layers: int = 4) -> None:
        self.turn = threading.Lock()
        self.num_rounds = 0
        self.latest: tuple[api_pb2.GetSuggestionsRequest, list[str]] | None = None
        self.message = _message(f"load-{number}", algorithm, num_layers)
        self._trials: list[api_pb2.Trial] = []

    def next_request(self, count: int) -> api_pb2.GetSuggestionsRequest:
        """Ask for a round, all trials before it being finished."""
        return api_pb2.GetSuggestionsRequest(
            experiment=self.message,
            trials=self._trials,
            current_request_number=count,
            total_request_number=len(self._trials) + count,
        )

    def take(self, request: api_pb2.GetSuggestionsRequest, reply: api_pb2.GetSuggestionsReply) -> None:
        """Finish the trials of a round."""
        for one in reply.parameter_assignments:
            value = sum(map(ord, one.assignments[0].value)) % 97 / 97
            self._trials.append(_trial(f"t{len(self._trials)}", one.assignments, value))
        self.latest = request, _values(reply)
        self.num_rounds += 1


class Clients:
    """Clients of a service, and what became of their calls."""

    def __init__(self, address: str, experiments: Sequence[Experiment]) -> None:
        self.seconds: dict[str, list[float]] = {"round": [], "repeated": [], "validation": []}
        self.problems: Counter[str] = Counter()
        self._address = address
        self._experiments = experiments

    def run(self, seed: int, is_over: Callable[[], bool]) -> None:
        """Call until it is over."""
        random_ = random.Random(seed)
        with open_channel(self._address) as channel:
            stub = api_pb2_grpc.SuggestionStub(channel)
            while not is_over():
                experiment = random_.choice(self._experiments)
                if experiment.turn.acquire(blocking=False):
                    try:
                        self.round(stub, experiment, random_.randint(1, 4))
                    finally:
                        experiment.turn.release()
                elif experiment.latest is not None and random_.random() < 0.5:
                    self._repeat(stub, *experiment.latest)
                else:
                    self._validate(stub, experiment)

    def round(self, stub: api_pb2_grpc.SuggestionStub, experiment: Experiment, count: int) -> None:
        """Ask for the next round of an experiment."""
        request = experiment.next_request(count)
        reply = self._timed("round", stub.GetSuggestions, request)
        if reply is None:
            return
        if len(reply.parameter_assignments) != count:
            self.problems["wrong count"] += 1
        experiment.take(request, reply)

    def _repeat(
        self, stub: api_pb2_grpc.SuggestionStub, request: api_pb2.GetSuggestionsRequest, before: list[str]
    ) -> None:
        reply = self._timed("repeated", stub.GetSuggestions, request)
        if reply is not None and _values(reply) != before:
            self.problems["another reply to the same request"] += 1

    def _validate(self, stub: api_pb2_grpc.SuggestionStub, experiment: Experiment) -> None:
        request = api_pb2.ValidateAlgorithmSettingsRequest(experiment=experiment.message)
        self._timed("validation", stub.ValidateAlgorithmSettings, request)

    def _timed(self, kind: str, call: Callable[..., object], request: object) -> object | None:
        began = time.monotonic()
        try:
            reply = call(request, timeout=60)
        except grpc.RpcError as error:
            self.problems[f"{kind}: {error.code().name}: {error.details()}"] += 1
            return None
        self.seconds[kind].append(time.monotonic() - began)
        return reply


def main() -> int:
    """Run what was asked for; return 1 where anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=64, help="of both services together (default %(default)s)")
    parser.add_argument("--experiments", type=int, default=20, help="of each service (default %(default)s)")
    parser.add_argument("--seconds", type=float, help="default 120, or with --rounds as long as they take")
    parser.add_argument("--rounds", type=int, help="of the ENAS service alone, until they are over; one trial a round")
    parser.add_argument("--slow", action="store_true", help="one slow call of the ENAS service")
    parser.add_argument("--call", metavar="NAME=HOST:PORT", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.call:
        called = dict(one.split("=") for one in arguments.call)
        print(json.dumps(_rounds(called["enas"], arguments) if arguments.rounds else _load(called, arguments)))
        return 0
    print(f"{os.cpu_count()} cores, load average before: {os.getloadavg()[0]:.1f}\n")
    with tempfile.TemporaryDirectory() as name:
        if arguments.slow:
            return _measure_slow(Path(name))
        return _measure(arguments, Path(name))


def _measure(arguments: argparse.Namespace, folder: Path) -> int:
    with _started("enas", folder) as enas, _started("darts", folder) as darts:
        services = [enas] if arguments.rounds else [enas, darts]
        command = [sys.executable, "-m", "benchmarks.services.load", *sys.argv[1:], "--call"]
        command += [f"{service.name}={service.address}" for service in services]
        began = time.monotonic()
        with _watched(services) as watches:
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        seconds = time.monotonic() - began
    results = json.loads(done.stdout)
    problems: Counter[str] = Counter()
    print("| service | calls | number | median, ms | 90 % | 99 % | longest |\n|---|---|---|---|---|---|---|")
    for watch in watches:
        result = results[watch.service.name]
        problems += watch.problems + Counter(result["problems"])
        for kind, times in {**result["seconds"], "health": watch.health_s}.items():
            _print_row(watch.service.name, kind, times)
    print()
    for watch in watches:
        memory = ", ".join(f"{one:.0f}" for one in _sampled(watch.memory_mib, 11))
        print(f"{watch.service.name}: anonymous memory, MiB, over time: {memory}; growth {watch.growth_mib():+.1f}")
        print(f"{watch.service.name}: rounds of its experiments: {_range(results[watch.service.name]['rounds'])}")
    print(f"{seconds:.0f} s; problems: {dict(problems) or 'none'}")
    return int(bool(problems))


def _load(called: Mapping[str, str], arguments: argparse.Namespace) -> dict[str, object]:
    """All clients, for so long."""
    end_s = time.monotonic() + (arguments.seconds or _LOAD_S)
    clients: dict[str, Clients] = {}
    threads: list[threading.Thread] = []
    experiments: dict[str, list[Experiment]] = {}
    for name, address in called.items():
        experiments[name] = [Experiment(number, name) for number in range(arguments.experiments)]
        clients[name] = Clients(address, experiments[name])
        for number in range(arguments.clients // len(called)):
            run = threading.Thread(target=clients[name].run, args=(number, lambda: time.monotonic() > end_s))
            threads.append(run)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {name: _result(clients[name], experiments[name]) for name in called}


def _rounds(address: str, arguments: argparse.Namespace) -> dict[str, object]:
    """Rounds of one trial, the experiments taking turns, and two at a time."""
    experiments = [Experiment(number, "enas", num_layers=2) for number in range(arguments.experiments)]
    clients = Clients(address, experiments)
    end_s = time.monotonic() + (arguments.seconds or math.inf)
    left = iter([experiments[number % len(experiments)] for number in range(arguments.rounds)])
    taking = threading.Lock()

    def run() -> None:
        with open_channel(address) as channel:
            stub = api_pb2_grpc.SuggestionStub(channel)
            while True:
                with taking:
                    experiment = next(left, None)
                if experiment is None or time.monotonic() > end_s:
                    return
                with experiment.turn:
                    clients.round(stub, experiment, 1)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"enas": _result(clients, experiments)}


def _measure_slow(folder: Path) -> int:
    """A call that is as large as calls may be, and health checks beside it."""
    with _started("enas", folder) as service, open_channel(service.address) as channel:
        stub = api_pb2_grpc.SuggestionStub(channel)
        experiment = Experiment(0, "enas", num_layers=24)
        first = experiment.next_request(1000)
        took: list[tuple[str, int, float, list[float]]] = []
        problems: Counter[str] = Counter()

        def call(what: str, request: api_pb2.GetSuggestionsRequest) -> api_pb2.GetSuggestionsReply:
            with _watched([service]) as (watch,):
                began = time.monotonic()
                reply = stub.GetSuggestions(request, timeout=600)
                took.append((what, request.ByteSize(), time.monotonic() - began, watch.health_s))
            problems.update(watch.problems)
            return reply

        reply = call("1,000 suggestions", first)
        experiment.take(first, reply)
        call("learns from 1,000 trials", experiment.next_request(3))
        large = experiment.next_request(3)
        extra = api_pb2.ParameterAssignment(name="padding", value="x" * 50_000)
        for trial in large.trials:
            trial.spec.parameter_assignments.assignments.append(extra)
        large.total_request_number += 1
        call("a message near the limit", large)
    print("| a call | MB | s | health checks meanwhile | median, ms | longest |\n|---|---|---|---|---|---|")
    for what, size, seconds, times in took:
        longest, median = (max(times), statistics.median(times)) if times else (0.0, 0.0)
        print(
            f"| {what} | {size / 1e6:.1f} | {seconds:.1f} | {len(times)} | {1000 * median:.0f} | {1000 * longest:.0f} |"
        )
    print(f"problems: {dict(problems) or 'none'}")
    return int(bool(problems))


def _result(clients: Clients, experiments: Sequence[Experiment]) -> dict[str, object]:
    return {
        "seconds": clients.seconds,
        "problems": clients.problems,
        "rounds": [experiment.num_rounds for experiment in experiments],
    }


def _print_row(name: str, kind: str, seconds: Sequence[float]) -> None:
    if not seconds:
        return
    times = sorted(1000 * one for one in seconds)
    cells = [times[min(len(times) - 1, int(share * len(times)))] for share in (0.5, 0.9, 0.99, 1)]
    print(f"| {name} | {kind} | {len(times)} | {' | '.join(f'{cell:.0f}' for cell in cells)} |")


def _sampled(values: Sequence[float], count: int) -> list[float]:
    return [values[round(index * (len(values) - 1) / (count - 1))] for index in range(count)]


def _range(values: Sequence[int]) -> str:
    return f"{min(values)} to {max(values)}, {sum(values)} in all"


def _values(reply: api_pb2.GetSuggestionsReply) -> list[str]:
    return [one.value for assignments in reply.parameter_assignments for one in assignments.assignments]


def _message(name: str, algorithm: str, num_layers: int) -> api_pb2.Experiment:
    sizes = api_pb2.ParameterSpec(
        name="filter_size", parameter_type=api_pb2.CATEGORICAL, feasible_space=api_pb2.FeasibleSpace(list=["3", "5"])
    )
    if algorithm == "enas":
        channels = api_pb2.ParameterSpec(
            name="num_filter",
            parameter_type=api_pb2.INT,
            feasible_space=api_pb2.FeasibleSpace(min="1", max="100", step="1"),
        )
        operation = _operation("convolution", sizes, channels)
    else:
        operation = _operation("separable_convolution", sizes)
    return api_pb2.Experiment(
        name=name,
        spec=api_pb2.ExperimentSpec(
            objective=api_pb2.ObjectiveSpec(type=api_pb2.MAXIMIZE, objective_metric_name="score"),
            algorithm=api_pb2.AlgorithmSpec(algorithm_name=algorithm),
            nas_config=api_pb2.NasConfig(
                graph_config=api_pb2.GraphConfig(num_layers=num_layers, input_sizes=[32, 32, 3], output_sizes=[10]),
                operations=api_pb2.NasConfig.Operations(operation=[operation]),
            ),
        ),
    )


def _operation(kind: str, *parameters: api_pb2.ParameterSpec) -> api_pb2.Operation:
    return api_pb2.Operation(
        operation_type=kind, parameter_specs=api_pb2.Operation.ParameterSpecs(parameters=parameters)
    )


def _trial(name: str, assignments: Sequence[api_pb2.ParameterAssignment], value: float) -> api_pb2.Trial:
    metrics = [api_pb2.Metric(name="score", value=str(value))]
    return api_pb2.Trial(
        name=name,
        spec=api_pb2.TrialSpec(parameter_assignments=api_pb2.TrialSpec.ParameterAssignments(assignments=assignments)),
        status=api_pb2.TrialStatus(
            condition=api_pb2.TrialStatus.SUCCEEDED, observation=api_pb2.Observation(metrics=metrics)
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
