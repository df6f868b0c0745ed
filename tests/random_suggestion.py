"""A suggestion service as Katib's for random search is: it draws each parameter from its feasible space.

It listens on a free port and prints it.
"""

import math
import random
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from katib_suggestion.wire import api_pb2, api_pb2_grpc


class RandomSuggestion(api_pb2_grpc.SuggestionServicer):
    def __init__(self):
        self._random = random.Random(0)

    def ValidateAlgorithmSettings(self, request, context):  # noqa: N802 - the wire's name
        return api_pb2.ValidateAlgorithmSettingsReply()

    def GetSuggestions(self, request, context):  # noqa: N802 - the wire's name
        reply = api_pb2.GetSuggestionsReply()
        for _ in range(request.current_request_number):
            assignments = reply.parameter_assignments.add().assignments
            for parameter in request.experiment.spec.parameter_specs.parameters:
                assignments.add(name=parameter.name, value=self._draw(parameter.feasible_space))
        return reply

    def _draw(self, space):
        if space.list:
            return self._random.choice(space.list)
        least, most = float(space.min), float(space.max)
        if space.distribution == api_pb2.LOG_UNIFORM:
            return str(math.exp(self._random.uniform(math.log(least), math.log(most))))
        return str(self._random.uniform(least, most))


def main():
    server = grpc.server(futures.ThreadPoolExecutor(2))
    api_pb2_grpc.add_SuggestionServicer_to_server(RandomSuggestion(), server)
    checks = health.HealthServicer()
    checks.set("manager.v1beta1.Suggestion", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)  # noqa: T201
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
