import errno
import logging
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from tests.warm_python import with_torch
from trial_runtime.checkpointing import checkpoints
from trial_runtime.checkpointing.checkpoints import CheckpointError

CONFIGURATION = {"seed": 3, "dataset": "fake", "w_lr": 0.025, "search_space": ("skip_connection",), "max_images": None}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out/checkpoint.pt"


def test_what_was_written_is_read_back(path):
    state = {"epoch": 2, "weights": {"stem": torch.arange(6.0).view(2, 3)}, "epochs": [{"loss": 0.1}]}

    assert checkpoints.write(path, state, CONFIGURATION)

    found = checkpoints.read(path)
    assert found.configuration == CONFIGURATION
    assert (found.state["epoch"], found.state["epochs"]) == (2, [{"loss": 0.1}])
    assert torch.equal(found.state["weights"]["stem"], state["weights"]["stem"])
    found.check(CONFIGURATION)
    assert list(path.parent.iterdir()) == [path]


def test_there_may_be_none(path):
    assert checkpoints.read(path) is None


def test_an_optimiser_goes_on_to_the_bit(path):
    def steps(weight, optimiser, count):
        for _ in range(count):
            (weight.square().sum()).backward()
            optimiser.step()
            optimiser.zero_grad()
        return weight.detach().clone()

    def fresh():
        weight = torch.nn.Parameter(torch.linspace(-1, 1, 5))
        return weight, torch.optim.Adam([weight], lr=0.1)

    weight, optimiser = fresh()
    steps(weight, optimiser, 3)
    checkpoints.write(path, {"weight": weight.detach(), "optimiser": optimiser.state_dict()}, {})
    expected = steps(weight, optimiser, 3)
    state = checkpoints.read(path).state
    again, other = fresh()
    again.data.copy_(state["weight"])
    other.load_state_dict(state["optimiser"])
    assert torch.equal(steps(again, other, 3), expected)


def test_every_difference_of_another_configuration_is_named(path):
    checkpoints.write(path, {}, CONFIGURATION)
    asked = CONFIGURATION | {"seed": 4, "dataset": "digits", "order": 1}
    del asked["w_lr"]

    with pytest.raises(CheckpointError) as caught:
        checkpoints.read(path).check(asked)

    assert str(caught.value) == (
        f"{path} is of another configuration: seed is 3 there and 4 here; dataset is 'fake' there and 'digits' here; "
        "w_lr is 0.025 there and nothing here; order is nothing there and 1 here. Take another --output-dir, or let "
        "--fresh begin anew in this one"
    )


def test_an_option_that_came_later_and_is_not_given_makes_no_difference(path):
    checkpoints.write(path, {}, CONFIGURATION)

    checkpoints.read(path).check(CONFIGURATION | {"new": None})
    with pytest.raises(CheckpointError, match="new is nothing there and 1 here"):
        checkpoints.read(path).check(CONFIGURATION | {"new": 1})


def test_a_configuration_is_flat_and_without_what_does_not_matter(tmp_path):
    @dataclass(frozen=True)
    class Settings:
        w_lr: float
        batch_size: int | None

    @dataclass(frozen=True)
    class Config:
        settings: Settings
        search_space: tuple[str, ...]
        data_dir: Path
        output_dir: Path

    config = Config(Settings(0.1, None), ("a", "b"), Path("data"), tmp_path)
    assert checkpoints.configuration_of(config, without=frozenset({"output_dir"})) == {
        "settings.w_lr": 0.1,
        "settings.batch_size": None,
        "search_space": ("a", "b"),
        "data_dir": "data",
    }


def truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def one_bit_flipped(path):
    """In the middle of the numbers, where nothing but a checksum can tell."""
    with zipfile.ZipFile(path) as archive:
        info = max(archive.infolist(), key=lambda info: info.file_size)
    content = bytearray(path.read_bytes())
    content[info.header_offset + info.file_size // 2 + 100] ^= 1
    path.write_bytes(content)


def of_something_else(path):
    torch.save({"weights": torch.zeros(3)}, path)


class Harm:
    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return os.mkdir, (f"{self._path}.harm",)


def harmful(path):
    torch.save({"format": 1, "configuration": {}, "state": {"weights": Harm(path)}}, path)


@pytest.mark.parametrize(
    "damage",
    [
        truncated,
        one_bit_flipped,
        of_something_else,
        harmful,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"garbage" * 1000),
    ],
)
def test_a_damaged_file_is_an_error_that_names_it_and_says_what_to_do(path, damage):
    checkpoints.write(path, {"weights": torch.zeros(10_000)}, CONFIGURATION)
    damage(path)

    with pytest.raises(
        CheckpointError, match=r"cannot be gone on from: .*Remove it, or let --fresh begin anew"
    ) as caught:
        checkpoints.read(path)

    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_full_disk_is_a_warning_and_leaves_the_one_before(path, caplog):
    """A file's largest size stands in for the disk: the machine refuses in the middle of the write."""
    checkpoints.write(path, {"epoch": 1}, CONFIGURATION)
    script = """
import resource, signal, sys, torch
from pathlib import Path
from trial_runtime.checkpointing import checkpoints
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
assert not checkpoints.write(Path(sys.argv[1]), {"weights": torch.zeros(10_000)}, {})
"""
    done = with_torch.run("-c", script, path)
    assert done.returncode == 0, done.stderr
    assert f"{path} cannot be written" in done.stderr
    assert os.strerror(errno.EFBIG) in done.stderr
    assert checkpoints.read(path).state == {"epoch": 1}
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_refuses_is_a_warning(path, caplog):
    path.parent.write_text("")
    with caplog.at_level(logging.WARNING):
        assert not checkpoints.write(path, {}, CONFIGURATION)
    assert f"{path} cannot be written" in caplog.text


def test_a_kill_while_it_writes_leaves_a_whole_one(path):
    """Killed at whatever instant it comes: there is always a file, and it can be read."""
    script = """
import sys, torch
from pathlib import Path
from trial_runtime.checkpointing import checkpoints
for count in range(1_000_000):
    checkpoints.write(Path(sys.argv[1]), {"count": count, "weights": torch.full((300_000,), float(count))}, {})
    print(count, flush=True)
"""
    counts, writer = os.pipe()
    process = with_torch.start("-c", script, path, stdout=writer)
    os.close(writer)
    with os.fdopen(counts) as lines:
        for _ in range(5):
            assert lines.readline()
        process.kill()
        process.wait()

    state = checkpoints.read(path).state
    assert state["count"] >= 4
    assert state["weights"].unique().tolist() == [state["count"]]


def test_torchs_generator_goes_on_where_it_was():
    states = checkpoints.random_states()
    expected = torch.rand(5)
    checkpoints.restore_random_states(states)
    assert torch.equal(torch.rand(5), expected)
