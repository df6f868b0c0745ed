"""Train the network of a genotype: ``python -m darts_trainer.retrain --genotype genotype.json``.

The first metric line holds Parameters, without those that help to train alone, and MACs, the multiply-adds of one
image; the others Train-Loss and Train-Accuracy, one line an epoch. Where all training images are trained on, as in the
paper, the test images are classified once, at the end: Test-Loss, Test-Accuracy. Where some are held out
(``--train-portion``) they are classified after every epoch, Validation-Loss and Validation-Accuracy, and test images
are left alone: so an Experiment can tune the settings.

A recurrent genotype is that of a language model: its lines hold Parameters and the MACs of a word, Train-Perplexity and
Validation-Perplexity, and at the end Test-Perplexity of the weights that validated best.

The same command in the same output folder goes on with a
training that was killed. Under torchrun several processes share each step; the first alone prints and writes.
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
        from darts_trainer.retraining import config, text_config, text_trial, trial
        from trial_runtime import program
        from trial_runtime.checkpointing import resume

    given = sys.argv[1:] if argv is None else argv

    def retrain() -> None:
        if config.is_recurrent(given):
            resume.run(text_config.from_arguments(given), text_trial.run)
        else:
            resume.run(config.from_arguments(given), trial.run)

    return program.run(retrain)


if __name__ == "__main__":
    sys.exit(main())
