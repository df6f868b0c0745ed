"""Real services and trials as processes, and experiments to ask them about."""

import copy
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from katib_suggestion.serving.server import HEALTH_SERVICE
from katib_suggestion.wire import api_pb2, api_pb2_grpc
from tests.warm_python import COLD, Program, with_tensorflow, with_torch

# CI tries the same few examples each time, on whatever machine; --hypothesis-profile=campaign tries many at random.
_SLOW_IS_NO_FAULT = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
}
settings.register_profile("ci", derandomize=True, max_examples=100, **_SLOW_IS_NO_FAULT)
settings.register_profile("campaign", max_examples=20_000, print_blob=True, **_SLOW_IS_NO_FAULT)
settings.load_profile("ci")

LONG_S = 30


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the tests that take long and do not say why."""
    seconds: Counter[str] = Counter()
    for report in itertools.chain.from_iterable(terminalreporter.stats.values()):
        if isinstance(report, pytest.TestReport) and "long" not in report.keywords:
            seconds[report.nodeid] += report.duration
    if found := [f"{taken:.0f} s {test}" for test, taken in seconds.most_common() if taken > LONG_S]:
        terminalreporter.section(f"above {LONG_S} s, and not marked as long")
        terminalreporter.write_line("\n".join(found))


@dataclass(frozen=True)
class Service:
    """A running service and a channel to it."""

    process: subprocess.Popen[bytes] | Program
    port: int
    log: Path
    channel: grpc.Channel

    @property
    def stub(self) -> api_pb2_grpc.SuggestionStub:
        return api_pb2_grpc.SuggestionStub(self.channel)

    @property
    def metrics_port(self) -> int:
        found = re.search(r"metrics on port (\d+)", self.log.read_text())
        assert found, self.log.read_text()
        return int(found.group(1))

    def health(self, name: str = HEALTH_SERVICE) -> health_pb2.HealthCheckResponse.ServingStatus:
        request = health_pb2.HealthCheckRequest(service=name)
        return health_pb2_grpc.HealthStub(self.channel).Check(request, timeout=10).status

    def wait_until_serving(self, timeout_s: float = 60) -> None:
        deadline = time.monotonic() + timeout_s
        while not self._is_serving():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def _is_serving(self) -> bool:
        try:
            return self.health() == health_pb2.HealthCheckResponse.SERVING
        except grpc.RpcError as error:
            # While it imports TensorFlow, on busy cores.
            if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                raise
            return False


def wait_for_port(process: subprocess.Popen[bytes] | Program, log: Path, timeout_s: float = 60) -> int:
    """Read the port that a service listens on from its log."""
    deadline = time.monotonic() + timeout_s
    while not (found := re.search(r"listening on port (\d+)", log.read_text())):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
    return int(found.group(1))


@pytest.fixture(scope="session")
def start_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Service]]:
    """Start a service's module on a free port; whatever was started is stopped at the end.

    Where tests look at how a service starts, or at its memory, ``cold=True`` gives it an interpreter of its own.
    """
    started: list[Service] = []

    def start(module: str, *flags: str, cold: bool = False) -> Service:
        log = tmp_path_factory.mktemp(module) / "log"
        python = COLD if cold or module == "darts_service" else with_tensorflow
        with log.open("w") as stream:
            process = python.start("-m", module, "--port", "0", *flags, stderr=stream.fileno())
        port = wait_for_port(process, log)
        service = Service(process, port, log, grpc.insecure_channel(f"127.0.0.1:{port}"))
        started.append(service)
        return service

    yield start
    for service in started:
        service.channel.close()
        service.process.kill()
        service.process.wait()


@pytest.fixture(scope="session")
def scrape() -> Callable[[int], dict[tuple[object, ...], float]]:
    """Read what Prometheus would: each sample's name and labels, to its value."""

    def read(port: int) -> dict[tuple[object, ...], float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
            families = text_string_to_metric_families(reply.read().decode())
        return {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }

    return read


@pytest.fixture(scope="session")
def enas_service(start_service: Callable[..., Service]) -> Service:
    service = start_service("enas_service", "--seed", "7")
    service.wait_until_serving()
    return service


@pytest.fixture(scope="session")
def darts_service(start_service: Callable[..., Service]) -> Service:
    service = start_service("darts_service")
    service.wait_until_serving()
    return service


@pytest.fixture(scope="session")
def random_suggestion() -> Iterator[str]:
    """Address of a suggestion service as Katib's for random search is."""
    script = Path(__file__).with_name("random_suggestion.py")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"127.0.0.1:{process.stdout.readline().strip()}"
        process.kill()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium, of Debian's package or the one that KATIB_NAS_TEST_BROWSER names."""
    program = os.environ.get("KATIB_NAS_TEST_BROWSER") or shutil.which("chromium")
    if program is None:
        pytest.skip("there is no chromium: install it, or name one by KATIB_NAS_TEST_BROWSER")
    from playwright.sync_api import sync_playwright  # only these tests need it

    with sync_playwright() as playwright:
        # Root has no sandbox, and the pages are our own.
        launched = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a report and wait for its plots; in the end no page may have complained, or asked for more than its file."""
    contexts: list[Any] = []
    complaints: list[str] = []
    asked_for: list[str] = []

    def open_file(path: Path, **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})
        contexts.append(context)
        context.set_default_timeout(120_000)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked_for.append(request.url))
        page.goto(path.absolute().as_uri())
        page.wait_for_selector("html[data-drawn]")
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in asked_for if not url.startswith(("file:", "data:"))] == []


@pytest.fixture(scope="session")
def torchrun() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a script, or ``-m`` and a module, as several processes of one trial; ``cold=True`` runs torchrun itself."""

    def run(num_processes: int, *command: object, cwd: Path, cold: bool = False) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("KATIB_NAS_")}
        flags = ("--standalone", f"--nproc-per-node={num_processes}")
        launcher = ("-m", "torch.distributed.run") if cold else (Path(__file__).with_name("warm_torchrun.py"),)
        python = COLD if cold else with_torch
        done = python.run(*launcher, *flags, *command, cwd=cwd, env=environment | {"OMP_NUM_THREADS": "1"})
        # Gloo of some versions of torch says there that it is connected; in such a line no collector finds a metric.
        # Processes write into each other's such lines, and leave empty ones.
        lines = [line for line in done.stdout.splitlines(keepends=True) if line.strip()]
        done.stdout = "".join(line for line in lines if "Gloo" not in line and "peer ranks" not in line)
        return done

    return run


