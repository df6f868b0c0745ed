"""The pages that are made from the code are those of the code."""

import pytest

from website import reference


@pytest.mark.parametrize("page", reference.PAGES)
def test_the_page_is_in_step(page: str) -> None:
    assert reference.path(page).read_text() == reference.text(page), "run: python -m website.reference"
