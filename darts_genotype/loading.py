"""Genotypes as users name them: by a file, or by the text itself."""

from typing import IO

from darts_genotype import finding, forms
from darts_genotype.genotype import GenotypeError
from darts_genotype.recurrent import AnyGenotype
from katib_suggestion.user_paths import user_path

_RECORD = "genotype.json"
"""What a search leaves in its output folder."""

_PLACES = (_RECORD, f"artifacts/{_RECORD}", "output.log")
"""Where it is in a search's output folder, and in that of a trial of ``katib-nas run``; or what that printed."""


def load(text: str, *, name: str | None = None, last: bool = False) -> AnyGenotype:
    """Read a genotype from a text in any form, or else from the file of that name, or that of a search's folder.

    Args:
        text: see above.
        name: see `forms.read`.
        last: see `forms.read`.

    Raises:
        GenotypeError: the file cannot be read, or what it holds is no genotype.
    """
    if finding.START in text or text.lstrip().startswith("{") or "\0" in text:  # which no file's name has
        return forms.read(text, name=name, last=last)
    try:
        path = user_path(text)
        if path.is_dir():
            path = next((path / place for place in _PLACES if (path / place).is_file()), path / _RECORD)
        with path.open("rb") as file:
            return forms.read(text_of(file, text), name=name, last=last)
    except OSError as error:
        allowed = f"it must be a genotype, or a file or a trial's folder with one ({error.strerror})"
        raise GenotypeError("file", text, allowed) from error


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
