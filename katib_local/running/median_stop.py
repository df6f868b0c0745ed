"""Katib's ``medianstop``: from the trials that have succeeded, the rules by which new ones are stopped early."""

from collections.abc import Callable, Iterable, Sequence

from katib_local.errors import SuggestionError
from katib_local.manifest.experiment import EarlyStopping, Objective
from katib_local.record import collector
from katib_local.record.collector import Point
from katib_local.record.stop_rules import Comparison, StopRule
from katib_local.record.trials import Trial
from katib_suggestion.errors import shown
from katib_suggestion.experiment import Direction, TrialCondition


class MedianStop:
    """Gives each new trial its rules.

    What it compares with is a mean, whatever its name says, of the means of each succeeded trial's first values: so
    it is in Katib's service.

    Args:
        settings: of the experiment.
        objective: whose values are compared.
        points_of: gives what a trial has reported, by its name.
    """

    def __init__(
        self, settings: EarlyStopping, objective: Objective, points_of: Callable[[str], Sequence[Point]]
    ) -> None:
        self._settings = settings
        self._objective = objective
        self._points_of = points_of
        self._means: dict[str, float] = {}

    def rules(self, trials: Iterable[Trial]) -> tuple[StopRule, ...]:
        """Return the rules of a trial that is suggested now; none as long as too few others have succeeded.

        Raises:
            SuggestionError: a trial has reported what is no number; Katib's service fails there, and no trial follows.
        """
        for trial in trials:
            if trial.condition is TrialCondition.SUCCEEDED and trial.name not in self._means:
                self._means[trial.name] = self._mean(trial.name)
        if len(self._means) < self._settings.min_trials_required:
            return ()
        is_maximized = self._objective.direction is Direction.MAXIMIZE
        rule = StopRule(
            metric=self._objective.metric,
            value=sum(self._means.values()) / len(self._means),
            comparison=Comparison.LESS if is_maximized else Comparison.GREATER,
            start_step=self._settings.start_step,
        )
        return (rule,)

    def _mean(self, trial: str) -> float:
        """Of the first values of the objective, in the order of their times."""
        reported = [point for point in self._points_of(trial) if point.metric == self._objective.metric]
        reported.sort(key=lambda point: point.time)
        values = []
        for point in reported[: self._settings.start_step]:
            value = collector.number(point.value)
            if value is None:
                raise SuggestionError(
                    f"{trial} reported {shown(point.value)} as {point.metric}, and medianstop compares numbers; on a "
                    "cluster, too, no trial follows then"
                )
            values.append(value)
        return sum(values) / len(values)
