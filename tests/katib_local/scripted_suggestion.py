"""A suggestion service for tests, in a process of its own: it does what a setting named ``do`` says.

It listens on a free port, prints it, and writes every GetSuggestions request as a line of JSON to the file named by
the setting ``record``.
"""

import sys
import threading
from concurrent import futures
from pathlib import Path

import grpc
from google.protobuf import json_format
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from katib_suggestion.wire import api_pb2, api_pb2_grpc


def settings_of(request):
    return {item.name: item.value for item in request.experiment.spec.algorithm.algorithm_settings}


class Scripted(api_pb2_grpc.SuggestionServicer):
    def __init__(self):
        self.calls = {}

    def ValidateAlgorithmSettings(self, request, context):  # noqa: N802 - the wire's name
        do = settings_of(request).get("do", "")
        if do.startswith("validate:"):
            context.abort(getattr(grpc.StatusCode, do.removeprefix("validate:")), "the service\nsays no")
        return api_pb2.ValidateAlgorithmSettingsReply()

    def GetSuggestions(self, request, context):  # noqa: N802 - the wire's name
        settings = settings_of(request)
        if "record" in settings:
            with Path(settings["record"]).open("a") as file:
                file.write(json_format.MessageToJson(request, indent=None) + "\n")
        do = settings.get("do", "")
        call = self.calls[request.experiment.name] = self.calls.get(request.experiment.name, 0) + 1
        if do.startswith("suggest:") and call == 1:
            context.abort(getattr(grpc.StatusCode, do.removeprefix("suggest:")), "not now")
        if do == "hang":
            ended = threading.Event()
            context.add_callback(ended.set)
            ended.wait()
        reply = api_pb2.GetSuggestionsReply()
        count = request.current_request_number + {"too few": -1, "too many": 1}.get(do, 0)
        for index in range(count):
            # Trials without metrics are not in the request: only the total tells how many there were.
            before = request.total_request_number - request.current_request_number
            self.assign(reply.parameter_assignments.add(), do, before + index + 1)
        if do == "settings":
            reply.algorithm.algorithm_settings.add(name="rung", value=str(call))
        return reply

    def assign(self, assignment, do, number):
        pairs = {"value": f"v{number}"}
        if do == "extra":
            pairs["more"] = "1"
        if do == "missing":
            pairs = {}
        if do == "other":
            pairs = {"valeu": "v"}
        if do == "quote":
            pairs["value"] = 'a"b'
        for name, value in pairs.items():
            assignment.assignments.add(name=name, value=value)
        if do == "twice":
            assignment.assignments.add(name="value", value="again")
        if do == "names":
            assignment.trial_name, assignment.labels["parent"] = f"mine-{number}", "none"
        if do == "same name":
            assignment.trial_name = "mine"
        if do == "bad name":
            assignment.trial_name = "../mine"


def main():
    server = grpc.server(futures.ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
    api_pb2_grpc.add_SuggestionServicer_to_server(Scripted(), server)
    checks = health.HealthServicer()
    checks.set("manager.v1beta1.Suggestion", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
