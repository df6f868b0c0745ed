"""Many callers at once of one real service."""

import re
from concurrent import futures
from contextlib import ExitStack

import grpc

from katib_suggestion.wire import api_pb2_grpc

NUM_CLIENTS = 64


def test_what_many_ask_for_at_once_is_computed_once_and_told_to_all(enas_service, build):
    experiment, trials = build.enas(name="asked-by-many", num_layers=3), []
    with ExitStack() as stack, futures.ThreadPoolExecutor(NUM_CLIENTS) as pool:
        stubs = []
        for number in range(NUM_CLIENTS):
            # Each over a connection of its own.
            channel = grpc.insecure_channel(f"127.0.0.1:{enas_service.port}", options=[("number", number)])
            stubs.append(api_pb2_grpc.SuggestionStub(stack.enter_context(channel)))
        for number in range(1, 4):
            request = build.request(experiment, 2, trials)
            first, *others = pool.map(
                lambda stub, request=request: build.assignments(stub.GetSuggestions(request, timeout=60)), stubs
            )
            assert others == [first] * (NUM_CLIENTS - 1)
            computed = re.findall(
                r"asked-by-many: (\d+) new trials of (\d+), 2 proposals", enas_service.log.read_text()
            )
            assert len(computed) == number
            assert computed[-1] == (str(2 if trials else 0), str(len(trials)))
            for one in first:
                trials.append(build.trial(f"t{len(trials)}", one, {"Validation-Accuracy": str(len(trials) / 10)}))