@pytest.fixture(scope="session")
def tensorboard() -> Callable[[Path], dict[str, list[list[float]]]]:
    """Read the curves of a folder as TensorBoard does: by name, pairs of step and value."""

    def read(folder: Path) -> dict[str, list[list[float]]]:
        script = Path(__file__).parent / "trial_runtime/reporting/read_events.py"
        done = subprocess.run([sys.executable, str(script), str(folder)], check=True, capture_output=True, timeout=120)
        curves: dict[str, list[list[float]]] = json.loads(done.stdout)
        return curves

    return read


def parameter(name: str, kind: int, **space: object) -> api_pb2.ParameterSpec:
    return api_pb2.ParameterSpec(name=name, parameter_type=kind, feasible_space=api_pb2.FeasibleSpace(**space))


def operation(kind: str, *parameters: api_pb2.ParameterSpec) -> api_pb2.Operation:
    return api_pb2.Operation(
        operation_type=kind, parameter_specs=api_pb2.Operation.ParameterSpecs(parameters=parameters)
    )


def experiment(
    *operations: api_pb2.Operation, name: str, num_layers: int, algorithm: str, settings: dict[str, str] | None = None
) -> api_pb2.Experiment:
    """An Experiment that maximises Validation-Accuracy on images of 32 x 32 x 3 in ten classes."""
    return api_pb2.Experiment(
        name=name,
        spec=api_pb2.ExperimentSpec(
            objective=api_pb2.ObjectiveSpec(
                type=api_pb2.MAXIMIZE, goal=0.99, objective_metric_name="Validation-Accuracy"
            ),
            algorithm=api_pb2.AlgorithmSpec(
                algorithm_name=algorithm,
                algorithm_settings=[
                    api_pb2.AlgorithmSetting(name=key, value=value) for key, value in (settings or {}).items()
                ],
            ),
            parallel_trial_count=3,
            max_trial_count=12,
            nas_config=api_pb2.NasConfig(
                graph_config=api_pb2.GraphConfig(num_layers=num_layers, input_sizes=[32, 32, 3], output_sizes=[10]),
                operations=api_pb2.NasConfig.Operations(operation=operations),
            ),
        ),
    )


