"""Prints the curves of a folder of events as TensorBoard sees them: by name, pairs of step and value, as JSON."""

import json
import sys
import types

# TensorBoard's own reader of files: TensorFlow and torchvision do not bear each other in one process.
sys.modules["tensorboard.compat.notf"] = types.ModuleType("notf")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402

accumulator = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
accumulator.Reload()
curves = {
    name: [(event.step, event.value) for event in accumulator.Scalars(name)] for name in accumulator.Tags()["scalars"]
}
sys.stdout.write(json.dumps(curves))
