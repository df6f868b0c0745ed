"""Files that a trial has left, by the folder that a user names. Standard library only: trainers read them, too."""

from pathlib import Path

ARTIFACTS = "artifacts"
"""In the folder of a trial: what it wrote for keeps."""
BEST = "best"
"""In the folder of a run: leads to its best trial."""


class NotFound(LookupError):
    """A folder does not hold what it should, or several and not which is meant."""


def find(path: Path, *names: str) -> Path:
    """Return a file or, in a folder, the file of a name: a trainer's, a trial's, or that of a run's best trial.

    Args:
        path: a file, or a trainer's output folder, a trial's folder, or a run's; it may be missing.
        names: of the file; the first that is there.

    Raises:
        NotFound: the folder has no such file, or is a run's with several trials and no `BEST`.
    """
    if not path.is_dir():
        return path
    folders = [path, path / ARTIFACTS, path / BEST, path / BEST / ARTIFACTS]
    of_trials = sorted(path.glob("trials/*/"))
    if len(of_trials) == 1:
        folders += [of_trials[0], of_trials[0] / ARTIFACTS]
    for name in names:
        for folder in folders:
            if (folder / name).is_file():
                return folder / name
    if len(of_trials) > 1:
        raise NotFound(f"a folder of {len(of_trials)} trials without {BEST}: name that of one")
    raise NotFound(f"a folder without {' and '.join(names)}")
