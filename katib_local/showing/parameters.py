"""The values of plain parameters, as columns of a table of trials."""

from collections.abc import Sequence

from katib_local.manifest.experiment import Experiment
from katib_local.record.trials import Trial
from katib_local.showing import columns
from katib_local.showing.columns import Column

MAX_COLUMNS = 8
"""Parameters that have a place in a table; of more, the report has them."""


def parameter_columns(experiment: Experiment, trials: Sequence[Trial], rank: int) -> list[Column]:
    """Make a column for each parameter; none where there are too many, or architectures are searched over.

    Args:
        experiment: what is searched over.
        trials: the rows.
        rank: of all of them, see `Column.rank`.
    """
    if len(experiment.parameters) > MAX_COLUMNS:
        return []
    return [
        Column(
            title=parameter.name,
            cells=[columns.shortened(trial.assignments.get(parameter.name, "")) for trial in trials],
            rank=rank,
        )
        for parameter in experiment.parameters
    ]
