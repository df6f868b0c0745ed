import pytest
import torch

from darts_genotype import forms
from darts_genotype.genotype import GenotypeError
from darts_trainer.retraining import config
from darts_trainer.retraining.config import NetworkSize, RetrainSettings
from darts_trainer.retraining.enas_recipe import EnasSettings, EnasSize
from katib_suggestion.errors import InvalidExperiment
from trial_runtime.command_line import CommandLineError


def read(genotype, *flags):
    return config.from_arguments(["--genotype", str(genotype), "--device=cpu", *flags])


def test_the_defaults_are_the_papers(example):
    trial = read(example)
    assert trial.size == NetworkSize(num_layers=20, init_channels=36, stem_multiplier=3)
    assert trial.settings == RetrainSettings(
        num_epochs=600,
        batch_size=96,
        learning_rate=0.025,
        learning_rate_min=0.0,
        momentum=0.9,
        weight_decay=3e-4,
        grad_clip=5.0,
        drop_path=0.2,
        auxiliary_weight=0.4,
        print_step=50,
    )
    assert (trial.data.cutout, trial.data.train_portion, trial.precision) == (16, 1.0, "fp32")


CELLS_OF_ENAS = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 0)], normal_concat=[1, 2], "
    "reduce=[('skip_connect', 1), ('max_pool_3x3', 0)], reduce_concat=[2])"
)


def test_cells_of_enas_are_trained_by_its_recipe_and_each_by_the_other_on_request(example):
    trial = read(CELLS_OF_ENAS)
    assert trial.size == EnasSize(num_layers=17, init_channels=36, stem_multiplier=3)
    assert trial.settings == EnasSettings(
        num_epochs=630,
        batch_size=144,
        learning_rate=0.05,
        learning_rate_min=1e-4,
        first_restart=10,
        restart_factor=2,
        momentum=0.9,
        weight_decay=4e-4,
        grad_clip=5.0,
        drop_path=0.4,
        dropout=0.2,
        auxiliary_weight=0.4,
        print_step=50,
    )
    assert read(CELLS_OF_ENAS, "--recipe=darts").settings == RetrainSettings()
    assert read(example, "--recipe=enas", "--dropout=.5").settings == EnasSettings(dropout=0.5)
    assert trial.settings.optimiser([torch.nn.Parameter(torch.zeros(1))]).defaults["nesterov"]
    # Of the published cosines the last rises at epoch 311, and ends with 630.
    rates = [trial.settings.rate(epoch) for epoch in (1, 10, 11, 310, 311, 630)]
    assert rates == pytest.approx([0.05, 1.32e-3, 0.05, 1.048e-4, 0.05, 1.012e-4], rel=1e-2)
    assert trial.configuration()["settings.dropout"] == 0.2
    assert "settings.dropout" not in read(example).configuration()


def test_an_epoch_too_early_or_late_is_warned_of(caplog):
    read(CELLS_OF_ENAS, "--num-epochs=30")
    assert caplog.text == ""
    read(CELLS_OF_ENAS, "--num-epochs=31")
    assert "--num-epochs 31 ends while the learning rate is still large" in caplog.text


@pytest.mark.parametrize("flag", ["--dropout=.1", "--first-restart=5", "--restart-factor=3"])
def test_what_belongs_to_the_recipe_of_enas_is_refused_with_the_other(example, flag):
    name, _, value = flag.partition("=")
    with pytest.raises(CommandLineError, match=rf"{name}: {value} is not allowed: .*--recipe enas"):
        read(example, flag)


def test_every_number_is_a_flag(example):
    trial = read(
        example,
        *("--num-layers=5", "--init-channels", "8", "--stem-multiplier=1", "--num-epochs=2", "--batch-size=7"),
        *("--learning-rate=1e-1", "--learning-rate-min=.01", "--momentum=0", "--weight-decay=0", "--grad-clip=0"),
        *("--drop-path=0.5", "--auxiliary-weight=0", "--print-step=3", "--cutout=0", "--train-portion=.9"),
        *("--precision=bf16", "--seed=5"),
    )
    assert trial.size == NetworkSize(num_layers=5, init_channels=8, stem_multiplier=1)
    assert (trial.settings.learning_rate, trial.settings.learning_rate_min) == (0.1, 0.01)
    assert (trial.settings.drop_path, trial.settings.auxiliary_weight) == (0.5, 0.0)
    assert (trial.precision, trial.seed, trial.data.train_portion) == ("bf16", 5, 0.9)


def test_a_genotype_is_a_text_or_a_file_in_any_form(example, tmp_path):
    expected = forms.read(example)
    texts = [write(expected) for write in forms.WRITERS.values()]
    file = tmp_path / "genotype"
    for text in (example, *texts):
        file.write_text(text)
        # A manifest's double quotes reach a trial that no shell has read.
        assert read(text).genotype == read(f'"{text}"').genotype == read(file).genotype == expected


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--learning-rate=fast"], "--learning-rate: 'fast' is not allowed: it must be a number >= 0 and <= 1e.30"),
        (["--drop-path=1.5"], "--drop-path: '1.5' is not allowed: it must be a number >= 0 and <= 1"),
        (["--num-layers=0"], "--num-layers: '0' is not allowed: it must be an integer >= 1"),
    ],
)
def test_a_number_out_of_bounds_is_refused_by_the_name_of_its_flag(example, flags, message):
    with pytest.raises(InvalidExperiment, match=message):
        read(example, *flags)


def test_what_is_no_genotype_is_refused(tmp_path):
    with pytest.raises(GenotypeError, match=r"file: 'nowhere.json' is not allowed: it must be a genotype, or a file"):
        read("nowhere.json")
    with pytest.raises(GenotypeError):
        read("Genotype(normal=__import__('os'))")
    broken = tmp_path / "genotype.json"
    broken.write_text('{"version": ')
    with pytest.raises(GenotypeError):
        read(broken)
