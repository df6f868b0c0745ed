import pytest

from trial_runtime.images.splits import Split, mentioned, named


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("Train", Split.TRAINING),
        ("train2017", Split.TRAINING),
        ("TrainImages", Split.TRAINING),
        ("data_train", Split.TRAINING),
        ("TEST", Split.TEST),
        ("testset", Split.TEST),
        ("Hold-Out", Split.TEST),
        ("val", Split.VALIDATION),
        ("Development Set", Split.VALIDATION),
        ("contest", None),
        ("data", None),
        ("seg_train", None),
        ("bullet train", None),
        ("1", None),
    ],
)
def test_a_part_is_known_by_its_whole_name(name, split):
    assert named(name) is split


@pytest.mark.parametrize(
    ("name", "split"), [("seg_train", Split.TRAINING), ("xTest", Split.TEST), ("latest", None), ("pred", None)]
)
def test_a_part_may_be_mentioned_among_other_words(name, split):
    assert mentioned(name) is split