class Build:
    """Builders of wire messages, for tests of every package."""

    parameter = staticmethod(parameter)
    operation = staticmethod(operation)

    @staticmethod
    def enas(
        *operations: api_pb2.Operation, name: str = "enas", num_layers: int = 4, settings: dict[str, str] | None = None
    ) -> api_pb2.Experiment:
        sizes = parameter("filter_size", api_pb2.CATEGORICAL, list=["3", "5", "7"])
        pools = parameter("pool_size", api_pb2.INT, min="2", max="3", step="1")
        usual = (operation("convolution", sizes), operation("reduction", pools))
        return experiment(*(operations or usual), name=name, num_layers=num_layers, algorithm="enas", settings=settings)

    @staticmethod
    def micro(
        *operations: api_pb2.Operation, name: str = "micro", num_layers: int = 8, settings: dict[str, str] | None = None
    ) -> api_pb2.Experiment:
        """An ENAS search for cells; its usual operations have the numbers of the paper's code."""

        def sizes(*texts: str) -> api_pb2.ParameterSpec:
            return parameter("filter_size", api_pb2.CATEGORICAL, list=texts)

        usual = (
            operation("separable_convolution", sizes("3", "5")),
            operation("avg_pooling", sizes("3")),
            operation("max_pooling", sizes("3")),
            operation("skip_connection"),
        )
        settings = {"search_for": "micro"} | (settings or {})
        return experiment(*(operations or usual), name=name, num_layers=num_layers, algorithm="enas", settings=settings)

    @staticmethod
    def recurrent(
        *operations: api_pb2.Operation,
        name: str = "recurrent",
        vocabulary: int = 10_000,
        settings: dict[str, str] | None = None,
    ) -> api_pb2.Experiment:
        """An ENAS search for a recurrent cell, which minimises Validation-Perplexity."""
        usual = [operation(kind) for kind in ("tanh", "relu", "sigmoid", "identity")]
        settings = {"search_for": "recurrent"} | (settings or {})
        made = experiment(*(operations or usual), name=name, num_layers=1, algorithm="enas", settings=settings)
        graph = made.spec.nas_config.graph_config
        graph.input_sizes[:] = graph.output_sizes[:] = [vocabulary]
        made.spec.objective.type = api_pb2.MINIMIZE
        made.spec.objective.objective_metric_name = "Validation-Perplexity"
        return made

    @staticmethod
    def plain(
        *parameters: api_pb2.ParameterSpec, name: str = "plain", settings: dict[str, str] | None = None
    ) -> api_pb2.Experiment:
        made = experiment(name=name, num_layers=0, algorithm="enas", settings=settings)
        made.spec.ClearField("nas_config")
        made.spec.parameter_specs.parameters.extend(parameters)
        return made

    @staticmethod
    def darts(
        *operations: api_pb2.Operation, num_layers: int = 3, settings: dict[str, str] | None = None
    ) -> api_pb2.Experiment:
        def sizes(*texts: str) -> api_pb2.ParameterSpec:
            return parameter("filter_size", api_pb2.CATEGORICAL, list=texts)

        usual = (
            operation("separable_convolution", sizes("3")),
            operation("dilated_convolution", sizes("3", "5")),
            operation("avg_pooling", sizes("3")),
            operation("max_pooling", sizes("3")),
            operation("skip_connection"),
        )
        return experiment(
            *(operations or usual), name="darts", num_layers=num_layers, algorithm="darts", settings=settings
        )

    @staticmethod
    def trial(
        name: str,
        assignments: dict[str, str],
        metrics: dict[str, str] | None = None,
        condition: int = api_pb2.TrialStatus.SUCCEEDED,
    ) -> api_pb2.Trial:
        return api_pb2.Trial(
            name=name,
            spec=api_pb2.TrialSpec(
                parameter_assignments=api_pb2.TrialSpec.ParameterAssignments(
                    assignments=[api_pb2.ParameterAssignment(name=key, value=text) for key, text in assignments.items()]
                )
            ),
            status=api_pb2.TrialStatus(
                condition=condition,
                observation=api_pb2.Observation(
                    metrics=[api_pb2.Metric(name=key, value=text) for key, text in (metrics or {}).items()]
                ),
            ),
        )

    @staticmethod
    def request(
        experiment: api_pb2.Experiment, count: int, trials: list[api_pb2.Trial] | None = None
    ) -> api_pb2.GetSuggestionsRequest:
        trials = trials or []
        return api_pb2.GetSuggestionsRequest(
            experiment=experiment,
            trials=trials,
            current_request_number=count,
            total_request_number=min(2**31 - 1, len(trials) + max(0, count)),
        )

    @staticmethod
    def assignments(reply: api_pb2.GetSuggestionsReply) -> list[dict[str, str]]:
        return [{item.name: item.value for item in one.assignments} for one in reply.parameter_assignments]


