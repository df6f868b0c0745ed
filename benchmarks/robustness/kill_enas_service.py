"""Kills the ENAS service (SIGKILL) at random instants of searches, starts it again, and asks whether anything was lost.

    python -m benchmarks.robustness.kill_enas_service --rounds 200 --seed 0

Several experiments at once, each as Katib's controller asks: a round of trials, their results, the next round; a call
that finds nobody is repeated. An instant is a random time of a process's start, or after it, so that starts,
loading, learning, writing and answering are all hit. After every round, and again after every restart, the service must

- give as many suggestions as were asked for, none of them a second time,
- give the same reply to the same request, also where another process of it had given the first,
- have learned from each finished trial once, as its metrics tell,

and in the end each reply must be, to the bit, that of a service that nobody had disturbed.
"""

import argparse
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from katib_local.running.suggestion_process import open_channel
from katib_suggestion.wire import api_pb2, api_pb2_grpc

_COUNT = 3
"""Suggestions a round."""
_LONGEST_LIFE = 1.5
"""Of a service once it serves, in times of its start: on a busy machine a call takes longer, too."""
_SHARE_OF_STARTS = 0.2
"""Of the kills, that come while the service starts."""
_GIVE_UP_S = 1200.0


class Service:
    """An ENAS service with a state folder, which may be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._state, self._log = folder / "state", folder / "log"
        self.start_s = self._started_s = 0.0
        self.lives = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start a process; it is ready later."""
        self.lives += 1
        self._started_s = time.monotonic()
        self._log = self._log.with_name(f"log-{self.lives}")
        flags = ("--port=0", "--metrics-port=0", "--seed=7", f"--state-dir={self._state}")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen([sys.executable, "-m", "enas_service", *flags], stderr=log)

    def kill(self) -> None:
        """End the process as the machine's own out-of-memory killer does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def port(self, what: str) -> int | None:
        """Port of the living process; None before it listens."""
        found = re.search(rf"{what} port (\d+)", self._log.read_text(errors="replace"))
        return int(found[1]) if found else None

    def wait_until_serving(self) -> None:
        """Return once it serves."""
        while " serving\n" not in self._log.read_text(errors="replace"):
            assert time.monotonic() < self._started_s + _GIVE_UP_S, self._log.read_text()
            time.sleep(0.05)
        self.start_s = time.monotonic() - self._started_s

    def trials_seen(self, experiment: str) -> int | None:
        """How many trials it has learned from; None where it is not there to tell."""
        port = self.port("metrics on")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
                text = reply.read().decode()
        except (OSError, urllib.error.URLError, ValueError):
            return None
        found = re.search(rf'^katib_nas_enas_trials_seen{{experiment="{experiment}"}} (\S+)', text, re.MULTILINE)
        return int(float(found[1])) if found else None


@dataclass
class Client:
    """An experiment, and all that the service has said to it."""

    name: str
    service: Service
    replies: list[list[str]] = field(default_factory=list)
    """Architectures of each round."""
    repeated: int = 0
    """Replies that were asked for once more, of another process of the service."""
    complaints: list[str] = field(default_factory=list)

    def run(self, num_rounds: int) -> None:
        """Search, for so many rounds."""
        life = self.service.lives
        for number in range(num_rounds):
            self.replies.append(self._ask(number))
            if self.service.lives != life:
                life = self.service.lives
                again = self._ask(number)
                self.repeated += 1
                if again != self.replies[-1]:
                    self.complaints.append(f"{self.name}, round {number + 1}: another reply to the same request")
            seen = self.service.trials_seen(self.name)
            if seen not in (None, number * _COUNT):
                self.complaints.append(f"{self.name}, round {number + 1}: learned from {seen} of {number * _COUNT}")
            architectures = [one for reply in self.replies for one in reply]
            if len(self.replies[-1]) != _COUNT or len(set(architectures)) != len(architectures):
                self.complaints.append(f"{self.name}, round {number + 1}: {self.replies[-1]} after {architectures}")

    def _ask(self, number: int) -> list[str]:
        """The architectures of a round, all rounds before it being finished; asked until somebody answers."""
        finished = [one for reply in self.replies[:number] for one in reply]
        request = api_pb2.GetSuggestionsRequest(
            experiment=_experiment(self.name),
            trials=[_trial(index, one) for index, one in enumerate(finished)],
            current_request_number=_COUNT,
            total_request_number=len(finished) + _COUNT,
        )
        began = time.monotonic()
        while time.monotonic() < began + _GIVE_UP_S:
            port = self.service.port("listening on")
            if port is not None:
                with open_channel(f"127.0.0.1:{port}") as channel:
                    try:
                        reply = api_pb2_grpc.SuggestionStub(channel).GetSuggestions(request, timeout=60)
                    except grpc.RpcError as error:
                        if error.code() is not grpc.StatusCode.UNAVAILABLE:
                            self.complaints.append(f"{self.name}, round {number + 1}: {error.code()} {error.details()}")
                    else:
                        return [one.assignments[0].value for one in reply.parameter_assignments]
            time.sleep(0.1)
        raise TimeoutError(f"{self.name}, round {number + 1}: nobody answers")


def main() -> int:
    """Print a line a kill, and what became of the searches; return 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200, help="of all experiments together (default %(default)s)")
    parser.add_argument("--experiments", type=int, default=4, help="that search at once (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the instants")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        undisturbed, _ = _searched(Path(name) / "undisturbed", arguments, lambda service, is_over: is_over.wait())
        instants = random.Random(arguments.seed)
        disturbed, lives = _searched(
            Path(name) / "disturbed", arguments, lambda service, is_over: _kill_at_random(service, is_over, instants)
        )
    complaints = [one for client in [*undisturbed, *disturbed] for one in client.complaints]
    for before, client in zip(undisturbed, disturbed, strict=True):
        if before.replies != client.replies:
            complaints.append(f"{client.name}: other replies than those of a service that nobody disturbed")
    print("\n".join(complaints), end="\n" if complaints else "")
    num_rounds = sum(len(client.replies) for client in disturbed)
    num_repeated = sum(client.repeated for client in disturbed)
    print(
        f"{num_rounds} rounds of {len(disturbed)} experiments, {lives - 1} kills, "
        f"{num_repeated} requests repeated to a new process: {len(complaints)} complaints"
    )
    return int(bool(complaints))


