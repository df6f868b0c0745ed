"""Folders that a cluster would mount, in what a trial is told."""

import pytest

from katib_local.manifest import relocation
from katib_local.manifest.template import Container


@pytest.mark.parametrize("folder", ["/var/log/katib", "/var/log/katib/"])
@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("p --log=/var/log/katib/m.log", "p --log=../metrics/m.log"),
        ('p --dir="/var/log/katib"', 'p --dir="../metrics"'),
        ("cd /var/log/katib; p", "cd ../metrics; p"),
        ("p /var/log/katib-2/m.log /opt/var/log/katib", "p /var/log/katib-2/m.log /opt/var/log/katib"),
    ],
)
def test_relocate(command: str, expected: str, folder: str) -> None:
    container = Container(
        image="i", argv=("sh", "-c", command), environment={"LOG": "/var/log/katib/m.log"}, deadline_s=None, unmet=()
    )
    moved = relocation.relocate(container, folder, "../metrics")
    assert moved.argv == ("sh", "-c", expected)
    assert moved.environment == {"LOG": "../metrics/m.log"}