@pytest.fixture(scope="session")
def build() -> type[Build]:
    return Build


HOSTILE = (
    *(
        "",
        " ",
        "None",
        "null",
        "nan",
        "-inf",
        "1e400",
        "-1",
        "0",
        "9" * 400,
        "\0",
        "\n",
        "'",
        '"',
        "\\",
        "%s",
        "{0}",
        "=",
    ),
    *("$(touch pwned)", "`touch pwned`", "${trialParameters.x}", "../../x", "<script>", "[bold]", "\x1b[2J", "<<"),
)
bad_texts = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(max_size=20),
    st.sampled_from("x'\"[{\\\0\u0661\U0001f600").map(lambda letter: letter * 10_000),
)
bad_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.sampled_from([0, -1, 1, 2**31, 2**63, -(2**63), 10**400, 1.5, 1e308, float("nan"), float("inf")]),
        st.integers(),
        st.floats(),
        bad_texts,
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(bad_texts, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def bad_document(draw: st.DrawFn, valid: Any) -> Any:
    """A document of lists, mappings and scalars with one to three places changed."""
    document = copy.deepcopy(valid)
    for _ in range(draw(st.integers(1, 3))):
        holder, key = draw(st.sampled_from(list(_places(document))))
        change = draw(st.sampled_from(["value", "value", "out", "list", "name", "twice"]))
        if change == "out":
            del holder[key]
        elif change == "list":
            holder[key] = [holder[key]]
        elif change == "name" and isinstance(holder, dict):
            holder[draw(bad_texts)] = holder.pop(key)
        elif change == "twice" and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        else:
            holder[key] = draw(bad_values)
        if not document:
            break
    return document


@st.composite
def bad_text(draw: st.DrawFn, valid: str) -> str:
    """A text with one to three places cut out, written twice, or written over."""
    text = valid
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from([0, 1, 1, 2, 5, 20, 1000])))
        middle = draw(st.one_of(st.just(""), st.just(2 * text[start:end]), bad_texts))
        text = text[:start] + middle + text[end:]
    return text


@st.composite
def bad_content(draw: st.DrawFn, valid: bytes) -> bytes:
    """A file with some bytes changed, cut out, or put in."""
    content = bytearray(valid)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.sampled_from([0, 1, 1, 4, 64, 100_000])))
        content[start:end] = draw(st.binary(max_size=8))
    return bytes(content)


class Bad:
    """Strategies of bad input: mostly what is valid but for a place or two, which gets furthest into a reader."""

    hostile = HOSTILE
    texts = bad_texts
    values = bad_values
    document = staticmethod(bad_document)
    text = staticmethod(bad_text)
    content = staticmethod(bad_content)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place inside a value: what holds it, and its key there."""
    for key in value if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


@pytest.fixture(scope="session")
def bad() -> type[Bad]:
    return Bad


@pytest.fixture
def example() -> str:
    """The genotype of the source document, over several lines as it is printed there."""
    return """
Genotype(
normal=[
[('max_pooling_3x3',0),('max_pooling_3x3',1)],
[('max_pooling_3x3',0),('max_pooling_3x3',1)],
[('max_pooling_3x3',0),('dilated_convolution_3x3',3)],
[('max_pooling_3x3',0),('max_pooling_3x3',1)]
],
normal_concat=range(2,6),
reduce=[
[('dilated_convolution_5x5',1),('separable_convolution_3x3',0)],
[('max_pooling_3x3',2),('dilated_convolution_5x5',1)],
[('dilated_convolution_5x5',3),('dilated_convolution_5x5',2)],
[('dilated_convolution_5x5',3),('dilated_convolution_5x5',4)]
],
reduce_concat=range(2,6)
)
"""
