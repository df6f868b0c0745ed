"""A trial of ENAS: trains the network of one architecture and prints what it came to.

The first metric line holds Parameters, MACs, the multiply-adds of one image, and Latency-ms where it is measured. The
others hold Training-Accuracy, Training-Loss, Validation-Accuracy and Validation-Loss, one line an epoch. The same
command in the same output folder goes on with a trial that was killed. Several processes, which torchrun starts or
which --num_gpus asks for, share each step; the first alone prints and writes.
"""

import os
import sys
from collections.abc import Sequence

from trial_runtime import spinning


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    spinning.bound(os.environ)
    # They load torch.
    from enas_trainer import arguments, gpus
    from enas_trainer.trial import run
    from trial_runtime import command_line, resume

    given = sys.argv[1:] if argv is None else argv

    def train() -> None:
        trial = arguments.parse(given)
        gpus.spread(trial.num_gpus, trial.device, given)
        resume.run(trial, run)

    return command_line.run(train)


if __name__ == "__main__":
    sys.exit(main())
