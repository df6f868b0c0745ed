"""``python -m enas_service``: the ENAS suggestion service."""

import argparse
import logging
import os
import sys
from pathlib import Path

from enas_service.lean_import import lean
from katib_suggestion import extras
from katib_suggestion.files.folder_lock import FolderLock
from katib_suggestion.files.user_paths import user_path

with extras.needed("enas", __name__):
    from enas_service.limits import EnasLimits
    from katib_suggestion.serving import server
    from katib_suggestion.serving.servicer import Suggester

logger = logging.getLogger(__name__)

_VOLUME = Path("/opt/katib/data")
"""Where Katib mounts the volume of an experiment with ``resumePolicy: FromVolume``."""


def main() -> int:
    """Read the flags and serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="enas_service", description="Katib suggestion service for ENAS.")
    server.add_arguments(parser, EnasLimits)
    _add_arguments(parser)
    arguments = parser.parse_args()
    extras.require("enas", "tensorflow")
    # TensorFlow takes seconds to import: the port answers meanwhile.
    return server.serve(lambda: _load(arguments), arguments)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state-dir",
        type=user_path,
        default=_VOLUME if _VOLUME.is_dir() else None,
        metavar="DIR",
        help=f"where searches survive a restart (default: {_VOLUME}, Katib's volume, where it is mounted)",
    )
    parser.add_argument(
        "--state-ttl",
        type=float,
        default=24 * 3600.0,
        metavar="SECONDS",
        help="how long a search without calls stays in memory (default: %(default)g)",
    )
    parser.add_argument(
        "--state-wait",
        type=float,
        default=45.0,
        metavar="SECONDS",
        help="how long to wait, before serving, for another process that uses DIR; then searches are kept in memory "
        "until it has ended (default: %(default)g, more than a pod has to end)",
    )
    parser.add_argument("--seed", type=int, help="makes every search reproducible (default: a fresh one each)")


def _load(arguments: argparse.Namespace) -> Suggester:
    """Make the suggester, with all that it imports."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # All matrices are small: more threads would only wait for each other, those of NumPy by keeping a core busy.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with lean():
        import tensorflow as tf

    from enas_service.checkpoint import CheckpointStore
    from enas_service.suggester import EnasSuggester

    # It reports every checkpoint's writing.
    logging.getLogger("absl").setLevel(logging.WARNING)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    store = None
    if arguments.state_dir is not None:
        lock = FolderLock(arguments.state_dir)
        if not lock.wait(arguments.state_wait):
            # A rolling update ends the old pod only once the new one is ready: who waits for ever is never ready.
            logger.warning("another process still uses %s: serving from memory until it ends", arguments.state_dir)
        store = CheckpointStore(arguments.state_dir, is_ours=lock.claim)
    suggester = EnasSuggester(arguments.seed, store, arguments.state_ttl, EnasLimits.of(arguments))
    if arguments.metrics_port is not None:
        import prometheus_client

        from enas_service.metrics import SearchMetrics

        prometheus_client.REGISTRY.register(SearchMetrics(suggester.statuses))
    return suggester


if __name__ == "__main__":
    sys.exit(main())
