"""Cells and the bank of shared weights: what another trial gets of what one has learned."""

import re

import torch

from enas_trainer.micro import config
from enas_trainer.micro.child import Child
from enas_trainer.micro.config import CellOptions
from enas_trainer.sharing.shared_weights import borrow, give_back
from tests.enas_trainer.micro.conftest import SMALL
from trial_runtime.seeds import generator

OTHER = [[1, 0, 1, 3, 1, 4, 2, 2], SMALL[1]]
"""Another node 3 of the normal cell reads input 1 in the place of node 2; so what is concatenated stays."""


def child(texts, rows=SMALL, seed=0, channels=4):
    return Child(config.read(*texts(rows), CellOptions(init_channels=channels)), generator(seed, "weights"))


@torch.no_grad()
def trained(texts, folder, rows=SMALL, seed=0):
    """Borrow, change every weight, and give back; return the child."""
    network = child(texts, rows, seed)
    loan = borrow(network, folder)
    noise = generator(seed, "noise")
    for weight in [*network.parameters(), *network.buffers()]:
        weight += torch.rand(weight.shape, generator=noise).to(weight.dtype) + 1
    give_back(loan, network, steps=10)
    return network


def borrowed(texts, folder, rows=SMALL, seed=9, channels=4):
    network = child(texts, rows, seed, channels)
    borrow(network, folder)
    return network


def same(network, other):
    """Names of weights that are the same in both."""
    theirs = other.state_dict()
    return {name for name, one in network.state_dict().items() if torch.equal(one, theirs[name])}


def test_the_parts_are_all_weights_each_once(texts):
    network = child(texts)
    entries = [weights for part in network.parts() for weights in part.entries.values()]
    assert sum(one.numel() for weights in entries for one in weights.values()) == sum(
        one.numel() for one in network.state_dict().values()
    )
    names = [name for part in network.parts() for name in part.entries]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9_.-]{1,200}", name) for name in names)
    assert "cell-001.node-2.of-1.separable_convolution_3x3.of-4x8x8" in names
    assert "cell-003.node-2.of-0.separable_convolution_3x3.of-16x4x4" in names
    assert "cell-003.node-2.of-0.separable_convolution_3x3.of-16x4x4.second" in names


def test_the_same_cells_begin_at_the_first_ones_weights(texts, tmp_path):
    given = trained(texts, tmp_path)
    names = given.state_dict().keys()
    assert same(borrowed(texts, tmp_path), given) == names
    assert same(child(texts), given) != names


def test_what_nobody_has_trained_is_the_same_for_every_trial(texts, tmp_path):
    first, second = (borrowed(texts, tmp_path, seed=seed) for seed in (1, 2))
    assert same(first, second) == first.state_dict().keys()


def test_other_cells_take_what_they_share_alone(texts, tmp_path):
    given = trained(texts, tmp_path)
    fresh, other = borrowed(texts, tmp_path / "empty", OTHER), borrowed(texts, tmp_path, OTHER)
    shared, new = same(other, given), same(other, fresh)
    # Of the same cell, node, source and operation.
    assert {name for name in other.state_dict() if name.startswith("network.cells.0.nodes.0.")} <= shared
    assert shared | new == other.state_dict().keys()


def test_what_reads_a_cell_shares_node_by_node(texts, tmp_path):
    """The second cell's output: node 3 alone, or node 2 beside it."""
    rows = [[1, 0, 1, 3, 0, 4, 2, 2], SMALL[1]], [[1, 0, 1, 3, 0, 4, 1, 2], SMALL[1]]
    given = trained(texts, tmp_path, rows[0])
    fresh, other = borrowed(texts, tmp_path / "empty", rows[1]), borrowed(texts, tmp_path, rows[1])
    ours, before, untrained = (one.network.cells[1].inputs[1][1].weight for one in (other, given, fresh))
    assert (before.shape[1], ours.shape[1]) == (4, 8)
    # Of what lies side by side the last four channels are node 3.
    assert torch.equal(ours[:, 4:], before)
    assert torch.equal(ours[:, :4], untrained[:, :4])


def test_another_width_shares_nothing(texts, tmp_path):
    trained(texts, tmp_path)
    fresh, other = (borrowed(texts, folder, channels=6) for folder in (tmp_path / "empty", tmp_path))
    assert same(other, fresh) == fresh.state_dict().keys()
