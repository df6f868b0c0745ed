"""The one gRPC servicer: any `Suggester` behind it, exact status codes in front."""

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NoReturn, Protocol

import grpc

from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.experiment import Experiment, Trial
from katib_suggestion.limits import Limits
from katib_suggestion.serving import caller
from katib_suggestion.serving.caller import Caller, Unavailable
from katib_suggestion.serving.intake import MakeRoom
from katib_suggestion.wire import api_pb2, api_pb2_grpc, converters

logger = logging.getLogger(__name__)

MAX_CALLS = 128
"""Most calls at once, those that wait for each other included."""


class Suggester(Protocol):
    """What a suggestion algorithm is, to a service. Both methods may be called from many threads at once."""

    def validate(self, experiment: Experiment) -> None:
        """Check everything that `suggest` and the trial will read.

        Raises:
            InvalidExperiment: the experiment cannot run.
        """

    def suggest(
        self, experiment: Experiment, trials: Sequence[Trial], count: int, total: int
    ) -> Sequence[Mapping[str, str]]:
        """Propose assignments for new trials.

        What takes long may ask `caller.current()` whether anybody still waits.

        Args:
            experiment: the experiment, with the settings of this request.
            trials: every trial so far, in no order.
            count: how many suggestions are asked for, >= 1.
            total: how many were ever asked for, these included; tells a repeated request from a new one.

        Returns:
            As many suggestions: assignment names and texts.

        Raises:
            InvalidExperiment: the experiment cannot run.
            Unavailable: the caller does not wait long enough.
        """


class Servicer(api_pb2_grpc.SuggestionServicer):
    """Answers Katib's controller.

    Calls before `use`, after `drain` and beyond `MAX_CALLS` at once are UNAVAILABLE; the controller repeats them.

    Args:
        limits: beyond them, a request is refused.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._suggester: Suggester | None = None
        self._draining = False
        self._running = 0
        self._changed = threading.Condition()

    def use(self, suggester: Suggester) -> None:
        """Answer calls with this suggester from now on."""
        with self._changed:
            self._suggester = suggester

    def drain(self, timeout_s: float) -> bool:
        """Take no more calls, and wait for the running ones; tell whether all of them ended in time."""
        with self._changed:
            self._draining = True
            return self._changed.wait_for(lambda: self._running == 0, timeout_s)

    @contextmanager
    def counted(self, context: grpc.ServicerContext, make_room: MakeRoom = lambda _: False) -> Iterator[None]:
        """Count a call as running within, or turn it away; its body need not be there yet.

        Args:
            context: of the call.
            make_room: has another call end for a reason, if it can, where there are `MAX_CALLS`.
        """
        self._enter(context, make_room)
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def ValidateAlgorithmSettings(  # noqa: N802 (the wire's name)
        self, request: api_pb2.ValidateAlgorithmSettingsRequest, context: grpc.ServicerContext
    ) -> api_pb2.ValidateAlgorithmSettingsReply:
        # Katib takes INTERNAL for "valid", and UNKNOWN for "not valid".
        with self._answering(context, unexpected=grpc.StatusCode.UNKNOWN) as suggester:
            suggester.validate(converters.experiment(request.experiment))
        return api_pb2.ValidateAlgorithmSettingsReply()

    def GetSuggestions(  # noqa: N802 (the wire's name)
        self, request: api_pb2.GetSuggestionsRequest, context: grpc.ServicerContext
    ) -> api_pb2.GetSuggestionsReply:
        count = request.current_request_number
        with self._answering(context, unexpected=grpc.StatusCode.INTERNAL) as suggester:
            experiment = converters.experiment(request.experiment)
            if count <= 0:
                return api_pb2.GetSuggestionsReply()
            if count > self._limits.max_suggestions:
                raise InvalidExperiment("current_request_number", count, self._limits.allowed("max_suggestions"))
            started = time.monotonic()
            trials, total = converters.trials(request.trials), request.total_request_number
            # It can be of 64 MiB, and what follows takes memory, too.
            del request
            suggestions = suggester.suggest(experiment, trials, count, total)
            # The controller throws a reply of another length away, and asks again for ever.
            assert len(suggestions) == count, f"{len(suggestions)} suggestions where {count} were asked for"
            logger.info("%s: %d suggestions in %.3f s", experiment.name, count, time.monotonic() - started)
            return converters.reply(suggestions)

    @contextmanager
    def _answering(self, context: grpc.ServicerContext, *, unexpected: grpc.StatusCode) -> Iterator[Suggester]:
        """Turn what is raised within into a status."""
        assert self._suggester is not None, "calls are counted, and turned away before there is one"
        try:
            with caller.answering(Caller.of(context)):
                yield self._suggester
        except Unavailable as error:
            logger.info("turned away: %s", error)
            _abort(context, grpc.StatusCode.UNAVAILABLE, str(error))
        except InvalidExperiment as error:
            for fault in error.faults:
                logger.info("refused: %s", fault)
            _abort(context, grpc.StatusCode.INVALID_ARGUMENT, error.in_one_line)
        except Exception as error:
            logger.exception("a call failed")
            _abort(context, unexpected, f"unexpected {type(error).__name__}; the service's log has the details")

    def _enter(self, context: grpc.ServicerContext, make_room: MakeRoom) -> None:
        with self._changed:
            if self._suggester is None or self._draining:
                reason = "stopping" if self._draining else "starting"
                _abort(context, grpc.StatusCode.UNAVAILABLE, f"the service is {reason}; call again")
            refusal = f"{MAX_CALLS} calls are running; call again"
            if self._running >= MAX_CALLS and not make_room(refusal):
                _abort(context, grpc.StatusCode.UNAVAILABLE, refusal)
            self._running += 1


def _abort(context: grpc.ServicerContext, code: grpc.StatusCode, message: str) -> NoReturn:
    context.abort(code, message)
    raise AssertionError("abort returned")
