"""Kills the ENAS service (SIGKILL) at random instants of searches, starts it again, and asks whether anything was lost.

    python -m benchmarks.robustness.kill_enas_service --steps 200 --seconds 600 --seed 0

Several experiments at once, each a random history as controllers and users make them: rounds of trials with their
results, repetitions of earlier requests, running trials that are deleted, experiments that are deleted and made again
under their names; a call that finds nobody is repeated. An instant is a random time of a process's start, or after it,
so that starts, loading, learning, writing and answering are all hit. Each answer must keep the promises of
`benchmarks.robustness.promises`, a small model of the service, and in the end all answers must be, to the bit, those of
a service that nobody had disturbed and that was asked for no more than was answered.
"""

import argparse
import math
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent import futures
from pathlib import Path

import grpc

from benchmarks.robustness.histories import METRIC, History
from katib_local.running.suggestion_process import open_channel
from katib_suggestion.experiment import Trial
from katib_suggestion.wire import api_pb2, api_pb2_grpc

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


class Client:
    """Asks for an experiment until somebody answers.

    Args:
        name: of the experiment.
        service: may be another process each time.
    """

    def __init__(self, name: str, service: Service) -> None:
        self.name, self.service = name, service
        self.asked_again = 0
        """Calls that nobody had the answer of."""
        self.refused: list[str] = []
        """Answers that were none."""

    def ask(self, trials: Sequence[Trial], count: int, total: int) -> list[dict[str, str]]:
        """Return the proposals."""
        request = api_pb2.GetSuggestionsRequest(
            experiment=_experiment(self.name),
            trials=[_message(one) for one in trials],
            current_request_number=count,
            total_request_number=total,
        )
        began = time.monotonic()
        while time.monotonic() < began + _GIVE_UP_S:
            port = self.service.port("listening on")
            if port is not None:
                with open_channel(f"127.0.0.1:{port}") as channel:
                    try:
                        reply = api_pb2_grpc.SuggestionStub(channel).GetSuggestions(request, timeout=60)
                    except grpc.RpcError as error:
                        self.asked_again += 1
                        if error.code() is not grpc.StatusCode.UNAVAILABLE:
                            self.refused.append(f"{error.code()} {error.details()}")
                    else:
                        return [
                            {item.name: item.value for item in one.assignments} for one in reply.parameter_assignments
                        ]
            time.sleep(0.1)
        raise TimeoutError(f"{self.name}: nobody answers")

    def num_learned(self) -> int | None:
        """From how many trials it has learned; None where it is not there to tell."""
        return self.service.trials_seen(self.name)


def main() -> int:
    """Print a line a kill, and what became of the searches; return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200, help="of all experiments together (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=math.inf, help="after which there are no more steps")
    parser.add_argument("--experiments", type=int, default=4, help="that search at once (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the histories and the instants")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        clients, histories, lives = _disturbed(Path(name) / "disturbed", arguments)
        complaints = [f"{client.name}: {one}" for client in clients for one in client.refused]
        for client, history in zip(clients, histories, strict=True):
            complaints += [f"{client.name}: {one}" for one in history.broken]
        complaints += _differences(Path(name) / "undisturbed", clients, histories)
    print("\n".join(complaints), end="\n" if complaints else "")
    print(
        f"{sum(len(one.answers) for one in histories)} answers to {len(histories)} experiments, {lives - 1} kills, "
        f"{sum(one.asked_again for one in clients)} calls that nobody had the answer of, "
        f"{sum(one.num_repeated for one in histories)} repetitions, "
        f"{sum(one.num_made_again for one in histories)} experiments made again: {len(complaints)} complaints"
    )
    return int(bool(complaints))


def _disturbed(folder: Path, arguments: argparse.Namespace) -> tuple[list[Client], list[History], int]:
    """Go through histories of a service that is killed; return how many processes of it there were, too."""
    service = _started(folder)
    clients = [Client(f"search-{number}", service) for number in range(arguments.experiments)]
    histories = [
        History(client.ask, client.num_learned, random.Random(f"{arguments.seed} {client.name}")) for client in clients
    ]
    is_over = threading.Event()
    instants = random.Random(arguments.seed)
    killing = threading.Thread(target=_kill_at_random, args=(service, is_over, instants))
    killing.start()

    end_s = time.monotonic() + arguments.seconds

    def go_through(history: History) -> None:
        for _ in range(arguments.steps // len(histories)):
            if time.monotonic() < end_s:
                history.step()

    try:
        with futures.ThreadPoolExecutor(len(histories)) as pool:
            for running in [pool.submit(go_through, history) for history in histories]:
                running.result()
    finally:
        is_over.set()
        killing.join()
        service.kill()
    return clients, histories, service.lives


def _differences(folder: Path, clients: Sequence[Client], histories: Sequence[History]) -> list[str]:
    """Ask a service that nobody disturbs for what was answered, and say where it answers something else."""
    service = _started(folder)
    found = []
    try:
        for client, history in zip(clients, histories, strict=True):
            undisturbed = Client(client.name, service)
            for number, one in enumerate(history.answers):
                if undisturbed.ask(one.trials, one.count, one.total) != list(one.reply):
                    found.append(f"{client.name}, call {number}: other proposals of a service that nobody disturbed")
                    break
    finally:
        service.kill()
    return found


def _started(folder: Path) -> Service:
    folder.mkdir()
    service = Service(folder)
    service.start()
    service.wait_until_serving()
    return service


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
            objective=api_pb2.ObjectiveSpec(type=api_pb2.MAXIMIZE, objective_metric_name=METRIC),
            algorithm=api_pb2.AlgorithmSpec(algorithm_name="enas"),
            nas_config=api_pb2.NasConfig(
                graph_config=api_pb2.GraphConfig(num_layers=6, input_sizes=[32, 32, 3], output_sizes=[10]),
                operations=api_pb2.NasConfig.Operations(operation=[operation]),
            ),
        ),
    )


def _message(trial: Trial) -> api_pb2.Trial:
    assignments = [api_pb2.ParameterAssignment(name=name, value=value) for name, value in trial.assignments.items()]
    metrics = [api_pb2.Metric(name=name, value=value) for name, value in trial.metrics.items()]
    return api_pb2.Trial(
        name=trial.name,
        spec=api_pb2.TrialSpec(parameter_assignments=api_pb2.TrialSpec.ParameterAssignments(assignments=assignments)),
        status=api_pb2.TrialStatus(
            condition=api_pb2.TrialStatus.TrialConditionType.Value(trial.condition.name),
            observation=api_pb2.Observation(metrics=metrics),
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
