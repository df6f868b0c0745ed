"""Files that a trial has left, by the folder that a user names. Standard library only: trainers read them, too."""

from pathlib import Path

ARTIFACTS = "artifacts"
"""In the folder of a trial: what it wrote for keeps."""
BEST = "best"
"""In the folder of a run: leads to its best trial."""


class NotFound(LookupError):
    """A folder does not hold what it should, or several and not which is meant."""


def find(path: Path, name: str) -> Path:
    """Return a file or, in a folder, the file of that name: a trainer's, a trial's, or that of a run's best trial.

    Args:
        path: a file, or a trainer's output folder, a trial's folder, or a run's; it may be missing.
        name: of the file.

    Raises:
        NotFound: the folder has no such file, or is a run's with several trials and no `BEST`.
    """
    if not path.is_dir():
        return path
    for folder in (path, path / ARTIFACTS, path / BEST / ARTIFACTS):
        if (folder / name).is_file():
            return folder / name
    of_trials = sorted(path.glob(f"trials/*/{ARTIFACTS}/{name}"))
    if len(of_trials) > 1:
        raise NotFound(f"a folder of {len(of_trials)} trials without {BEST}: name that of one")
    if not of_trials:
        raise NotFound(f"a folder without {name}")
    return of_trials[0]
