"""Train the network of an architecture longer: ``python -m enas_trainer.retrain --architecture architecture.json``.

The first metric line holds Parameters and MACs, the multiply-adds of one image; the others Train-Loss and
Train-Accuracy, one line an epoch. Where all training images are trained on, as by default, the test images are
classified once, at the end: Test-Loss, Test-Accuracy. Where some are held out (``--train-portion``) they are classified
after every epoch, Validation-Loss and Validation-Accuracy, and test images are left alone.

The same command in the same output folder goes on with a training that was killed. Under torchrun several processes
share each step; the first alone prints and writes.
"""

import os
import sys
from collections.abc import Sequence

from katib_suggestion import extras
from trial_runtime.devices import spinning


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    spinning.bound(os.environ)
    # They load torch.
    with extras.needed("trainer"):
        from enas_trainer.retraining import config, trial
        from trial_runtime import program
        from trial_runtime.checkpointing import resume

    given = sys.argv[1:] if argv is None else argv
    return program.run(lambda: resume.run(config.from_arguments(given), trial.run))


if __name__ == "__main__":
    sys.exit(main())
