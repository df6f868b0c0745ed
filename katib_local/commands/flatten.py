"""``katib-nas flatten``: an ENAS search of architectures as one over plain parameters."""

import argparse
import sys
from typing import Any

import yaml

from katib_cluster import bounded_yaml
from katib_local.manifest import flattening, manifest
from katib_suggestion.files.user_paths import user_path

_DESCRIPTION = """\
Write an ENAS Experiment as one of plain parameters: the operation of each layer, and 0 or 1 for each join; or of
cells the source and the operation of each edge. Its trials build the same networks, by --choices in the place of
--architecture and --nn_config. So any algorithm of Katib searches over it, and what knows plain parameters only, such
as the Kubeflow SDK.
"""


def add_to(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the command to those of ``katib-nas``."""
    parser = commands.add_parser("flatten", help=flatten.__doc__, description=_DESCRIPTION)
    parser.set_defaults(command=flatten)
    parser.add_argument(
        "manifest", type=manifest.find, metavar="MANIFEST", help="an ENAS Experiment; or the name of an example"
    )
    output = "what is there is replaced (default: standard output)"
    parser.add_argument("-o", "--output", type=user_path, metavar="FILE", help=output)


def flatten(arguments: argparse.Namespace) -> int:
    """Write an ENAS Experiment as one of plain parameters."""
    found = flattening.flatten(manifest.read(arguments.manifest))
    text = yaml.dump(found, Dumper=bounded_yaml.Dumper, sort_keys=False, allow_unicode=True, width=120)
    if arguments.output is None:
        sys.stdout.write(text)
    else:
        arguments.output.write_text(text, encoding="utf-8")
    return 0
