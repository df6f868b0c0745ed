"""The Experiments of a cluster that search architectures."""

import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from dashboard.sources import listed
from dashboard.sources.listed import ListedTrial
from dashboard.sources.observation_logs import NoCurvesError, ObservationLogs
from dashboard.sources.source import Log, NotThereError, UnreadableError
from dashboard.sources.summary import Summary
from dashboard.sources.watched import Watched
from katib_cluster.connection import TIMEOUT_S, failing
from katib_cluster.custom_objects import GROUP, TRIAL_LABEL, VERSION
from katib_cluster.errors import ClusterError
from katib_cluster.pods import Pods
from katib_local.record import trials
from katib_local.report import figures, read_cluster
from katib_local.report.model import Report, TrialReport
from katib_suggestion.experiment import TrialCondition

LOG_LINES = 2_000
LOG_BYTES = 200_000
"""Of a container's log that are shown, the last ones."""

_SIDECAR = "metrics-logger-and-collector"
"""It prints what the trial's own container writes into a file."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
"""What Kubernetes takes for a name; anything else is asked of nobody."""

_RUNNING_ROUND_S = 10
"""A trial that runs reports values, of which the cluster's objects say nothing."""

_NOT_STARTED = 400
"""What the cluster answers of a container that has no log yet."""

_NAMESAKE = "No curves of {} are shown: another namespace has a trial of the same name, and Katib keeps both as one."
_UNSURE = "No curves are shown: whether another namespace has trials of the same names cannot be seen ({})."
_ABSENT = "The controller's entropy and skip rate, the alphas and the versions of what ran stay in the pods."

T = TypeVar("T")


class Cluster:
    """Reads a cluster's Experiments, in its namespaces.

    Args:
        logs: what trials reported over time; None where nobody knows.
    """

    def __init__(self, logs: ObservationLogs | None) -> None:
        self._objects: Any = client.CustomObjectsApi()  # what its methods return is typed as object
        self._pods = Pods()
        self._logs = logs
        self._lock = threading.Lock()
        self._watched: dict[str, Watched] = {}

    def summaries(self, place: str) -> Sequence[Summary]:
        """List the Experiments of a namespace that search architectures."""
        watched = self._watch(place)
        own: dict[str, list[ListedTrial]] = defaultdict(list)
        for trial in _read(watched.trials.found).values():
            own[trial.experiment].append(trial)
        found = [listed.summarized(one, own[name]) for name, one in _read(watched.experiments.found).items()]
        return sorted(found, key=lambda one: -one.started.timestamp() if one.started else 0.0)

    def report(self, place: str, key: str) -> Report:
        """Read an Experiment, with the curves of its best trials and of those that run."""
        self._check(place, key)
        report = _read(lambda: read_cluster.of(self._objects, key, place))
        best = trials.ranked(report.objective, [item.trial for item in report.trials])[: figures.MAX_CURVES]
        names = {trial.name for trial in best}
        chosen = [
            item for item in report.trials if item.trial.name in names or item.trial.condition is TrialCondition.RUNNING
        ]
        return self._with_curves(place, report, chosen)

    def trial(self, place: str, key: str, name: str) -> Report:
        """Read one trial of an Experiment."""
        self._check(place, key, name)
        report = _read(lambda: read_cluster.of(self._objects, key, place, name))
        if not report.trials:
            raise NotThereError(f"there is no trial {name} of {key} in namespace {place}")
        return self._with_curves(place, report, report.trials)

    def logs(self, place: str, key: str, name: str) -> Sequence[Log]:
        """Read the end of the logs of a trial's pods."""
        self._check(place, key, name)

        def read() -> list[Log]:
            with failing(f"the pods of {name} cannot be read"):
                containers = self._pods.containers(place, f"{TRIAL_LABEL}={name}")
                return [self._log(place, pod, container) for pod, container in containers]

        found = _read(read)
        if not found:
            raise NotThereError(
                f"there is no pod of {name} any more; set retain: true in the trial template to keep them"
            )
        return sorted(found, key=lambda log: not log.title.endswith(_SIDECAR))

    def version(self, place: str, key: str | None) -> str:
        """Say how much has changed in a namespace."""
        watched = self._watch(place)
        experiments, own = _read(watched.experiments.found), _read(watched.trials.found)
        if key is not None and key not in experiments:
            raise NotThereError(f"there is no experiment {key} in namespace {place} that searches architectures")
        is_running = key is not None and any(one.is_running for one in own.values() if one.experiment == key)
        return f"{watched.version}-{int(time.time() / _RUNNING_ROUND_S)}" if is_running else watched.version

    def _watch(self, place: str) -> Watched:
        self._check(place)
        with self._lock:
            for namespace in [name for name, watched in self._watched.items() if watched.is_idle]:
                del self._watched[namespace]
            if place not in self._watched:
                self._watched[place] = Watched(self._objects, place)
            return self._watched[place]

    def _log(self, place: str, pod: str, container: str) -> Log:
        title = f"{pod}: {container}"
        try:
            content = self._pods.log(place, pod, container, lines=LOG_LINES, most_bytes=LOG_BYTES)
        except ApiException as error:
            if error.status != _NOT_STARTED:
                raise
            return Log(title=title, text="It has not started yet.", is_cut=False)
        is_cut = len(content) >= LOG_BYTES or content.count(b"\n") >= LOG_LINES
        return Log(title=title, text=content.decode(errors="replace"), is_cut=is_cut)

    def _with_curves(self, place: str, report: Report, chosen: Iterable[TrialReport]) -> Report:
        """Add what some trials reported over time, where it is theirs for sure."""
        found: dict[str, TrialReport] = {}
        absent = [_ABSENT]
        shared: list[str] = []
        try:
            for item in chosen if self._logs else ():
                if self._has_namesake(place, item.trial.name):
                    shared.append(item.trial.name)
                else:
                    found[item.trial.name] = replace(item, curves=self._curves(place, report, item))
        except NoCurvesError as error:
            absent.append(f"No curves are shown: {error}.")
        except ClusterError as error:
            absent.append(_UNSURE.format(error))
        if shared:
            absent.append(_NAMESAKE.format(shared[0] if len(shared) == 1 else f"{len(shared)} trials"))
        with_curves = tuple(found.get(item.trial.name, item) for item in report.trials)
        return replace(report, trials=with_curves, absent=tuple(absent))

    def _curves(self, place: str, report: Report, item: TrialReport) -> dict[str, tuple[float, ...]]:
        assert self._logs is not None
        trial = item.trial
        ended = (place, trial.name, str(trial.started)) if trial.finished is not None else ()
        return dict(self._logs.curves(trial.name, report.objective.metrics, ended))

    def _has_namesake(self, place: str, name: str) -> bool:
        with failing("trials of other namespaces cannot be read"):
            found = self._objects.list_cluster_custom_object(
                GROUP, VERSION, "trials", field_selector=f"metadata.name={name}", _request_timeout=TIMEOUT_S
            )
        return any(item["metadata"]["namespace"] != place for item in found["items"])

    @staticmethod
    def _check(*names: str) -> None:
        for name in names:
            if not _NAME.fullmatch(name):
                raise NotThereError(f"{name!r} is no name of anything in a cluster")


def _read(read: Callable[[], T]) -> T:
    try:
        return read()
    except ClusterError as error:
        if getattr(error.__cause__, "status", None) == 404:
            raise NotThereError(str(error)) from error
        raise UnreadableError(str(error)) from error
