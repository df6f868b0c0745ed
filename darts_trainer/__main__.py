"""A trial of DARTS: searches an architecture and prints the best genotype.

The metric lines hold Train-Loss, Train-Accuracy, Validation-Loss and Validation-Accuracy, and how many edges of a cell
would be skip connections if the search ended here (Normal-Skips, Reduction-Skips), one line an epoch, and at the end
Best-Genotype: that of the last epoch, as in the paper, unless asked otherwise. The same command in the same output
folder goes on with a search that was killed. Under torchrun several processes share each step; the first alone prints
and writes.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace

from darts_trainer import config
from darts_trainer.trial import run
from trial_runtime import command_line, processes, resume


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""

    def search_together() -> None:
        trial = config.from_arguments(sys.argv[1:] if argv is None else argv)
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

    return command_line.run(search_together)


if __name__ == "__main__":
    sys.exit(main())
