"""Moving the File collector's folder into a trial's own; what is refused is in test_manifest.py."""

import pytest

from katib_local import metrics_source
from katib_local.template import Container


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("p --log=/var/log/katib/m.log", "p --log=../metrics/m.log"),
        ('p --dir="/var/log/katib"', 'p --dir="../metrics"'),
        ("cd /var/log/katib; p", "cd ../metrics; p"),
        ("p /var/log/katib-2/m.log /opt/var/log/katib", "p /var/log/katib-2/m.log /opt/var/log/katib"),
    ],
)
def test_relocate(command: str, expected: str) -> None:
    container = Container(image="i", argv=("sh", "-c", command), environment={"LOG": "/var/log/katib/m.log"}, unmet=())
    moved = metrics_source.relocate(container, "/var/log/katib/m.log", "../metrics")
    assert moved.argv == ("sh", "-c", expected)
    assert moved.environment == {"LOG": "../metrics/m.log"}


def test_a_folder_named_in_a_variable_can_be_moved() -> None:
    container = Container(image="i", argv=("sh", "-c", "p"), environment={"LOG": "/logs/m.log"}, unmet=())
    metrics_source.check_relocatable(container, "/logs/m.log")
