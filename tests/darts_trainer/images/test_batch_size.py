import json
import logging
import random
from dataclasses import replace

import pytest
import torch

from darts_trainer.images import batch_size, config
from darts_trainer.images.batch_size import Steps, largest, largest_that_fits
from katib_suggestion.errors import InvalidExperiment
from trial_runtime import seeds
from trial_runtime.processes.processes import ALONE

SIZES = [2, 4, 8, *range(16, 1025, 16)]


def searching(peak_of_batch, budget):
    """What is found, and which sizes were tried, on a device that refuses what takes more than the budget."""
    tried = []

    def peak_of(size):
        tried.append(size)
        peak = peak_of_batch(size)
        return None if peak > budget else int(peak)

    return largest(SIZES, peak_of, budget), tried


@pytest.mark.parametrize(("limit", "expected"), [(1, None), (2, 2), (7, 4), (100, 96), (112, 112), (5000, 1024)])
def test_the_largest_that_fits_where_memory_grows_in_a_line(limit, expected):
    found, tried = searching(lambda size: 1000 + 50 * size, 1000 + 50 * limit)
    assert found == expected
    assert len(tried) <= 7
    # Once two sizes tell the line, nothing is tried that does not fit.
    assert limit < 8 or max(tried) == expected


def test_no_curve_makes_it_take_what_does_not_fit_or_less_than_half_of_what_does():
    generator = random.Random(0)
    for _ in range(300):
        fixed, slope = generator.uniform(0, 1e6), generator.uniform(1, 1e4)
        power = generator.uniform(0.8, 1.3)
        budget = generator.uniform(0, 1e7)

        def peak_of_batch(size, fixed=fixed, slope=slope, power=power):
            return fixed + slope * size**power

        found, tried = searching(peak_of_batch, budget)
        most = max((size for size in SIZES if peak_of_batch(size) <= budget), default=None)
        assert (found is None) == (most is None)
        assert found is None or most / 2 <= found <= most
        assert len(tried) <= 14


def test_a_promise_that_is_broken_is_made_good_by_halving():
    found, _ = searching(lambda size: size if size <= 300 else 10**9, 1000)
    assert found == 288


def trial(*flags, **settings):
    sizes = {"num_nodes": "1", "init_channels": "2", "stem_multiplier": "1"}
    text = json.dumps(sizes | settings).replace('"', "'")
    space = "['max_pooling_3x3','skip_connection']"
    argv = [f"--algorithm-settings={text}", f"--search-space={space}", "--num-layers=1", "--device=cpu", *flags]
    return config.from_arguments(argv)


def images_of(asked):
    return asked.data.load(seeds.generator(asked.seed, "subset"))


def test_steps_are_taken_until_memory_is_refused_and_again_afterwards():
    asked = trial("--dataset=fake:16", batch_size=None)
    budget = 400 * 2**20
    with Steps(asked, images_of(asked), budget, replay=False) as steps:
        assert 0 < steps.peak_of(2) < steps.peak_of(64) <= budget
        assert steps.peak_of(4096) is None
        assert "memory" in steps.refusal
        assert steps.peak_of(2) <= budget


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_steps_that_are_recorded_are_measured_as_such():
    asked = replace(trial("--dataset=fake:16", batch_size=None), device=torch.device("cuda"))
    peaks = []
    for replay in (False, True):
        with Steps(asked, images_of(asked), 2**33, replay=replay) as steps:
            peaks.append(steps.peak_of(64))
            assert steps.peak_of(64) is not None, steps.refusal
    assert peaks[0] < peaks[1]


@pytest.mark.parametrize(("num_images", "expected"), [(16, 2), (200, 8), (600, 32), (10**6, 1024)])
def test_an_epoch_keeps_some_steps(num_images, expected):
    assert batch_size._sizes(batch_size._most(num_images, 0.5))[-1] == expected


def test_where_memory_cannot_be_limited_a_number_is_asked_for():
    asked = trial("--dataset=fake:16", batch_size=None)
    elsewhere = replace(asked, device=torch.device("mps"))
    with pytest.raises(InvalidExperiment, match=r"batch_size: None is not allowed: how much fits .* on mps"):
        largest_that_fits(elsewhere, images_of(asked), ALONE)


def test_the_batch_is_told(caplog):
    asked = trial("--dataset=fake:64", batch_size=None)
    with caplog.at_level(logging.INFO):
        assert largest_that_fits(asked, images_of(asked), ALONE) == 4
    assert "batch_size None: the largest that fits has 4 images" in caplog.text
    assert "=" not in caplog.text
