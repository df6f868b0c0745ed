import contextlib

from tests.warm_python import with_torch
from trial_runtime.reporting.events import Events


def test_tensorboard_reads_the_curves(tmp_path, tensorboard):
    with contextlib.closing(Events(tmp_path / "events", first_step=1)) as events:
        events.write(1, {"loss/train": 2.5, "normal edge 0 to 2/skip": 0.25})
        events.write(2, {"loss/train": 1.5})

    assert tensorboard(tmp_path / "events") == {
        "loss/train": [[1, 2.5], [2, 1.5]],
        "normal edge 0 to 2/skip": [[1, 0.25]],
    }


def test_steps_that_are_taken_again_are_there_once(tmp_path, tensorboard):
    """Whatever the killed process had written from there on is void, in the same second or later."""
    killed = Events(tmp_path, first_step=1)
    for step in (1, 2, 3):
        killed.write(step, {"loss": 10.0 * step})
    again = Events(tmp_path, first_step=2)
    for step in (2, 3, 4):
        again.write(step, {"loss": float(step)})
    killed.close()
    again.close()

    assert tensorboard(tmp_path) == {"loss": [[1, 10.0], [2, 2.0], [3, 3.0], [4, 4.0]]}


def test_a_full_disk_is_one_warning(tmp_path):
    """A file's largest size stands in for the disk."""
    script = """
import resource, signal, sys
from pathlib import Path
from trial_runtime.reporting.events import Events
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
events = Events(Path(sys.argv[1]), first_step=1)
for step in range(20):
    events.write(step, {"loss": 1.0})
events.close()
"""
    done = with_torch.run("-c", script, tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stderr.count("TensorBoard's events cannot be written") == 1
