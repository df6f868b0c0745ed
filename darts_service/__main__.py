"""``python -m darts_service``: the DARTS suggestion service."""

import argparse
import sys

from katib_suggestion import extras

with extras.needed("darts", __name__):
    from darts_service.suggester import DartsSuggester
    from katib_suggestion.limits import Limits
    from katib_suggestion.serving import server


def main() -> int:
    """Read the flags and serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="darts_service", description="Katib suggestion service for DARTS.")
    server.add_arguments(parser)
    arguments = parser.parse_args()
    return server.serve(lambda: DartsSuggester(Limits.of(arguments)), arguments)


if __name__ == "__main__":
    sys.exit(main())
