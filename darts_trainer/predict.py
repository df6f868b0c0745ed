"""Classify pictures by a trained network: ``python -m darts_trainer.predict FOLDER PICTURE…``.

A line a picture: its name, and the classes with their probabilities, the likeliest first.
"""

import sys
from collections.abc import Sequence

from katib_suggestion import extras
from katib_suggestion.files.user_paths import user_path

with extras.needed("trainer", __name__):
    from darts_trainer import predictor
    from trial_runtime import command_line, program


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""

    def run() -> None:
        parser = command_line.Parser(
            prog="darts_trainer.predict", description="Classify pictures by a trained network."
        )
        parser.add_argument("folder", type=user_path, metavar="FOLDER", help="output folder of darts_trainer.retrain")
        parser.add_argument("pictures", nargs="+", metavar="PICTURE", help="a picture's file")
        classes = "how many classes to print (default: %(default)s)"
        parser.add_argument("--top", type=command_line.integer(1), default=5, metavar="N", help=classes)
        arguments = parser.parse_args(argv)
        trained = predictor.load(arguments.folder)
        for picture in arguments.pictures:
            (probability_k,) = trained.probabilities(picture)
            names = trained.class_names or tuple(map(str, range(len(probability_k))))
            likeliest = probability_k.argsort(descending=True)[: arguments.top].tolist()
            found = ", ".join(f"{names[label]} {probability_k[label]:.3f}" for label in likeliest)
            sys.stdout.write(f"{picture}: {found}\n")

    return program.run(run)


if __name__ == "__main__":
    sys.exit(main())
