import torch

from trial_runtime import seeds


def test_a_stream_depends_on_seed_and_name_alone():
    first = torch.rand(4, generator=seeds.generator(1, "weights"))

    assert torch.equal(first, torch.rand(4, generator=seeds.generator(1, "weights")))
    assert not torch.equal(first, torch.rand(4, generator=seeds.generator(1, "batches")))
    assert not torch.equal(first, torch.rand(4, generator=seeds.generator(2, "weights")))


def test_a_stream_is_the_same_in_every_process_and_release():
    # Drawn once and written down: a change of the hash would change what a seed means.
    assert torch.randint(10**6, (3,), generator=seeds.generator(0, "weights")).tolist() == [18134, 885718, 588267]


def test_fresh_seeds_differ_and_fit_a_flag():
    drawn = {seeds.fresh_seed() for _ in range(20)}

    assert len(drawn) == 20
    assert all(0 <= seed < 2**32 for seed in drawn)
