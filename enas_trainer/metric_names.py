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

TOKENS_PER_SECOND = "Tokens-Per-Second"

TEXT_EPOCH: Mapping[str, str] = MappingProxyType(
    {
        "Training-Perplexity": "training_perplexity",
        "Training-Loss": "training_loss",
        "Validation-Perplexity": "validation_perplexity",
        "Validation-Loss": "validation_loss",
        TOKENS_PER_SECOND: "tokens_per_second",
    }
)
"""Of each epoch on text."""

UNIGRAM_PERPLEXITY = "Unigram-Perplexity"
"""Printed once, at the start on text: of a model that only counts words."""

PARAMETERS, MACS = "Parameters", "MACs"
"""Of the network, printed once: its weights, and the multiply-adds for one image, or for one word."""

LATENCY = "Latency-ms"
"""The same where it is measured: median milliseconds for one image."""
