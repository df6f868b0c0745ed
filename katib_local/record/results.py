"""What a user names a result by: a text, a file, or the folder of a trial or of a run, whose best trial it is then."""

import os

from katib_local.errors import RunFolderError
from katib_local.record import kept_runs, trials
from katib_local.record.run_folder import RunFolder
from katib_suggestion.files.user_paths import user_path


def of(text: str) -> str:
    """Return the folder of a run's best trial in place of the run's; anything else as it is.

    Raises:
        RunFolderError: no trial of the run has been measured, or is within its budget, or its database cannot be read.
    """
    folder = RunFolder(user_path(text).absolute())
    if not os.path.isfile(folder.database):  # noqa: PTH113 - Path.is_file raises where a text is no path
        return text
    run = kept_runs.read(folder)
    if run.best is None:
        raise RunFolderError(f"{text}: {trials.without_best(run.experiment.objective, run.trials)}")
    return str(folder.trial(run.best.name))
