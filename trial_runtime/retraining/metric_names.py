"""Names of the metrics that the training of a found network on images prints."""

TRAINING = ("Train-Loss", "Train-Accuracy")
"""Of each epoch."""

VALIDATION = ("Validation-Loss", "Validation-Accuracy")
"""Of each epoch where images are held out."""

TEST_LOSS, TEST_ACCURACY = "Test-Loss", "Test-Accuracy"
"""Printed once, at the end of a training that has test images."""

PARAMETERS, MACS = "Parameters", "MACs"
"""Of the network that is trained, printed once: its weights, and the multiply-adds for one image."""

LATENCY = "Latency-ms"
"""The same where it is measured: median milliseconds for one image."""
