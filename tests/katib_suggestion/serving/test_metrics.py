"""Calls as Prometheus reads them, over real gRPC and HTTP."""

import socket
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.registry import CollectorRegistry

from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.serving import metrics
from katib_suggestion.serving.server import Server
from katib_suggestion.wire import api_pb2, api_pb2_grpc

SERVING = health_pb2.HealthCheckResponse.SERVING
OUTCOMES = {"right": "OK", "wrong": "INVALID_ARGUMENT", "bug": "UNKNOWN"}


class Picky:
    """Refuses one experiment, fails on another."""

    def validate(self, experiment):
        if experiment.name == "wrong":
            raise InvalidExperiment("name", "wrong", "another one")
        if experiment.name == "bug":
            raise KeyError("a mistake of ours")

    def suggest(self, experiment, trials, count, total):
        return [{"a": "1"}] * count


def calls(samples, method, code):
    return samples.get(("katib_nas_calls_total", ("code", code), ("method", method)), 0)


def test_calls_are_counted_by_code_and_timed(scrape):
    registry = CollectorRegistry()
    port = metrics.listen(0, registry)
    server = Server(Picky, 0, [metrics.CallMetrics(registry)])
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub = api_pb2_grpc.SuggestionStub(channel)
        while health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=30).status != SERVING:
            time.sleep(0.01)
        stub.GetSuggestions(api_pb2.GetSuggestionsRequest(current_request_number=1), timeout=30)
        for name in ("right", "wrong", "wrong", "bug"):
            validation = stub.ValidateAlgorithmSettings.future(
                api_pb2.ValidateAlgorithmSettingsRequest(experiment=api_pb2.Experiment(name=name)), timeout=30
            )
            assert validation.code() is getattr(grpc.StatusCode, OUTCOMES[name])
        samples = scrape(port)
    server.request_stop()
    assert server.run_until_stopped() == 0
    validate = "ValidateAlgorithmSettings"
    assert [calls(samples, validate, code) for code in ("OK", "INVALID_ARGUMENT", "UNKNOWN")] == [1, 2, 1]
    assert calls(samples, "GetSuggestions", "OK") == 1
    assert samples["katib_nas_call_seconds_count", ("method", validate)] == 4
    assert not any("Check" in dict(labels).get("method", "") for _, *labels in samples)


def test_connections_that_ask_nothing_are_let_go_of(monkeypatch, capfd, scrape):
    """Each has a thread for itself."""
    monkeypatch.setattr(metrics._Handler, "timeout", 0.2)
    port = metrics.listen(0, CollectorRegistry())
    for said in (b"", b"GET /metrics HTTP/1.1\r\nHost: "):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(said)
            connection.settimeout(20)
            assert connection.recv(1) == b""
    assert scrape(port) == {}
    assert capfd.readouterr().err == ""


def test_a_taken_port_is_named(start_service):
    service = start_service("darts_service", "--metrics-port", "0")
    service.wait_until_serving()
    with pytest.raises(OSError, match=f"port {service.metrics_port} for metrics"):
        metrics.listen(service.metrics_port, CollectorRegistry())
