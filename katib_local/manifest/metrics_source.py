"""The manifest's metricsCollectorSpec becomes a `Collector`."""

from pathlib import PurePosixPath

from katib_local.errors import ClusterOnly
from katib_local.manifest import go_regex, relocation
from katib_local.manifest.checks import one_of
from katib_local.manifest.experiment import Collector, MetricsFormat
from katib_local.manifest.resources import V1beta1MetricsCollectorSpec, V1beta1SourceSpec
from katib_local.manifest.template import Container
from katib_suggestion.errors import Faults, InvalidExperiment

DEFAULT_PATH = "/var/log/katib/metrics.log"
"""Where Katib's File collector looks when the manifest does not say."""

_PATH = "spec.metricsCollectorSpec"
_KINDS = ("StdOut", "File")
"""Collectors that run on this machine."""

OF_CLUSTERS = ("TensorFlowEvent", "PrometheusMetric", "Custom", "None", "Push")
"""Those that Katib has beside them."""


def collector(spec: V1beta1MetricsCollectorSpec | None) -> Collector:
    """Read where the metrics come from, with Katib's defaults.

    Raises:
        InvalidExperiment: the collector, its file or a filter is none that runs here.
    """
    kind = (spec.collector.kind if spec and spec.collector else None) or "StdOut"
    allowed = f"collectors that run on this machine are {', '.join(_KINDS)}"
    if kind in OF_CLUSTERS:
        raise ClusterOnly(f"{_PATH}.collector.kind", kind, allowed)
    one_of(kind, _KINDS, f"{_PATH}.collector.kind")
    if spec and spec.collector and spec.collector.custom_collector is not None:
        raise ClusterOnly(f"{_PATH}.collector.customCollector", "a container", allowed)
    source = (spec.source if spec else None) or V1beta1SourceSpec()
    if source.http_get is not None:
        raise InvalidExperiment(
            f"{_PATH}.source.httpGet", "httpGet", f"no collector here reads it ({', '.join(_KINDS)})"
        )
    filters = tuple((source.filter.metrics_format if source.filter else None) or [])
    faults = Faults()
    for index, pattern in enumerate(filters):
        with faults.noted():
            _check_filter(pattern, f"{_PATH}.source.filter.metricsFormat[{index}]")
    faults.raise_noted()
    if kind == "StdOut":
        return Collector(path=None, format=MetricsFormat.TEXT, filters=filters)
    return _file(source, filters)


def _file(source: V1beta1SourceSpec, filters: tuple[str, ...]) -> Collector:
    where = f"{_PATH}.source.fileSystemPath"
    file = source.file_system_path
    one_of((file.kind if file else None) or "File", ("File",), f"{where}.kind")
    path = (file.path if file else None) or DEFAULT_PATH
    if not path.startswith("/") or PurePosixPath(path).parent == PurePosixPath("/"):
        raise InvalidExperiment(f"{where}.path", path, f"an absolute path with a folder, such as {DEFAULT_PATH}")
    text_format = (file.format if file else None) or MetricsFormat.TEXT.value
    metrics_format = MetricsFormat(one_of(text_format, MetricsFormat, f"{where}.format"))
    if metrics_format is MetricsFormat.JSON and source.filter is not None:
        raise InvalidExperiment(f"{_PATH}.source.filter", list(filters), "none with the format JSON")
    return Collector(path=path, format=metrics_format, filters=filters)


def _check_filter(pattern: str, field: str) -> None:
    """Refuse what Katib's collector cannot use."""
    try:
        num_groups = go_regex.compiled(pattern).groups
    except go_regex.error as error:
        reason = error.args[0].decode(errors="replace")
        raise InvalidExperiment(field, pattern, f"it must be a regular expression as Go reads it: {reason}") from error
    if num_groups < 2:
        raise InvalidExperiment(field, pattern, "it must have two groups, the metric's name and its value")


def check_relocatable(container: Container, path: str) -> None:
    """Refuse a File collector whose folder the trial is not told of: it could not be moved into the trial's folder.

    Raises:
        InvalidExperiment: neither the command nor a variable names the folder.
    """
    if not relocation.is_named(container, folder(path)):
        allowed = (
            "the container's command or env must name its folder, so that each trial can be given one of its own; "
            "on this machine all trials share one file system"
        )
        raise InvalidExperiment(f"{_PATH}.source.fileSystemPath.path", path, allowed)


def folder(path: str) -> str:
    """Return the folder of a metrics file, which Katib would mount."""
    return str(PurePosixPath(path).parent)
