"""``katib-nas dashboard``: pages that follow experiments, of the runs on this machine or of a cluster."""

import argparse
import logging
import sys
from collections.abc import Sequence

from katib_suggestion import extras, streams
from katib_suggestion.errors import one_line

with extras.needed("dashboard", __name__):
    from starlette.applications import Starlette

    from dashboard import arguments
    from dashboard.pages.pages import Setting
    from dashboard.serving import app, server
    from dashboard.serving.access import OwnMachine
    from dashboard.sources.observation_logs import ObservationLogs
    from dashboard.sources.runs import PLACE, Runs
    from katib_cluster import connection
    from katib_cluster.errors import ClusterError
    from katib_local.errors import UsageError

_LOCAL_HOSTS = ("localhost", "127.0.0.1")
"""A page of another site that has its own name lead here is sent away: it would read all as one of ours."""


def main(argv: list[str] | None = None) -> int:
    """Serve until the program is ended."""
    streams.take_any_text()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        given = arguments.parser().parse_args(argv)
        made = _app(given)
        taken = server.listen(given.host, given.port)
    except UsageError as error:
        return _fail(error, 2)
    except OSError as error:
        return _fail(error, 5)
    except ClusterError as error:
        return _fail(error, 6)
    server.serve(made, taken, shall_open=given.open)
    return 0


def _app(given: argparse.Namespace) -> Starlette:
    arguments.check(given)
    hosts = _LOCAL_HOSTS if arguments.is_loopback(given.host) else ()
    if given.cluster:
        return _of_cluster(given, hosts)
    nothing = f"No run below {given.runs.absolute()} yet. katib-nas run makes one."
    setting = Setting(all_name="Runs", nothing=nothing, has_namespaces=False, is_framed=False)
    return app.make(Runs(given.runs), OwnMachine(), setting, home=PLACE, hosts=hosts)


def _of_cluster(given: argparse.Namespace, hosts: Sequence[str]) -> Starlette:
    # The client takes a second to import.
    from dashboard.serving.reviews import Reviewed
    from dashboard.sources.cluster import Cluster

    connection.load(given.context)
    access = Reviewed(given.user_header, given.groups_header, given.user) if given.review else OwnMachine()
    setting = Setting(
        all_name="Experiments",
        nothing="No Experiment here searches architectures yet.",
        has_namespaces=True,
        is_framed=given.review and given.user is None,
    )
    source = Cluster(ObservationLogs(given.db_manager))
    return app.make(source, access, setting, home=given.namespace or "", hosts=hosts)


def _fail(error: BaseException, code: int) -> int:
    sys.stderr.write(f"katib-nas dashboard: {one_line(error)}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
