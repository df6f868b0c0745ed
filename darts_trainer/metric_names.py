"""Names of the metrics that a search and a training print; Katib's manifests ask for them by these."""

from collections.abc import Mapping
from types import MappingProxyType

BEST_GENOTYPE = "Best-Genotype"
"""Printed once, at the end of a search; its value is a text."""

SEARCH: Mapping[str, str] = MappingProxyType(
    {
        "Train-Loss": "train_loss",
        "Train-Accuracy": "train_accuracy",
        "Validation-Loss": "validation_loss",
        "Validation-Accuracy": "validation_accuracy",
        "Normal-Skips": "normal_skips",
        "Reduction-Skips": "reduction_skips",
        "Parameters": "parameters",
        "MACs": "multiply_adds",
    }
)
"""Of each epoch of a search, by name the fields: what Katib's manifests ask for, the skip connections, and what the
genotype's network costs."""

TEXT_EPOCH: Mapping[str, str] = MappingProxyType(
    {
        "Train-Loss": "train_loss",
        "Train-Perplexity": "train_perplexity",
        "Validation-Loss": "validation_loss",
        "Validation-Perplexity": "validation_perplexity",
    }
)
"""Of each epoch of a search, or of a training, on text."""

TEXT_SEARCH: Mapping[str, str] = MappingProxyType({**TEXT_EPOCH, "Parameters": "parameters", "MACs": "multiply_adds"})
"""The same of a search, with what the genotype's language model costs."""

UNIGRAM_PERPLEXITY = "Unigram-Perplexity"
"""Printed once, at the start on text: of a model that only counts words."""

TEST_PERPLEXITY = "Test-Perplexity"
"""Printed once, at the end of a training on text."""

TEST_LOSS = "Test-Loss"
"""Printed with it."""

PARAMETERS, MACS = "Parameters", "MACs"
"""Of the network that is trained, printed once: its weights, and the multiply-adds for one image or one word."""
