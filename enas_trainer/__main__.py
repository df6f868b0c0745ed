"""A trial of ENAS: trains the network of one architecture and prints what it came to.

What nn_config says it searches for decides: a network of layers, where it says nothing; of cells (micro); or the
language model of a recurrent cell. The first metric line holds Parameters and MACs, the multiply-adds of one image or
word, and Latency-ms where it is measured. The others hold Training-Accuracy, Training-Loss, Validation-Accuracy and
Validation-Loss, one line an epoch; on text perplexities in the place of accuracies, and Tokens-Per-Second. The same
command in the same output folder goes on with a trial that was killed. Several processes, which torchrun starts or
which --num_gpus asks for, share each step; the first alone prints and writes.
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
        from enas_trainer import gpus
        from enas_trainer.architecture import search_for
        from enas_trainer.arguments import images, recurrent, texts
        from enas_trainer.images import trial as image_trial
        from enas_trainer.recurrent import trial as text_trial
        from trial_runtime import program
        from trial_runtime.checkpointing import resume

    given = sys.argv[1:] if argv is None else argv

    def train() -> None:
        if texts.kind_of(given) == search_for.RECURRENT:
            of_text = recurrent.parse(given)
            gpus.spread(of_text.num_gpus, of_text.device, given)
            resume.run(of_text, text_trial.run)
        else:
            of_images = images.parse(given)
            gpus.spread(of_images.num_gpus, of_images.device, given)
            resume.run(of_images, image_trial.run)

    return program.run(train)


if __name__ == "__main__":
    sys.exit(main())
