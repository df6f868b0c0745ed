"""What 0.2.0 wrote in forms of its own is read."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from darts_genotype import loading
from darts_genotype.recurrent import RecurrentGenotype
from enas_trainer import predictor
from katib_local.commands.cli import main

KEPT = Path(__file__).parents[2] / "data/0.2.0"


def test_a_recurrent_genotype() -> None:
    genotype = loading.load(str(KEPT / "recurrent-search"))
    assert isinstance(genotype, RecurrentGenotype)
    assert len(genotype.recurrent) == 2


def test_the_cells_of_a_trial(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["architecture", "show", str(KEPT / "cells-trial")]) == 0
    assert "max_pooling_3x3" in capsys.readouterr().out


def test_a_trained_macro_network_classifies_as_it_did() -> None:
    images = np.load(KEPT.parent / "0.1.0/trainers/images.npz")["x"][:4]
    found = predictor.load(KEPT / "macro-network").probabilities(torch.from_numpy(images).reshape(4, 1, 8, 8))
    told = torch.tensor(json.loads((KEPT / "macro-network/probabilities.json").read_text()))
    torch.testing.assert_close(found, told, rtol=1e-5, atol=1e-6)
