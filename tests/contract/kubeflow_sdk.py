"""An Experiment of the Kubeflow SDK's types: `python kubeflow_sdk.py > experiment.json`.

It is put together as the SDK's OptimizerClient does, but for the trial, which needs a cluster; the algorithm is one of
the reader's own, whose fields are our settings. Nothing here may import this project.
"""

import json
import sys
from dataclasses import dataclass

from kubeflow.optimizer.types.algorithm_types import BaseAlgorithm, algorithm_to_katib_spec
from kubeflow.optimizer.types.search_types import Search
from kubeflow_katib_api import models


@dataclass
class Enas(BaseAlgorithm):
    """Our service, by the name that it is registered under."""

    controller_train_steps: int | None = None

    @property
    def algorithm_name(self) -> str:
        return "enas"

    def _to_katib_spec(self) -> models.V1beta1AlgorithmSpec:
        return algorithm_to_katib_spec(self)


def main() -> None:
    space = {
        "lr": Search.loguniform(1e-4, 0.1),
        "dropout": Search.uniform(0, 0.5),
        "block": Search.choice(["plain", "residual"]),
        "width": Search.choice([16, 32, 64]),
    }
    for name, parameter in space.items():
        parameter.name = name
    experiment = models.V1beta1Experiment(
        apiVersion="kubeflow.org/v1beta1",
        kind="Experiment",
        metadata=models.IoK8sApimachineryPkgApisMetaV1ObjectMeta(name="of-the-sdk"),
        spec=models.V1beta1ExperimentSpec(
            parameters=list(space.values()),
            maxTrialCount=12,
            parallelTrialCount=3,
            objective=models.V1beta1ObjectiveSpec(objectiveMetricName="Validation-Accuracy", type="maximize"),
            algorithm=Enas(controller_train_steps=5)._to_katib_spec(),
        ),
    )
    json.dump(experiment.to_dict(), sys.stdout)


if __name__ == "__main__":
    main()
