import pytest

from darts_trainer.images.config import from_arguments
from darts_trainer.images.variants import Variants
from trial_runtime.command_line import CommandLineError

CONVOLUTIONS = "'separable_convolution_3x3', 'dilated_convolution_3x3'"
SEARCH_SPACE = f"[{CONVOLUTIONS}, 'max_pooling_3x3', 'skip_connection']"
SETTINGS = "{'num_epochs': '20', 'num_nodes': '2', 'init_channels': '12'}"


def read(*flags, search_space=SEARCH_SPACE):
    katibs = [f"--algorithm-settings={SETTINGS}", f"--search-space={search_space}", "--num-layers=3"]
    return from_arguments([*katibs, *flags]).variants


def test_without_flags_the_search_is_the_papers():
    assert read() == Variants(
        alpha_warmup_epochs=0, stop_at_skips=None, stop_when_stable=None, partial_channels=None, auxiliary_skip=False
    )


def test_each_flag_is_read():
    flags = [
        "--alpha-warmup-epochs=5",
        "--stop-at-skips=2",
        "--stop-when-stable=10",
        "--partial-channels=4",
        "--auxiliary-skip",
    ]
    assert read(*flags) == Variants(
        alpha_warmup_epochs=5, stop_at_skips=2, stop_when_stable=10, partial_channels=4, auxiliary_skip=True
    )


@pytest.mark.parametrize(
    ("flags", "search_space", "message"),
    [
        (["--alpha-warmup-epochs=20"], SEARCH_SPACE, "--alpha-warmup-epochs: 20 .* below num_epochs, which is 20"),
        (["--alpha-warmup-epochs=-1"], SEARCH_SPACE, "--alpha-warmup-epochs: '-1'"),
        (["--stop-at-skips=0"], SEARCH_SPACE, "--stop-at-skips: '0'"),
        (["--stop-at-skips=5"], SEARCH_SPACE, "--stop-at-skips: 5 .* of 2 nodes has 4 edges"),
        (["--stop-at-skips=2"], f"[{CONVOLUTIONS}]", "--stop-at-skips: 2 .* has no skip_connection"),
        (["--stop-at-skips=2"], "['skip_connection']", "--stop-at-skips: 2 .* stop at once"),
        (["--auxiliary-skip"], f"[{CONVOLUTIONS}]", "--auxiliary-skip: the search space has no skip_connection"),
        (["--stop-when-stable=20"], SEARCH_SPACE, "--stop-when-stable: 20 .* move in 20 epochs"),
        (["--stop-when-stable=10", "--alpha-warmup-epochs=10"], SEARCH_SPACE, "--stop-when-stable: 10 .* in 10 epochs"),
        (["--partial-channels=5"], SEARCH_SPACE, "--partial-channels: 5 .* divide init_channels, which is 12"),
        (["--partial-channels=24"], SEARCH_SPACE, "--partial-channels: 24 .* divide init_channels, which is 12"),
        (["--partial-channels=0"], SEARCH_SPACE, "--partial-channels: '0'"),
        (
            ["--stop-when-stable=10"],
            "['separable_convolution_3x3', 'skip_connection']",
            "--stop-when-stable: 10 .* no two operations with weights",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(flags, search_space, message):
    with pytest.raises(CommandLineError, match=message):
        read(*flags, search_space=search_space)


def test_what_just_makes_sense_is_read():
    assert read("--alpha-warmup-epochs=19").alpha_warmup_epochs == 19
    assert read("--stop-at-skips=4").stop_at_skips == 4
    assert read("--stop-when-stable=19").stop_when_stable == 19
    assert read("--partial-channels=12").partial_channels == 12
