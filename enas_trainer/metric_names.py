"""Names of the metrics that a trial prints; Katib's manifests ask for them by these."""

from collections.abc import Mapping
from types import MappingProxyType

EPOCH: Mapping[str, str] = MappingProxyType(
    {
        "Training-Accuracy": "training_accuracy",
        "Training-Loss": "training_loss",
        "Validation-Accuracy": "validation_accuracy",
        "Validation-Loss": "validation_loss",
    }
)
"""Of each epoch: by name, the fields of its metrics."""

PARAMETERS, MACS = "Parameters", "MACs"
"""Of the network, printed once: its weights, and the multiply-adds for one image."""

LATENCY = "Latency-ms"
"""The same where it is measured: median milliseconds for one image."""
