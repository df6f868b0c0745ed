import json
import re

import pytest
import torch
from torch import nn

from enas_trainer.macro import config
from enas_trainer.macro.child import Child
from enas_trainer.sharing.shared_weights import Loan, borrow, folder_for, give_back
from katib_suggestion.parsing import assignment
from trial_runtime.images import datasets
from trial_runtime.seeds import generator

OPERATIONS = [
    ("convolution", {"filter_size": 3, "num_filter": 6, "stride": 1}),
    ("separable_convolution", {"filter_size": 3, "num_filter": 6, "stride": 1, "depth_multiplier": 1}),
    ("depthwise_convolution", {"filter_size": 3, "stride": 1, "depth_multiplier": 2}),
    ("reduction", {"reduction_type": "max_pooling", "pool_size": 2}),
]
JOINED = [[0], [0, 1], [0, 0, 1], [3, 0, 0, 1]]


def _nn_config(rows):
    embedding = {
        str(i): {"opt_id": i, "opt_type": kind, "opt_params": params} for i, (kind, params) in enumerate(OPERATIONS)
    }
    sizes = {"num_layers": len(rows), "input_sizes": [8, 8, 3], "output_sizes": [10]}
    return assignment.encode({**sizes, "embedding": embedding})


def _child(rows, seed=0):
    return Child(*config.read(str(rows), _nn_config(rows)), generator(seed, "weights"))


def _folder(bank, rows, images, **changes):
    _, network = config.read(str(rows), _nn_config(rows))
    sizes = {"num_layers": network.num_layers, "output_sizes": network.output_sizes, "dataset": images.name} | changes
    return folder_for(bank, sizes, images.name, [images.images_nchw, images.labels_n])


def _trained(folder, rows, seed=0, steps=10):
    """Borrow, change every weight, and give back; return the child."""
    child = _child(rows, seed)
    loan = borrow(child, folder)
    _train(child, seed)
    give_back(loan, child, steps)
    return child


@torch.no_grad()
def _train(child, seed):
    noise = generator(seed, "noise")
    for weight in [*child.parameters(), *child.buffers()]:
        weight += torch.rand(weight.shape, generator=noise).to(weight.dtype) + 1


def _borrowed(folder, rows, seed=9):
    child = _child(rows, seed)
    borrow(child, folder)
    return child


def _equal(module, other):
    ours, theirs = module.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_child_gets_back_all_that_it_gave(tmp_path):
    given = _trained(tmp_path, JOINED)

    assert _equal(_borrowed(tmp_path, JOINED), given)
    assert not _equal(_child(JOINED), given)


def test_what_nobody_has_trained_is_the_same_for_every_trial(tmp_path):
    first, second = _borrowed(tmp_path, JOINED, seed=1), _borrowed(tmp_path, JOINED, seed=2)

    assert _equal(first, second)
    layers = [layer.operation[0].weight for layer in first.layers[1:3]]
    assert not torch.equal(*layers)


def test_another_architecture_gets_what_it_has_in_common(tmp_path):
    given = _trained(tmp_path, [[0], [0, 0], [0, 0, 0], [0, 0, 0, 0]])
    other = _borrowed(tmp_path, [[0], [1, 0], [0, 0, 0], [3, 0, 0, 0]])
    fresh = _borrowed(tmp_path / "empty", [[0], [1, 0], [0, 0, 0], [3, 0, 0, 0]])

    assert _equal(other.layers[0], given.layers[0])
    assert _equal(other.layers[1], fresh.layers[1])  # another operation
    assert _equal(other.layers[2], given.layers[2])
    assert _equal(other.head, fresh.head)  # it reads a map of another size


def test_joins_share_what_they_make_of_each_source(tmp_path):
    given = _trained(tmp_path, [[0], [0, 0], [0, 1, 1]])
    other = _borrowed(tmp_path, [[0], [0, 0], [0, 0, 1]])

    assert _equal(other.layers[2].operation, given.layers[2].operation)
    joined, before = other.layers[2].projection[0].weights, given.layers[2].projection[0].weights
    assert list(joined) == ["2", "1"]
    assert torch.equal(joined["2"], before["2"])
    assert torch.equal(joined["1"], before["1"])
    assert not _equal(other.layers[2].projection[1], given.layers[2].projection[1])


def test_batch_statistics_belong_to_the_weights(tmp_path):
    given = _trained(tmp_path, JOINED)
    norms = [module for module in _borrowed(tmp_path, JOINED).modules() if isinstance(module, nn.BatchNorm2d)]

    assert all((norm.running_mean >= 1).all() and norm.num_batches_tracked >= 1 for norm in norms)
    assert len(norms) == sum(isinstance(module, nn.BatchNorm2d) for module in given.modules())


def test_trials_that_end_at_once_are_averaged(tmp_path):
    loans = []
    for seed, steps in ((1, 10), (2, 30)):
        child = _child(JOINED, seed)
        loans.append((borrow(child, tmp_path), child, steps))
    for seed, (loan, child, steps) in enumerate(loans):
        _train(child, seed)
        give_back(loan, child, steps)

    weight = _borrowed(tmp_path, JOINED).layers[1].operation[0].weight
    first, second = (child.layers[1].operation[0].weight for _, child, _ in loans)
    torch.testing.assert_close(weight, (10 * first + 30 * second) / 40)


