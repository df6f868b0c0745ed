"""The pages that are made from the code are those of the code."""

import pytest

from trial_runtime.images import datasets
from trial_runtime.text import corpora
from website import reference


@pytest.mark.parametrize("page", reference.PAGES)
def test_the_page_is_in_step(page: str) -> None:
    assert reference.path(page).read_text() == reference.text(page), "run: python -m website.reference"


def test_katib_nas_names_the_data_sets_of_the_trainers() -> None:
    """It imports no torch, so the names stand there once more."""
    images, texts = datasets.KNOWN.removesuffix(" or fake:N"), corpora.KNOWN.removesuffix(" or grammar:N")
    named = f"data set of the trials, whatever their command says: {images}; of text {texts} |"
    assert named in reference.path("flags_page").read_text()
