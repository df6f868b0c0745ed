import signal
import sys

import pytest
import torch

from trial_runtime.processes import processes
from trial_runtime.processes.processes import ALONE, Processes, ProcessesError

ENVIRONMENT = {"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "MASTER_ADDR": "node0", "MASTER_PORT": "29500"}


@pytest.fixture
def environment(monkeypatch):
    """Set torchrun's variables, and no other of theirs."""

    def set_to(**variables):
        for name in (*ENVIRONMENT, "TORCHELASTIC_USE_AGENT_STORE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    set_to()
    return set_to


@pytest.mark.parametrize(("count", "size"), [(8, 2), (5, 2), (10, 4), (3, 7), (0, 2), (64, 1)])
def test_shares_follow_each_other_and_differ_by_one_at_most(count, size):
    things = list(range(count))
    shares = [things[Processes(rank=rank, size=size).share(count)] for rank in range(size)]

    assert [thing for share in shares for thing in share] == things
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_process_alone_has_everything_and_gets_its_own_back():
    tensors = [torch.ones(2), torch.zeros(3, dtype=torch.float64)]

    assert all(a is b for a, b in zip(ALONE.add_up(tensors), tensors, strict=True))
    assert ALONE.of_first(7) == 7
    assert ALONE.minimum(7) == 7
    assert ALONE.any(True)
    assert not ALONE.any(False)
    with ALONE.joined(torch.device("cpu")):
        assert not torch.distributed.is_initialized()


def test_the_environment_says_which_process_this_is(environment):
    assert processes.here() == ALONE
    environment(**ENVIRONMENT)
    assert processes.here() == Processes(rank=3, size=8, local_rank=1)
    environment(RANK="0", WORLD_SIZE="1")
    assert processes.here() == ALONE
    environment(RANK="", WORLD_SIZE="")
    assert processes.here() == ALONE


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"RANK": "8"}, "RANK: 8 is not allowed: it must be below WORLD_SIZE, which is 8"),
        ({"RANK": "-1"}, "RANK: '-1' is not allowed: it must be an integer >= 0"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE: 'two' is not allowed"),
        ({"LOCAL_RANK": "4"}, "LOCAL_RANK: 4 is not allowed: it must not be above RANK, which is 3"),
        ({"MASTER_PORT": ""}, "MASTER_PORT: None is not allowed: 8 processes need it"),
    ],
)
def test_an_environment_that_makes_no_sense_is_refused(environment, changes, message):
    environment(**ENVIRONMENT | changes)

    with pytest.raises(ProcessesError, match=message):
        processes.here()


def test_without_torchrun_every_failure_is_told(environment):
    assert processes.is_first_to_fail()
    assert processes.is_first_to_fail()


SUMS = """
import sys
import torch
from trial_runtime.processes.processes import here

group = here()
with group.joined(torch.device("cpu")):
    number = group.rank + 1
    last = torch.full((2, 3, 4, 5), 10.0 * number).contiguous(memory_format=torch.channels_last)
    tensors = [torch.tensor(number), torch.full((2, 3), 0.5 * number, dtype=torch.float64), last, torch.zeros(0)]
    sums = group.add_up(tensors)
    assert [t.dtype for t in sums] == [t.dtype for t in tensors]
    assert [t.shape for t in sums] == [t.shape for t in tensors]
    assert [t.stride() for t in sums] == [t.stride() for t in tensors]
    assert sums[0] == 6
    assert torch.equal(sums[1], torch.full((2, 3), 3.0, dtype=torch.float64))
    assert torch.equal(sums[2], torch.full((2, 3, 4, 5), 60.0))
    assert tensors[0] == number and torch.equal(last, torch.full((2, 3, 4, 5), 10.0 * number))
    order = torch.arange(12.0).view(3, 4)
    assert torch.equal(group.add_up([order.T])[0], 3 * order.T)
    assert group.of_first(10**18 + group.rank) == 10**18
    assert group.minimum(10**18 - group.rank) == 10**18 - 2
    assert group.any(group.rank == 2)
    assert not group.any(False)
    sys.stdout.write(f"{group.rank}\\n")
assert not torch.distributed.is_initialized()
"""


def test_three_processes_add_up(torchrun, tmp_path):
    (tmp_path / "sums.py").write_text(SUMS)

    done = torchrun(3, "sums.py", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split()) == ["0", "1", "2"]


THREADS = """
import sys
from pathlib import Path
import torch
from trial_runtime.processes.processes import here
from trial_runtime.processes.termination import Terminated

def threads():
    # Some versions of torch give those of gloo no name.
    return len(list(Path("/proc/self/task").iterdir()))

group, before = here(), threads()
try:
    with group.joined(torch.device("cpu")):
        weight = torch.nn.Parameter(torch.ones(3))
        torch.optim.SGD([weight]).step()
        group.add_up([weight])
        assert threads() > before
        {end}
except Terminated:
    pass
sys.stdout.write(f"{{threads() - before}}\\n")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="threads are listed in /proc")
@pytest.mark.parametrize("end", ["pass", "raise Terminated"])
def test_no_thread_of_the_group_is_left_for_the_end_of_the_interpreter_to_trip_over(torchrun, tmp_path, end):
    (tmp_path / "threads.py").write_text(THREADS.format(end=end))

    done = torchrun(2, "threads.py", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0", "0"]


FAILURE = """
import logging, os, signal, sys
import torch
from trial_runtime import program
from trial_runtime.processes.processes import here

def main():
    logging.getLogger("test").info("the first says so")
    with here().joined(torch.device("cpu")):
        if here().rank == 1:
            {failure}
        here().add_up([torch.ones(1)])

sys.exit(program.run(main))
"""


@pytest.mark.parametrize(
    ("failure", "errors", "exit_code"),
    [
        ("raise OSError('no space')", ["error: no space"], "3"),
        ("os.kill(os.getpid(), signal.SIGKILL)", None, str(-signal.SIGKILL)),
    ],
)
def test_a_process_that_fails_ends_all_and_the_reason_is_told_once(torchrun, tmp_path, failure, errors, exit_code):
    (tmp_path / "failure.py").write_text(FAILURE.format(failure=failure))

    done = torchrun(2, "failure.py", cwd=tmp_path)

    assert done.returncode != 0
    assert done.stderr.count("the first says so") == 1
    # Of a process that was killed, torchrun may tell before the other one notices.
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert errors is None or lines == errors
    assert len(lines) <= 1
    assert f"exitcode  : {exit_code} " in done.stderr
