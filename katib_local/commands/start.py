"""``katib-nas`` as it is installed: says which extra it needs where that is missing."""

import sys
from importlib.metadata import version

from katib_suggestion import extras


def main(argv: list[str] | None = None) -> int:
    """Run the program; return its exit code.

    Args:
        argv: its arguments; those of the process by default.
    """
    if (sys.argv[1:] if argv is None else argv) == ["--version"]:
        # Of whatever is installed.
        sys.stdout.write(f"katib-nas {version('katib-nas')}\n")
        return 0
    with extras.needed("local"):
        from katib_local.commands import cli
    return cli.main(argv)
