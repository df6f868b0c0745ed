import json

import pytest
import torch

from enas_trainer.architecture.fields import InvalidNetwork
from enas_trainer.retraining import config
from enas_trainer.retraining.config import NetworkSize, RetrainSettings
from katib_suggestion.errors import InvalidExperiment


def read(network_flags, *flags):
    return config.from_arguments([*network_flags, "--device=cpu", *flags])


def test_the_defaults_are_those_of_the_published_final_training(network_flags):
    trial = read(network_flags)
    assert trial.settings == RetrainSettings(
        num_epochs=310, batch_size=100, learning_rate=0.05, learning_rate_min=0.001, first_restart=10,
        restart_factor=2, momentum=0.9, weight_decay=4e-4, grad_clip=5.0, dropout=0.5, print_step=50,
    )  # fmt: skip
    assert trial.size == NetworkSize(width=1.0)
    assert (trial.data.cutout, trial.data.train_portion, trial.precision) == (0, 1.0, "fp32")
    assert trial.settings.rate(1) == trial.settings.rate(151) == 0.05
    assert trial.settings.rate(310) == pytest.approx(0.001, abs=1e-5)
    (group,) = trial.settings.optimiser([torch.nn.Parameter(torch.zeros(1))]).param_groups
    assert (group["nesterov"], group["momentum"], group["weight_decay"]) == (True, 0.9, 4e-4)


def test_every_number_is_a_flag(network_flags):
    trial = read(
        network_flags,
        *("--num-epochs=6", "--batch-size=7", "--learning-rate=1e-1", "--learning-rate-min=.01", "--first-restart=2"),
        *("--restart-factor=2", "--momentum=.5", "--weight-decay=0", "--grad-clip=0", "--dropout=0", "--print-step=3"),
        *("--width=2.5", "--cutout=4", "--train-portion=.9", "--precision=bf16", "--keep=best-validation", "--seed=5"),
    )
    assert trial.settings == RetrainSettings(
        num_epochs=6, batch_size=7, learning_rate=0.1, learning_rate_min=0.01, first_restart=2, restart_factor=2,
        momentum=0.5, weight_decay=0.0, grad_clip=0.0, dropout=0.0, print_step=3,
    )  # fmt: skip
    assert (trial.data.cutout, trial.precision, trial.keep, trial.seed) == (4, "bf16", "best-validation", 5)
    assert trial.widened.embedding[0].num_filter == 15
    assert trial.widened.embedding[4] == trial.network.embedding[4]


def test_what_a_trial_has_left_names_the_network(network_flags, tmp_path):
    expected = read(network_flags)
    record = {"architecture": [[0], [4, 1], [0, 0, 1]], "nn_config": expected.network.document()}
    (tmp_path / "architecture.json").write_text(json.dumps(record))
    found = read([f"--architecture={tmp_path}"])
    assert (found.architecture, found.network) == (expected.architecture, expected.network)
    assert found.configuration() | {"seed": 0} == expected.configuration() | {"seed": 0}


@pytest.mark.parametrize("num_epochs", [9, 31])
def test_a_training_that_ends_at_a_large_rate_is_warned_of(network_flags, caplog, num_epochs):
    read(network_flags, "--num-epochs=30")
    assert not caplog.records
    read(network_flags, f"--num-epochs={num_epochs}")
    assert "10, 30, 70, 150, 310 or 630" in caplog.text


@pytest.mark.parametrize(
    ("flags", "error", "message"),
    [
        (["--dropout=1"], InvalidExperiment, "--dropout: '1' is not allowed: it must be a number >= 0 and < 1"),
        (["--restart-factor=0"], InvalidExperiment, "--restart-factor: '0' is not allowed"),
        (["--momentum=0"], InvalidExperiment, "--momentum: '0' is not allowed"),
        (["--width=wide"], InvalidExperiment, "--width: 'wide' is not allowed"),
        (["--architecture=[[1]]"], InvalidNetwork, "architecture"),
        (["--keep=best-validation"], ValueError, "--keep: best-validation is not allowed: no images"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(network_flags, flags, error, message):
    with pytest.raises(error, match=message):
        read(network_flags, *flags)