def test_a_trial_that_was_resumed_gives_back_once(tmp_path):
    child = _child(JOINED)
    loan = borrow(child, tmp_path)
    _train(child, 0)
    resumed = Loan.resumed(json.loads(json.dumps(loan.state())), loan.folder)
    give_back(loan, child, steps=10)  # and is killed before it could say so
    later = _trained(tmp_path, JOINED, seed=5)

    give_back(resumed, child, steps=10)

    assert _equal(_borrowed(tmp_path, JOINED), later)
    assert resumed == loan


def test_weights_that_are_not_finite_stay_out(tmp_path, caplog):
    child = _child(JOINED)
    loan = borrow(child, tmp_path)
    nn.init.constant_(child.head.bias, torch.inf)

    give_back(loan, child, steps=10)

    assert list(tmp_path.iterdir()) == []
    assert "a weight is not finite" in caplog.text


def test_a_folder_that_refuses_costs_a_warning(tmp_path, caplog):
    (tmp_path / "file").touch()
    child = _child(JOINED)
    folder = _folder(tmp_path / "file", JOINED, datasets.load("fake:4", None))

    loan = borrow(child, folder)
    give_back(loan, child, steps=10)

    assert {record.levelname for record in caplog.records} == {"WARNING"}
    assert all("weights cannot be shared" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("change", ["layers", "images", "labels", "classes"])
def test_other_search_spaces_and_data_have_folders_of_their_own(tmp_path, change):
    images = datasets.load("fake:4", None)
    folder = _folder(tmp_path, JOINED, images)
    assert _folder(tmp_path, JOINED, images) == folder

    rows, changes = JOINED, {}
    if change == "layers":
        rows = JOINED[:-1]
    elif change == "images":
        images.images_nchw[0, 0, 0, 0] ^= 1
    elif change == "labels":
        images.labels_n[0] ^= 1
    else:
        changes = {"output_sizes": (11,)}

    other = _folder(tmp_path, rows, images, **changes)
    assert other != folder
    assert sorted(tmp_path.iterdir()) == sorted([folder, other])


def test_a_bank_says_what_it_is_for(tmp_path):
    folder = _folder(tmp_path, JOINED, datasets.load("fake:4", None))

    described = json.loads((folder / "bank.json").read_text())
    assert described["num_layers"] == 4
    assert described["dataset"] == "fake:4"
    assert [path.name for path in folder.iterdir()] == ["bank.json"]


def test_entries_have_names_for_every_file_system(tmp_path):
    rows = [[1], [1, 0], [1, 0, 1], *([1, *[0] * layer] for layer in range(3, 39)), [1, *[1] * 39]]
    _trained(tmp_path, rows)

    names = [path.name for path in tmp_path.iterdir()]
    assert "layer-002.separable_convolution.filter_size-3.num_filter-6.stride-1.depth_multiplier-1.of-6x8x8" in names
    assert "layer-003.join-001.of-6x8x8.to-6x8x8" in names
    assert "head.of-6x8x8" in names
    assert all(re.fullmatch(r"[a-z0-9_.-]{1,200}", name) for name in names)


JOINED_SCRIPT = """
import sys
from pathlib import Path

import torch

from enas_trainer.macro import config
from enas_trainer.macro.child import Child
from enas_trainer.sharing.shared_weights import borrow
from trial_runtime.processes import processes
from trial_runtime import seeds

folder, architecture, nn_config = sys.argv[1:]
group = processes.here()
with group.joined(torch.device("cpu")):
    child = Child(*config.read(architecture, nn_config), seeds.generator(group.rank, "weights"))
    bank = Path(folder) / "bank" if group.is_first else Path(folder) / "nothing"
    borrow(child, bank, group)
    torch.save(child.state_dict(), Path(folder) / f"{group.rank}.pt")
"""


def test_processes_that_train_together_all_get_what_the_first_takes(tmp_path, torchrun):
    given = _trained(tmp_path / "bank", JOINED)
    (tmp_path / "joined.py").write_text(JOINED_SCRIPT)

    done = torchrun(2, tmp_path / "joined.py", tmp_path, JOINED, _nn_config(JOINED), cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    for rank in range(2):
        state = torch.load(tmp_path / f"{rank}.pt")
        assert all(torch.equal(state[name], weights) for name, weights in given.state_dict().items())


@pytest.mark.parametrize(
    "state",
    [
        {"trial": "0" * 16, "taken": {"head": {"history": {}, "files": ["../../genotype.json"]}}},
        {"trial": "0" * 16, "taken": {"head": {"history": {}, "files": ["../other.safetensors"]}}},
        {"trial": "../x", "taken": {}},
    ],
)
def test_a_loan_out_of_the_bank_is_refused(state, tmp_path):
    with pytest.raises(ValueError, match="is no"):
        Loan.resumed(state, tmp_path)
