"""Genotypes as users name them: by a file, or by the text itself."""

from pathlib import Path
from typing import IO

from darts_genotype import call_text, forms
from darts_genotype.genotype import GenotypeError
from darts_genotype.recurrent import AnyGenotype


def load(text: str) -> AnyGenotype:
    """Read a genotype from a text in any form, or else from the file of that name.

    Raises:
        GenotypeError: the file cannot be read, or what it holds is no genotype.
    """
    if call_text.START in text or text.lstrip().startswith("{") or "\0" in text:  # which no file's name has
        return forms.read(text)
    try:
        with Path(text).open("rb") as file:
            return forms.read(text_of(file, text))
    except OSError as error:
        raise GenotypeError("file", text, f"it must be a genotype or a file with one ({error.strerror})") from error


def text_of(file: IO[bytes], name: str) -> str:
    """Read a file, but no more of it than shows that a text is too long.

    Raises:
        GenotypeError: it is no text.
    """
    try:
        # A character has at most four bytes.
        return file.read(4 * (forms.MAX_CHARACTERS + 1)).decode()
    except UnicodeDecodeError as error:
        raise GenotypeError("file", name, "it must be text in UTF-8") from error
