"""Folders that a cluster would mount, in what a trial is told."""

from pathlib import Path

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


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python3 /opt/mnist/train.py --lr=0.1", "python3 ./train.py --lr=0.1"),
        ("python3 /opt/model/run.py --to=/opt/model/out", "python3 ./model/run.py --to=/opt/model/out"),
        ('sh "/run.sh"; /run.sh', 'sh "./run.sh"; ./run.sh'),
        ("python3 /opt/other.py >/dev/null", "python3 /opt/other.py >/dev/null"),
        ("python3 opt/train.py ../train.py a/train.py", "python3 opt/train.py ../train.py a/train.py"),
    ],
)
def test_programs_of_the_image_are_those_of_the_folder(command: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    for name in ("train.py", "run.sh", "run.py", "model/run.py"):
        (tmp_path / name).touch()
    container = Container(image="i", argv=("sh", "-c", command), environment={}, deadline_s=None, unmet=())
    assert relocation.to_program(container, tmp_path).argv == ("sh", "-c", expected)
