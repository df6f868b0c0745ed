"""What trials reported over time: Katib's DB manager keeps it, by the name of a trial alone."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence

import grpc

from katib_local.record.collector import NO_TIME, Point
from katib_local.report import model
from katib_suggestion.wire import api_pb2, api_pb2_grpc

_TIMEOUT_S = 5.0

_MOST_VALUES = 1_000
"""Of a curve that are kept; of more, every second, third, …"""

_KEPT = 512
"""Trials whose curves are kept once they have ended."""

Curves = Mapping[str, tuple[float, ...]]


class NoCurvesError(RuntimeError):
    """The DB manager does not answer."""


class ObservationLogs:
    """Reads curves; use it from any thread.

    Args:
        address: of the DB manager, ``HOST:PORT``.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._stub = api_pb2_grpc.DBManagerStub(grpc.insecure_channel(address))
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, ...], Curves] = OrderedDict()

    def curves(self, trial: str, metrics: Sequence[str], ended: tuple[str, ...]) -> Curves:
        """Return the numbers of each metric, in the order reported.

        Args:
            trial: its name.
            metrics: that are asked for.
            ended: what tells a trial that has ended from others of its name, so that its curves are kept; empty for
                one that goes on.

        Raises:
            NoCurvesError: the DB manager does not answer.
        """
        with self._lock:
            if ended in self._kept:
                return self._kept[ended]
        found = {metric: values for metric in metrics if (values := self._of_metric(trial, metric))}
        if ended:
            with self._lock:
                self._kept[ended] = found
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        return found

    def _of_metric(self, trial: str, metric: str) -> tuple[float, ...]:
        request = api_pb2.GetObservationLogRequest(trial_name=trial, metric_name=metric)
        try:
            reply = self._stub.GetObservationLog(request, timeout=_TIMEOUT_S)
        except grpc.RpcError as error:
            said = error.details() if isinstance(error, grpc.Call) else str(error)
            raise NoCurvesError(
                f"the DB manager at {self._address} does not say what trials reported: {said}"
            ) from error
        points = [
            Point(metric=metric, value=one.metric.value, time=NO_TIME)
            for one in reply.observation_log.metric_logs
            if one.metric.name == metric
        ]
        values = model.curves(points).get(metric, ())
        return values[:: -(-len(values) // _MOST_VALUES)] if values else values
