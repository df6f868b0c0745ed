"""The calls that the Katib controller makes to a suggestion service, and its checks of the replies."""

import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from typing import Any

import grpc

from katib_local.errors import SuggestionError, UnusableSuggestion
from katib_local.manifest import template
from katib_local.manifest.experiment import Experiment
from katib_local.record.trials import Trial
from katib_local.running import wire
from katib_local.running.interruption import Interruption
from katib_local.running.suggestion_process import SuggestionProcess, open_channel
from katib_local.showing.wording import number_of
from katib_suggestion.experiment import TrialCondition
from katib_suggestion.wire import api_pb2, api_pb2_grpc

CALL_TIMEOUT_S = 60.0
"""Katib's deadline of every call."""

_RETRIED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
_ATTEMPTS = 5
_PAUSE_S = 1.0
_POLL_S = 0.01
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")

logger = logging.getLogger(__name__)


class ExperimentRefused(ValueError):
    """The service does not accept the experiment; the message is the service's own."""


class SuggestionClient:
    """One experiment's client.

    Args:
        experiment: what is searched for.
        address: HOST:PORT of the service.
        process: the service, where it is ours: it is started again if it dies, once before each answer.
        interruption: ends a call.
    """

    def __init__(
        self, experiment: Experiment, address: str, process: SuggestionProcess | None, interruption: Interruption
    ) -> None:
        self._experiment = experiment
        self._address = address
        self._process = process
        self._interruption = interruption
        self._restarts_left = 1

    def validate(self) -> None:
        """Have the service check the experiment.

        Raises:
            ExperimentRefused: it does not accept it.
            SuggestionError: it does not answer.
        """
        request = api_pb2.ValidateAlgorithmSettingsRequest(
            experiment=wire.experiment_message(self._experiment, reply_settings={})
        )
        try:
            self._call("ValidateAlgorithmSettings", request)
        except grpc.RpcError as error:
            code, message = error.code(), error.details()
            if code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNKNOWN):
                raise ExperimentRefused(message) from error
            # Katib takes every other code for a yes.
            if code is not grpc.StatusCode.UNIMPLEMENTED:
                logger.warning("the service could not check the experiment (%s: %s); going on", code.name, message)

    def suggest(
        self, trials: Sequence[Trial], count: int, settings: Mapping[str, str]
    ) -> tuple[list[Trial], dict[str, str]]:
        """Ask for new trials.

        Args:
            trials: all so far.
            count: how many more.
            settings: what the service has returned so far.

        Returns:
            the new trials, and the settings that it has returned, old and new.

        Raises:
            SuggestionError: it does not answer, or with what Katib throws away.
        """
        request = wire.suggestions_request(self._experiment, settings, trials, count)
        try:
            reply = wire.read_reply(self._call("GetSuggestions", request))
        except grpc.RpcError as error:
            kind = UnusableSuggestion if error.code() is grpc.StatusCode.INVALID_ARGUMENT else SuggestionError
            raise kind(f"GetSuggestions failed with {error.code().name}: {error.details()}") from error
        if len(reply.assignments) != count:
            found = number_of(len(reply.assignments), "trial")
            raise SuggestionError(
                f"the service suggested {found} where {count} {'was' if count == 1 else 'were'} asked for"
            )
        new: list[Trial] = []
        for assignment in reply.assignments:
            new.append(self._trial(assignment, [*trials, *new]))
        return new, {**settings, **reply.settings}

    def _trial(self, assignment: wire.Assignment, before: Sequence[Trial]) -> Trial:
        """Check an assignment as Katib does and make a trial of it."""
        twice = [name for name, times in Counter(name for name, _ in assignment.pairs).items() if times > 1]
        if twice:
            raise SuggestionError(f"the service assigned {', '.join(twice)} twice to one trial")
        expected = template.assignment_names(self._experiment.template.parameters)
        names = {name for name, _ in assignment.pairs}
        if names != expected:
            raise UnusableSuggestion(
                f"the service assigned {_listed(names)}, but the references of spec.trialTemplate.trialParameters are "
                f"{_listed(expected)}: Katib wants each assignment referenced and each reference assigned"
            )
        number = len(before) + 1
        name = assignment.trial_name or f"{self._experiment.name}-{number:04d}"
        if not _NAME.fullmatch(name) or any(name == trial.name for trial in before):
            raise SuggestionError(f"the service named a trial {name!r}: it must be a new name of RFC 1123")
        return Trial(
            name=name,
            number=number,
            condition=TrialCondition.CREATED,
            assignments=dict(assignment.pairs),
            labels=assignment.labels,
        )

    def _call(self, method: str, request: object) -> Any:
        """Call the service, again where it could not be reached.

        Raises:
            grpc.RpcError: the service's own error.
            SuggestionError: it could not be reached.
        """
        problem = ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                self._interruption.sleep(_PAUSE_S)
            self._restart_if_dead()
            try:
                reply = self._call_once(method, request)
                self._restarts_left = 1
                return reply
            except grpc.RpcError as error:
                if error.code() not in _RETRIED:
                    raise
                problem = f"{error.code().name}: {error.details()}"
        raise SuggestionError(f"{method} failed {_ATTEMPTS} times, the last time with {problem}")

    def _call_once(self, method: str, request: object) -> Any:
        with open_channel(self._address) as channel:
            call = getattr(api_pb2_grpc.SuggestionStub(channel), method).future(request, timeout=CALL_TIMEOUT_S)
            try:
                while not call.done():
                    self._interruption.sleep(_POLL_S)
            finally:
                call.cancel()
            return call.result()

    def _restart_if_dead(self) -> None:
        if self._process is None or self._process.is_alive:
            return
        if self._restarts_left == 0:
            raise SuggestionError("the suggestion service has ended twice without an answer; its log says why")
        self._restarts_left -= 1
        logger.warning("the suggestion service has ended; starting it again")
        self._process.start()
        self._address = self._process.address


def _listed(names: Set[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
