"""Genotypes as users name them: by a file, or by the text itself."""

from pathlib import Path
from typing import IO

from darts_genotype import finding, forms
from darts_genotype.genotype import GenotypeError
from darts_genotype.recurrent import AnyGenotype
from katib_suggestion.files import result_files
from katib_suggestion.files.user_paths import user_path

RECORD = "genotype.json"
"""What a search leaves in its output folder."""

_PLACES = (RECORD, "architecture.json", "output.log")
"""Where it is in a search's folder, that of a trial of ``katib-nas run``, or that of its run; what a trial of ENAS was
asked for; or what a search printed."""


def load(text: str, *, base: Path | None = None, name: str | None = None, last: bool = False) -> AnyGenotype:
    """Read a genotype from a text in any form, or else from the file of that name, or that of a folder.

    Args:
        text: see above. A folder is that of a search's output, of a trial, or of a run, whose best trial it is then.
        base: the folder that a relative name counts from; None for the working directory.
        name: see `forms.read`.
        last: see `forms.read`.

    Raises:
        GenotypeError: the file cannot be read, or what it holds is no genotype.
    """
    if finding.START in text or text.lstrip().startswith("{") or "\0" in text:  # which no file's name has
        return forms.read(text, name=name, last=last)
    try:
        with result_files.find(Path(base or "", user_path(text)), *_PLACES).open("rb") as file:
            return forms.read(text_of(file, text), name=name, last=last)
    except (OSError, result_files.NotFound) as error:
        why = error.strerror if isinstance(error, OSError) else error
        allowed = f"it must be a genotype, or a file or a trial's folder with one ({why})"
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
