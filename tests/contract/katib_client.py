"""Katib's own client, run by its own interpreter: `python katib_client.py PORT < experiment.json > answers.json`.

Reads the fields of an Experiment, validates it, and runs three rounds of three trials, each reported with a metric.
Nothing here may import this project.
"""

import json
import sys

import grpc
import kubeflow.katib.katib_api_pb2 as api_pb2
import kubeflow.katib.katib_api_pb2_grpc as api_pb2_grpc
from google.protobuf import json_format

NUM_ROUNDS, NUM_PARALLEL = 3, 3


def trial(name: str, suggestion: object, value: float) -> object:
    return api_pb2.Trial(
        name=name,
        spec=api_pb2.TrialSpec(
            objective=api_pb2.ObjectiveSpec(objective_metric_name="Validation-Accuracy"),
            parameter_assignments=api_pb2.TrialSpec.ParameterAssignments(assignments=suggestion.assignments),
        ),
        status=api_pb2.TrialStatus(
            condition=api_pb2.TrialStatus.SUCCEEDED,
            observation=api_pb2.Observation(metrics=[api_pb2.Metric(name="Validation-Accuracy", value=str(value))]),
        ),
    )


def main() -> None:
    experiment = json_format.ParseDict(json.load(sys.stdin), api_pb2.Experiment())
    rounds = []
    with grpc.insecure_channel(f"127.0.0.1:{sys.argv[1]}") as channel:
        stub = api_pb2_grpc.SuggestionStub(channel)
        stub.ValidateAlgorithmSettings(api_pb2.ValidateAlgorithmSettingsRequest(experiment=experiment), timeout=60)
        trials = []
        for number in range(NUM_ROUNDS):
            request = api_pb2.GetSuggestionsRequest(
                experiment=experiment,
                trials=trials,
                current_request_number=NUM_PARALLEL,
                total_request_number=(number + 1) * NUM_PARALLEL,
            )
            reply = stub.GetSuggestions(request, timeout=60)
            rounds.append(json_format.MessageToDict(reply))
            for index, suggestion in enumerate(reply.parameter_assignments):
                trials.append(trial(f"trial-{number}-{index}", suggestion, 0.1 * index))
    json.dump(rounds, sys.stdout)


if __name__ == "__main__":
    main()