def _searched(
    folder: Path, arguments: argparse.Namespace, disturb: Callable[[Service, threading.Event], object]
) -> tuple[list[Client], int]:
    """Run all rounds against a service; return the clients, and how many processes of the service there were."""
    folder.mkdir()
    service = Service(folder)
    service.start()
    service.wait_until_serving()
    clients = [Client(f"search-{number}", service) for number in range(arguments.experiments)]
    is_over = threading.Event()
    disturbing = threading.Thread(target=disturb, args=(service, is_over))
    disturbing.start()
    try:
        with futures.ThreadPoolExecutor(len(clients)) as pool:
            rounds = arguments.rounds // len(clients)
            for running in [pool.submit(client.run, rounds) for client in clients]:
                running.result()
    finally:
        is_over.set()
        disturbing.join()
        service.kill()
    return clients, service.lives


def _kill_at_random(service: Service, is_over: threading.Event, instants: random.Random) -> None:
    while True:
        is_in_its_start = instants.random() < _SHARE_OF_STARTS
        if not is_in_its_start:
            service.wait_until_serving()
        instant_s = instants.uniform(0, service.start_s * (1 if is_in_its_start else _LONGEST_LIFE))
        if is_over.wait(instant_s):
            return
        service.kill()
        print(
            f"kill {service.lives}: {instant_s:.2f} s after it {'was started' if is_in_its_start else 'served'}",
            flush=True,
        )
        service.start()


def _experiment(name: str) -> api_pb2.Experiment:
    sizes = api_pb2.ParameterSpec(
        name="filter_size",
        parameter_type=api_pb2.CATEGORICAL,
        feasible_space=api_pb2.FeasibleSpace(list=["1", "3", "5", "7"]),
    )
    operation = api_pb2.Operation(
        operation_type="convolution", parameter_specs=api_pb2.Operation.ParameterSpecs(parameters=[sizes])
    )
    return api_pb2.Experiment(
        name=name,
        spec=api_pb2.ExperimentSpec(
            objective=api_pb2.ObjectiveSpec(type=api_pb2.MAXIMIZE, objective_metric_name="score"),
            algorithm=api_pb2.AlgorithmSpec(algorithm_name="enas"),
            nas_config=api_pb2.NasConfig(
                graph_config=api_pb2.GraphConfig(num_layers=6, input_sizes=[32, 32, 3], output_sizes=[10]),
                operations=api_pb2.NasConfig.Operations(operation=[operation]),
            ),
        ),
    )


def _trial(number: int, architecture: str) -> api_pb2.Trial:
    assignments = [api_pb2.ParameterAssignment(name="architecture", value=architecture)]
    metrics = [api_pb2.Metric(name="score", value=str(architecture.count("1")))]
    return api_pb2.Trial(
        name=f"trial-{number}",
        spec=api_pb2.TrialSpec(parameter_assignments=api_pb2.TrialSpec.ParameterAssignments(assignments=assignments)),
        status=api_pb2.TrialStatus(
            condition=api_pb2.TrialStatus.SUCCEEDED, observation=api_pb2.Observation(metrics=metrics)
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
