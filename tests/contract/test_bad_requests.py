"""Whatever is sent, the answer is a reply or INVALID_ARGUMENT, with one line that names a place.

The folder `corpus` holds requests with which something was found; each run sends them again, to the service of the
file's name. Their first line says whether they are answered, or the place that is refused.
`--hypothesis-profile=campaign` tries many more.
"""

import importlib.util
import os
import re
from pathlib import Path

import grpc
import pytest
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from katib_suggestion.wire import api_pb2

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.textproto"))

_spec = importlib.util.spec_from_file_location("wild_messages", Path(__file__).with_name("wild_messages.py"))
wild_messages = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(wild_messages)


@pytest.fixture(scope="module")
def services(start_service):
    """Both, with limits that leave no accepted search slow."""
    cheap = ("--seed", "1", "--state-ttl", "1", "--max-call-time", "3", "--max-memory", "330", "--max-suggestions", "5")
    started = {"enas": start_service("enas_service", *cheap), "darts": start_service("darts_service")}
    for service in started.values():
        service.wait_until_serving()
    return started


def processor_s(service):
    """Seconds of processors that a service has taken; unlike the clock, they do not depend on what else runs."""
    fields = Path(f"/proc/{service.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def answer(service, method, request):
    """The reply, or None where the request was refused as it should be."""
    before_s = processor_s(service)
    called = getattr(service.stub, method).future(request, timeout=60)
    if called.exception() is None:
        return called.result()
    said = called.details()
    assert called.code() == grpc.StatusCode.INVALID_ARGUMENT, (called.code(), said)
    assert processor_s(service) - before_s < 1
    assert re.match(r"(\d+ faults: \(1\) )?[A-Za-z_]+[\w.\[\]]*: ", said), said
    assert said.isprintable()
    assert len(said) < 2_100
    return None


def validated(service, experiment):
    request = api_pb2.ValidateAlgorithmSettingsRequest(experiment=experiment)
    return answer(service, "ValidateAlgorithmSettings", request) is not None


def ask_both(service, request):
    """Whatever is validated can be suggested for; whatever is not, cannot."""
    is_valid = validated(service, request.experiment)
    count = min(max(1, request.current_request_number), 3)
    request.current_request_number, request.total_request_number = count, count
    reply = answer(service, "GetSuggestions", request)
    assert (reply is not None) == is_valid
    if is_valid:
        assert len(reply.parameter_assignments) == count
        for item in (item for one in reply.parameter_assignments for item in one.assignments):
            assert item.value.isprintable()
            assert not set(item.value) & set('"\\$`')
            assert len(item.value.encode()) <= 100_000


@given(data=st.data())
def test_any_message_is_answered(services, bad, data):
    for service in services.values():
        experiment = data.draw(wild_messages.messages(api_pb2.Experiment.DESCRIPTOR, bad.texts))
        validated(service, experiment)
        request = data.draw(wild_messages.messages(api_pb2.GetSuggestionsRequest.DESCRIPTOR, bad.texts))
        answer(service, "GetSuggestions", request)


def plain_parameters(build):
    """One of each type."""
    return [
        build.parameter("lr", api_pb2.DOUBLE, min="1e-4", max="1", distribution=api_pb2.LOG_UNIFORM),
        build.parameter("layers", api_pb2.INT, min="1", max="1000"),
        build.parameter("width", api_pb2.DISCRETE, list=["16", "64"]),
        build.parameter("block", api_pb2.CATEGORICAL, list=["plain", "residual"]),
    ]


@settings(max_examples=settings.default.max_examples // 2)
@given(data=st.data())
@pytest.mark.parametrize("kind", ["enas", "plain", "darts"])
def test_what_is_validated_is_suggested_for(services, build, bad, kind, data):
    service = services["darts" if kind == "darts" else "enas"]
    experiment = getattr(build, kind)(*(plain_parameters(build) if kind == "plain" else ()))
    trials = [
        build.trial("t1", {"architecture": "[[0], [1, 1], [2, 0, 1], [3, 0, 0, 1]]"}, {"Validation-Accuracy": "0.5"}),
        build.trial("t2", {"architecture": "[[3], [1, 0], [2, 0, 1], [3, 0, 0, 0]]"}, {"Validation-Accuracy": "0.25"}),
    ]
    ask_both(service, data.draw(wild_messages.changed(build.request(experiment, 2, trials), bad.texts)))


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_what_was_found_once_is_answered_as_it_should_be(services, path):
    text = path.read_text()
    request = text_format.Parse(text, api_pb2.GetSuggestionsRequest())
    stub = services[path.stem.partition("-")[0]].stub
    validate = api_pb2.ValidateAlgorithmSettingsRequest(experiment=request.experiment)
    for call in (
        stub.ValidateAlgorithmSettings.future(validate, timeout=60),
        stub.GetSuggestions.future(request, timeout=60),
    ):
        place = "answered" if call.exception() is None else call.details().partition(": ")[0]
        assert f"# {place}" == text.partition("\n")[0]


def test_names_forge_no_lines_of_the_log(services, build):
    name = "x\n2026-01-01 00:00:00,000 ERROR enas_service: forged\x1b[2J"
    for algorithm, service in services.items():
        experiment = getattr(build, algorithm)()
        experiment.name = name
        trial = build.trial(name, {"architecture": name}, {"Validation-Accuracy": name})
        assert answer(service, "GetSuggestions", build.request(experiment, 1, [trial])) is not None
        log = service.log.read_text()
        assert "forged" in log
        assert not re.search(r"^2026-01-01", log, re.MULTILINE)
        assert "\x1b" not in log
