"""``python -m enas_service``: the ENAS suggestion service."""

import argparse
import os
import sys

from katib_suggestion import server
from katib_suggestion.servicer import Suggester


def main() -> int:
    """Read the flags and serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="enas_service", description="Katib suggestion service for ENAS.")
    server.add_arguments(parser)
    parser.add_argument("--seed", type=int, help="makes every search reproducible (default: a fresh one each)")
    arguments = parser.parse_args()

    def load() -> Suggester:
        # TensorFlow takes seconds to import: the port answers meanwhile.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        import tensorflow as tf

        from enas_service.suggester import EnasSuggester

        # The controller's matrices are small: more threads would only wait for each other.
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        return EnasSuggester(arguments.seed)

    return server.serve(load, arguments)


if __name__ == "__main__":
    sys.exit(main())
