"""Train the network of a genotype: ``python -m darts_trainer.retrain --genotype genotype.json``.

The first metric line holds Parameters, without those that help to train alone, and MACs, the multiply-adds of one
image; the others Train-Loss and Train-Accuracy, one line an epoch. Where all training images are trained on, as in the
paper, the test images are classified once, at the end: Test-Loss, Test-Accuracy. Where some are held out
(``--train-portion``) they are classified after every epoch, Validation-Loss and Validation-Accuracy, and test images
are left alone: so an Experiment can tune the settings. The same command in the same output folder goes on with a
training that was killed. Under torchrun several processes share each step; the first alone prints and writes.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace

from darts_trainer import retrain_config
from darts_trainer.retrain_trial import run
from trial_runtime import command_line, processes, resume


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""

    def train_together() -> None:
        trial = retrain_config.from_arguments(sys.argv[1:] if argv is None else argv)
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
