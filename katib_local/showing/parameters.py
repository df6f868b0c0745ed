"""The values of plain parameters, as columns of a table of trials."""

from collections.abc import Sequence

from katib_local.manifest.experiment import Experiment
from katib_local.record.trials import Trial
from katib_local.showing import columns
from katib_local.showing.columns import Column


def parameter_columns(experiment: Experiment, trials: Sequence[Trial], rank: int) -> list[Column]:
    """Make a column for each parameter; none for a search of architectures, which have no place in a table.

    Args:
        experiment: what is searched over.
        trials: the rows.
        rank: of all of them, see `Column.rank`.
    """
    return [
        Column(
            title=parameter.name,
            cells=[columns.shortened(trial.assignments.get(parameter.name, "")) for trial in trials],
            rank=rank,
        )
        for parameter in experiment.parameters
    ]
