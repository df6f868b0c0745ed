"""A trial of ENAS: trains the network of one architecture and prints what it came to.

The first metric line holds Parameters and MACs, the multiply-adds of one image. The others hold Training-Accuracy,
Training-Loss, Validation-Accuracy and Validation-Loss, one line an epoch. The same command in the same output folder
goes on with a trial that was killed. Several processes, which torchrun starts or which --num_gpus asks for, share each
step; the first alone prints and writes.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace

from enas_trainer import arguments, gpus
from enas_trainer.trial import run
from trial_runtime import command_line, processes, resume


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""

    def train_together() -> None:
        given = sys.argv[1:] if argv is None else argv
        trial = arguments.parse(given)
        gpus.spread(trial.num_gpus, trial.device, given)
        group = processes.here()
        with group.joined(trial.device), resume.alone_in(trial.output_dir, group):
            checkpoint = resume.find(
                trial.output_dir,
                trial.configuration(),
                options=trial.resume,
                unasked=frozenset() if trial.is_seeded else frozenset({"seed"}),
                group=group,
            )
            seed = trial.seed if checkpoint is None else checkpoint.configuration["seed"]
            assert isinstance(seed, int)
            # Without --seed each process has drawn one.
            run(replace(trial, seed=group.of_first(seed)), group, checkpoint)

    return command_line.run(train_together)


if __name__ == "__main__":
    sys.exit(main())
