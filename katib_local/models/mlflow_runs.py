"""A search and what was trained of it in MLflow, by MLflow's own client: a run for each trial, and one for the network.

```text
experiment NAME
  run NAME            the search: its manifest, the best trial's metrics
    run NAME-0001     a trial: assignments, metrics over time, the picture of what it was
    …
    run trained       the training of the best: settings, metrics over time, its files, and the model, registered
```

A run that is there is left as it is, so that exporting again adds what is new.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from katib_cluster import bounded_yaml
from katib_local.errors import RegistryError, UsageError
from katib_local.models import trained
from katib_local.models.origin import FILE as SEARCH
from katib_local.record import collector
from katib_local.record.collector import Point
from katib_local.record.kept_runs import KeptRun
from katib_local.record.store import Store
from katib_local.record.trials import Trial
from katib_local.report import pictures
from katib_suggestion.experiment import TrialCondition

CLIENT = "mlflow"
_NEEDED = (CLIENT, "onnx", "onnxruntime")

_KEY = "katib-nas.key"
"""The tag by which a run is known again."""
_PARENT = "mlflow.parentRunId"
"""MLflow's own tag for a run within another."""
_MAX_VALUE = 6_000
"""Longest value of a parameter; a longer one becomes a file."""
_MAX_PARAMS = 100
"""Most parameters of a call."""
_MAX_METRICS = 1_000
"""Most metrics of a call."""
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
"""Without these the client goes on asking for minutes where nobody answers."""

_STATES = {
    TrialCondition.SUCCEEDED: "FINISHED",
    TrialCondition.EARLY_STOPPED: "FINISHED",
    TrialCondition.FAILED: "FAILED",
    TrialCondition.METRICS_UNAVAILABLE: "FAILED",
    TrialCondition.KILLED: "KILLED",
}

Curves: TypeAlias = dict[str, list[tuple[float, datetime | None]]]
"""The values of each metric, in their order, with the time of each."""

logger = logging.getLogger(__name__)


def require() -> None:
    """Refuse to go on without what all of this takes.

    Raises:
        UsageError: a package is not installed.
    """
    missing = [package for package in _NEEDED if find_spec(package) is None]
    if missing:
        raise UsageError(f"--to mlflow: {' and '.join(missing)} must be installed: pip install 'katib-nas[mlflow]'")


def log(uri: str, name: str, run: KeptRun | None, network: Path | None) -> None:
    """Bring a search and its network into MLflow; `require` comes before.

    Args:
        uri: of the tracking server.
        name: of the experiment there, and of the registered model.
        run: the search; None where there is none on this machine.
        network: folder of the training, with the model as an ONNX file; None where nothing was trained.

    Raises:
        RegistryError: the server cannot be reached, or refuses.
    """
    for variable, value in _PATIENCE.items():
        os.environ.setdefault(variable, value)
    with _failing(uri):
        server = _Server(uri, name)
        parent = None if run is None else _log_search(server, run)
        if network is not None:
            _log_network(server, network, parent)


class _Server:
    """An experiment of a tracking server."""

    def __init__(self, uri: str, name: str) -> None:
        from mlflow import MlflowClient

        self.uri = uri
        self.name = name
        self.client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        found = self.client.get_experiment_by_name(name)
        self.experiment = self.client.create_experiment(name) if found is None else found.experiment_id

    def find(self, key: str) -> str | None:
        """Return the id of a run that is there."""
        found = self.client.search_runs([self.experiment], f"tags.`{_KEY}` = '{key}' and status != 'RUNNING'")
        return found[0].info.run_id if found else None

    def begin(self, name: str, key: str, parent: str | None, started: datetime | None = None) -> str:
        """Return the id of a new run."""
        tags = {_KEY: key, **({} if parent is None else {_PARENT: parent})}
        begun = self.client.create_run(self.experiment, start_time=_milliseconds(started), tags=tags, run_name=name)
        run_id: str = begun.info.run_id
        return run_id

    def params(self, run_id: str, values: Mapping[str, object]) -> None:
        """Add parameters; one that is too long becomes a file."""
        from mlflow.entities import Param

        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
        for name, text in texts.items():
            if len(text) > _MAX_VALUE:
                self.client.log_text(run_id, text, f"assignments/{name}.txt")
        short = [Param(name, text) for name, text in texts.items() if len(text) <= _MAX_VALUE]
        for begin in range(0, len(short), _MAX_PARAMS):
            self.client.log_batch(run_id, params=short[begin : begin + _MAX_PARAMS])

    def metrics(self, run_id: str, curves: Curves) -> None:
        """Add metrics over time: the values of each with the time of each."""
        from mlflow.entities import Metric

        found = [
            Metric(name, value, _milliseconds(time) or 0, step)
            for name, values in curves.items()
            for step, (value, time) in enumerate(values, start=1)
        ]
        for begin in range(0, len(found), _MAX_METRICS):
            self.client.log_batch(run_id, metrics=found[begin : begin + _MAX_METRICS])


