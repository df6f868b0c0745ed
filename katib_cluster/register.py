"""``katib-nas register``: put our services into Katib's configuration, or our pages into the dashboard's menu."""

import argparse
import difflib
import shlex
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import IO, TYPE_CHECKING

from katib_cluster import bounded_yaml, configuration, dashboard_menu
from katib_cluster.bounded_yaml import UnreadableYaml
from katib_cluster.entries import ALGORITHMS
from katib_cluster.errors import ClusterError, InvalidConfiguration
from katib_suggestion import streams
from katib_suggestion.files import durable_files
from katib_suggestion.files.user_paths import user_path

if TYPE_CHECKING:
    from katib_cluster.cluster import ConfigMap, Read

_NOT_THERE = 404

_REPOSITORY = "katib-nas"
"""Last part of what the images' names begin with."""

EPILOG = """\
exit codes:
    0  done: printed, or written, or there was nothing to change
    2  wrong use of a flag, or the configuration cannot be changed
    5  the machine gave out: a file cannot be read or written
    6  the cluster cannot be reached, or refuses
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    parser.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="a KatibConfig, or a ConfigMap with one, to change in place of the cluster's; - for standard input",
    )
    parser.add_argument("--apply", action="store_true", help="write the change back; without it, it is printed")
    parser.add_argument("--namespace", default="kubeflow", help="where Katib is installed (default: %(default)s)")
    parser.add_argument("--context", metavar="NAME", help="context of the kubeconfig (default: the current one)")
    parser.add_argument(
        "--registry",
        type=_registry,
        metavar="HOST/PATH",
        help="where the images have been pushed, with or without /katib-nas at its end: the REPOSITORY of make images",
    )
    parser.add_argument(
        "--undo", type=user_path, metavar="FILE", help="put back a cluster's configuration, as --apply has kept it"
    )
    parser.add_argument(
        "--dashboard",
        action="store_true",
        help="put the pages of manifests/dashboard into the menu of Kubeflow's dashboard, and nothing into Katib's "
        "configuration",
    )
    for algorithm in ALGORITHMS:
        parser.add_argument(
            f"--{algorithm}-image",
            type=_image,
            metavar="IMAGE",
            help=f"the whole name of the {algorithm} service's image, such as one with a digest",
        )


def register(arguments: argparse.Namespace) -> int:
    """Register both suggestion services in Katib's configuration, or the pages in the dashboard's menu.

    The difference goes to standard error; with ``--apply`` the result is written back, otherwise it goes to standard
    output.

    Raises:
        InvalidConfiguration: the configuration cannot be changed.
        ClusterError: the cluster cannot be reached, or refuses.
        OSError: the file cannot be read or written.
    """
    if arguments.dashboard and arguments.file is not None:
        raise InvalidConfiguration("--dashboard", "it is for a cluster's menu alone, without FILE")
    if arguments.undo is not None:
        _undo(arguments)
        return 0
    if arguments.dashboard:
        _in_menu(arguments)
        return 0
    images = {algorithm: _image_of(algorithm, arguments) for algorithm in ALGORITHMS}
    if arguments.file is None:
        _in_cluster(arguments, images)
    elif arguments.file == "-":
        _show(_text_of(sys.stdin.buffer, "standard input"), "standard input", images)
    else:
        _in_file(user_path(arguments.file), images, apply=arguments.apply)
    return 0


def _in_cluster(arguments: argparse.Namespace, images: dict[str, str]) -> None:
    # The client takes a second to import.
    from katib_cluster.cluster import ConfigMap

    config_map = ConfigMap(arguments.namespace, arguments.context)
    read = config_map.read()
    changed = configuration.registered(read.text, images)
    _say_difference(read.text, changed, config_map.name)
    if not arguments.apply:
        streams.write_document(changed)
    elif changed != read.text:
        # Kept first: a cluster that others share must not lose what it had.
        kept = _keep(read.text, "katib-config-before", "yaml")
        config_map.write(changed, read.version)
        _say_written(config_map.name, f"--undo {shlex.quote(str(kept))}")


def _in_menu(arguments: argparse.Namespace) -> None:
    config_map, read = _menu(arguments)
    changed = dashboard_menu.with_entry(read.text)
    _say_difference(read.text, changed, config_map.name, "the pages are in the menu already")
    if not arguments.apply:
        streams.write_document(changed)
    elif changed != read.text:
        kept = _keep(read.text, "dashboard-links-before", "json")
        config_map.write(changed, read.version)
        _say_written(config_map.name, f"--dashboard --undo {shlex.quote(str(kept))}")


def _menu(arguments: argparse.Namespace) -> "tuple[ConfigMap, Read]":
    """Find the ConfigMap that holds the menu, and read it."""
    from katib_cluster.cluster import ConfigMap

    *others, last = dashboard_menu.CONFIG_MAPS
    for name in others:
        config_map = ConfigMap(arguments.namespace, arguments.context, name, dashboard_menu.KEY)
        try:
            return config_map, config_map.read()
        except ClusterError as error:
            if getattr(error.__cause__, "status", None) != _NOT_THERE:
                raise
    config_map = ConfigMap(arguments.namespace, arguments.context, last, dashboard_menu.KEY)
    return config_map, config_map.read()


def _say_written(name: str, flags: str) -> None:
    _say(f"{name} is written; to put back what it was: katib-nas register {flags}")


def _keep(text: str, name: str, ending: str) -> Path:
    """Keep a configuration in the working directory, beside those of earlier times; it is on the disk then."""
    first = Path(f"{name}.{ending}")
    candidates = (first, *(Path(f"{name}-{number}.{ending}") for number in range(2, 1000)))
    path = next(candidate for candidate in candidates if not candidate.exists())
    durable_files.write(path, text.encode())
    return path


def _undo(arguments: argparse.Namespace) -> None:
    from katib_cluster.cluster import ConfigMap

    if arguments.file is not None or arguments.apply:
        raise InvalidConfiguration("--undo", "it is for a cluster's configuration alone, without FILE and --apply")
    with arguments.undo.open("rb") as file:
        text = _text_of(file, str(arguments.undo))
    if arguments.dashboard:
        dashboard_menu.links_of(text, str(arguments.undo))
        config_map, read = _menu(arguments)
    else:
        configuration.check_kind(text, str(arguments.undo))
        config_map = ConfigMap(arguments.namespace, arguments.context)
        read = config_map.read()
    _say_difference(read.text, text, config_map.name, "it is so already")
    if text != read.text:
        config_map.write(text, read.version)
        _say(f"{config_map.name} is written")


def _in_file(path: Path, images: dict[str, str], *, apply: bool) -> None:
    with path.open("rb") as file:
        text = _text_of(file, str(path))
    if not apply:
        _show(text, str(path), images)
        return
    changed = configuration.registered(text, images)
    _say_difference(text, changed, str(path))
    if changed != text:
        _replace(path, changed)
        _say(f"{path} is written")


def _text_of(file: IO[bytes], name: str) -> str:
    try:
        return bounded_yaml.text_of(file, name)
    except UnreadableYaml as error:
        raise InvalidConfiguration(name, error.allowed) from error


def _show(text: str, name: str, images: dict[str, str]) -> None:
    changed = configuration.registered(text, images)
    _say_difference(text, changed, name)
    streams.write_document(changed)


def _replace(path: Path, text: str) -> None:
    """Write a file anew so that a kill at any instant leaves the old one or the new one."""
    target = path.resolve()
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="", dir=target.parent, delete=False) as file:
        file.write(text)
    written = Path(file.name)
    written.chmod(target.stat().st_mode)
    durable_files.publish(written, target)


def _say_difference(before: str, after: str, name: str, without: str = "both services are registered already") -> None:
    lines = list(
        difflib.unified_diff(before.splitlines(), after.splitlines(), f"{name}, now", f"{name}, changed", lineterm="")
    )
    for line in lines or [f"{name}: {without}"]:
        _say(line)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _image_of(algorithm: str, arguments: argparse.Namespace) -> str:
    named: str | None = getattr(arguments, f"{algorithm}_image")
    repository = arguments.registry or _REPOSITORY
    if repository.rpartition("/")[2] != _REPOSITORY:
        repository = f"{repository}/{_REPOSITORY}"
    return named or f"{repository}/{algorithm}-service:{version('katib-nas')}"


def _image(text: str) -> str:
    if not text or any(character.isspace() for character in text):
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: it must be the name of an image")
    return text


def _registry(text: str) -> str:
    return _image(text).rstrip("/")
