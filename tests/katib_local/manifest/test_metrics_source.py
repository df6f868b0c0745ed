"""The File collector's folder; what is refused is in test_manifest.py."""

from katib_local.manifest import metrics_source
from katib_local.manifest.template import Container


def test_a_folder_named_in_a_variable_can_be_moved() -> None:
    container = Container(
        image="i", argv=("sh", "-c", "p"), environment={"LOG": "/logs/m.log"}, deadline_s=None, unmet=()
    )
    metrics_source.check_relocatable(container, "/logs/m.log")