def _log_search(server: _Server, run: KeptRun) -> str:
    """Log what is not there yet of a search; return the id of its run."""
    key = f"{run.experiment.name} {run.started.isoformat()}"
    with Store.reading(run.folder.database) as store:
        points = store.all_points()
    parent = server.find(key)
    is_new = parent is None
    if parent is None:
        parent = server.begin(run.experiment.name, key, None, run.started)
        manifest = yaml.dump(run.document, Dumper=bounded_yaml.Dumper, sort_keys=False, allow_unicode=True)
        server.client.log_text(parent, manifest, "experiment.yaml")
        server.params(parent, {"algorithm": run.experiment.algorithm, "seed": run.options.seed, **dict(run.settings)})
    for trial in run.trials:
        if trial.condition in _STATES and server.find(f"{key} {trial.name}") is None:
            _log_trial(server, trial, f"{key} {trial.name}", parent, points.get(trial.name, ()))
    if is_new:
        best = run.best
        if best is not None:
            server.metrics(parent, _last(best))
            server.client.set_tag(parent, "katib-nas.best", best.name)
        server.client.set_terminated(parent, "FINISHED" if best else "FAILED")
    return parent


def _log_trial(server: _Server, trial: Trial, key: str, parent: str, points: Sequence[Point]) -> None:
    run_id = server.begin(trial.name, key, parent, trial.started)
    server.params(run_id, trial.assignments)
    curves: Curves = {}
    for point in points:
        value = collector.number(point.value)
        if value is not None and value == value:
            curves.setdefault(point.metric, []).append((value, point.time))
        elif value is None and point.value:
            server.client.log_text(run_id, point.value, f"{point.metric}.txt")
    server.metrics(run_id, curves or _last(trial))
    picture = pictures.draw(trial)
    if picture is not None:
        server.client.log_text(run_id, str(picture), "network.svg")
    if trial.reason:
        server.client.set_tag(run_id, "katib-nas.reason", trial.reason[:_MAX_VALUE])
    server.client.set_terminated(run_id, _STATES[trial.condition], _milliseconds(trial.finished))


def _log_network(server: _Server, folder: Path, parent: str | None) -> None:
    """Log the training of a network and register its model, unless just that is there."""
    key = f"trained {hashlib.sha256((folder / trained.MODEL).read_bytes()).hexdigest()[:32]}"
    if server.find(key) is not None:
        logger.warning("%s is in %s, and stays as it is", folder, server.uri)
        return
    record = trained.record(folder)
    run_id = server.begin("trained", key, parent)
    settings = record.get("settings", {})
    about = {name: record[name] for name in ("dataset", "precision", "seed", "parameters", "multiply_adds")}
    server.params(run_id, {**about, **settings})
    curves: Curves = {}
    for epoch in record.get("epochs", ()):
        for name, value in epoch["metrics"].items():
            curves.setdefault(name, []).append((value, datetime.fromisoformat(epoch["time"])))
    for name, value in record.get("metrics", {}).items():
        curves.setdefault(name, [(value, None)])
    server.metrics(run_id, curves)
    for name in (trained.RECORD, trained.WEIGHTS, SEARCH, trained.CARD):
        if (folder / name).is_file():
            server.client.log_artifact(run_id, str(folder / name))
    _register(server, folder, run_id)
    server.client.set_terminated(run_id)


def _register(server: _Server, folder: Path, run_id: str) -> None:
    """Log the model in MLflow's own form, and register it."""
    import mlflow
    import numpy
    import onnx
    import onnxruntime
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    model = onnx.load(str(folder / trained.MODEL))
    inputs, outputs = (
        Schema([TensorSpec(numpy.dtype(kind), shape, name) for name, kind, shape in _specs(side)])
        for side in (model.graph.input, model.graph.output)
    )
    mlflow.set_tracking_uri(server.uri)
    mlflow.set_registry_uri(server.uri)
    with mlflow.start_run(run_id=run_id):
        mlflow.onnx.log_model(
            model,
            name="model",
            signature=ModelSignature(inputs=inputs, outputs=outputs),
            registered_model_name=server.name,
            pip_requirements=[f"onnx=={onnx.__version__}", f"onnxruntime=={onnxruntime.__version__}"],
        )


def _specs(values: Sequence[Any]) -> list[tuple[str, str, tuple[int, ...]]]:
    """Name, type and shape of inputs or outputs; -1 for a side that may be anything."""
    import onnx

    found = []
    for value in values:
        tensor = value.type.tensor_type
        kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
        found.append((value.name, kind, tuple(side.dim_value or -1 for side in tensor.shape.dim)))
    return found


def _last(trial: Trial) -> Curves:
    """The metrics of a trial, one value each."""
    values = {name: collector.number(text) for name, text in (trial.observation or {}).items()}
    return {name: [(value, trial.finished)] for name, value in values.items() if value is not None and value == value}


def _milliseconds(time: datetime | None) -> int | None:
    return None if time is None or time.timestamp() <= 0 else round(time.timestamp() * 1_000)


@contextmanager
def _failing(uri: str) -> Iterator[None]:
    """Say what the server says, or that there is none."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, ConnectionError) as error:
        raise RegistryError(f"--uri: {uri} cannot be reached, or refuses: {error}") from error
