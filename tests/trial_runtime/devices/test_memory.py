import os

import pytest
import torch

from tests.warm_python import with_torch
from trial_runtime.devices import memory

MIB = 2**20
CPU = torch.device("cpu")


@pytest.fixture
def machine(tmp_path):
    """A machine with 1,000 MiB to give, whose control groups a test fills: where /proc and /sys/fs/cgroup would be."""

    def set_up(lines, groups):
        proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
        (proc / "self").mkdir(parents=True)
        (proc / "meminfo").write_text(f"MemTotal: {4000 * 1024} kB\nMemAvailable:   {1000 * 1024} kB\n")
        (proc / "self/cgroup").write_text("".join(f"{line}\n" for line in lines))
        for folder, files in groups.items():
            (cgroups / folder).mkdir(parents=True, exist_ok=True)
            for name, text in files.items():
                (cgroups / folder / name).write_text(f"{text}\n")
        return memory.available_to_cpu(proc, cgroups) / MIB

    return set_up


def version_2(limit, used, cache=0):
    limit = limit if limit == "max" else limit * MIB
    return {"memory.max": limit, "memory.current": used * MIB, "memory.stat": f"anon 5\ninactive_file {cache * MIB}"}


def version_1(limit, used, cache=0):
    return {
        "memory.limit_in_bytes": limit * MIB,
        "memory.usage_in_bytes": used * MIB,
        "memory.stat": f"inactive_file 0\ntotal_inactive_file {cache * MIB}",
    }


def test_without_a_limit_the_machine_decides(machine):
    assert machine(["0::/"], {}) == 1000


def test_a_container_of_version_2(machine):
    assert machine(["0::/"], {"": version_2(800, 500, cache=100)}) == 400


def test_a_group_without_a_limit_is_in_one_with_one(machine):
    groups = {"a": version_2(700, 400), "a/b": version_2("max", 300), "c": version_2(1, 1)}
    assert machine(["0::/a/b"], groups) == 300


def test_a_container_of_version_1_sees_a_path_that_is_that_outside_of_it(machine):
    lines = ["5:cpu,cpuacct:/kubepods/pod1", "4:memory:/kubepods/pod1"]
    assert machine(lines, {"memory": version_1(600, 250, cache=50)}) == 400


def test_no_limit_of_version_1_is_a_number_beyond_all(machine):
    assert machine(["4:memory:/a"], {"memory": version_1(2**43, 0), "memory/a": version_1(2**43, 0)}) == 1000


def test_a_group_that_is_full_leaves_nothing(machine):
    assert machine(["0::/"], {"": version_2(100, 150)}) == 0


def test_this_machine_has_memory():
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert memory.can_limit(CPU)
    assert 0 < memory.available(CPU) <= physical


def test_only_cpus_and_cuda_devices_can_be_limited():
    assert not memory.can_limit(torch.device("mps"))


LIMITED = """
import torch
from trial_runtime.devices.memory import Limit

MIB = 2**20
torch.set_num_threads(1)  # every other one reserves address space, too
limit = Limit(torch.device("cpu"), 200 * MIB)
kept = torch.zeros(100 * MIB, dtype=torch.uint8)
assert 100 * MIB <= limit.peak() < 120 * MIB, limit.peak()
try:
    torch.zeros(150 * MIB, dtype=torch.uint8)
except RuntimeError as error:
    assert "DefaultCPUAllocator" in str(error)
    print("refused")
del kept
torch.zeros(150 * MIB, dtype=torch.uint8)
assert 150 * MIB <= limit.peak() <= 200 * MIB, limit.peak()
"""


def test_beyond_its_limit_a_process_is_refused_memory_and_lives():
    done = with_torch.run("-c", LIMITED)
    assert (done.returncode, done.stdout) == (0, "refused\n"), done.stderr
