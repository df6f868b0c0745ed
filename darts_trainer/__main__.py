"""A trial of DARTS: searches an architecture and prints the best genotype.

The metric lines hold Train-Loss, Train-Accuracy, Validation-Loss and Validation-Accuracy, and how many edges of a cell
would be skip connections if the search ended here (Normal-Skips, Reduction-Skips), one line an epoch, and at the end
Best-Genotype: that of the last epoch, as in the paper, unless asked otherwise. The same command in the same output
folder goes on with a search that was killed. Under torchrun several processes share each step; the first alone prints
and writes.
"""

import os
import sys
from collections.abc import Sequence

from katib_suggestion import extras
from trial_runtime.devices import spinning


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    spinning.bound(os.environ)
    # What a recorded step frees on one stream is used again on another as soon as that is safe, and not only after it.
    os.environ.setdefault("PYTORCH_ALLOC_CONF", "graph_capture_record_stream_reuse:True")
    # They load torch.
    with extras.needed("trainer"):
        from darts_trainer import search_arguments
        from darts_trainer.images import config, trial
        from darts_trainer.recurrent import config as recurrent_config
        from darts_trainer.recurrent import trial as recurrent_trial
        from trial_runtime import program
        from trial_runtime.checkpointing import resume

    given = sys.argv[1:] if argv is None else argv

    def search() -> None:
        if search_arguments.is_recurrent(given):
            resume.run(recurrent_config.from_arguments(given), recurrent_trial.run)
        else:
            resume.run(config.from_arguments(given), trial.run)

    return program.run(search)


if __name__ == "__main__":
    sys.exit(main())
