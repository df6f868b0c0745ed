"""What a search says once, in the log: Katib's reply has no place for it."""

import logging
from collections.abc import Sequence

from enas_service.lessons import Lesson
from enas_service.problem import Problem

logger = logging.getLogger(__name__)

_TELLING = 12
"""Finished trials after which it is said that none is within the budget."""


class Notices:
    """Says each thing once.

    Args:
        name: of the experiment.
        problem: what is searched.
    """

    def __init__(self, name: str, problem: Problem) -> None:
        self._name = name
        self._problem = problem
        self._repeats = False
        self._is_missed = False

    def tell_of_repeats(self, num_taken: int, count: int) -> None:
        """Say that the space is used up, where that many more are proposed."""
        size = self._problem.space.size
        if not self._repeats and num_taken + count > size:
            self._repeats = True
            logger.warning(
                "%s: the space has %d architectures, and all are proposed by now: from here on they repeat",
                self._name, size,
            )  # fmt: skip

    def tell_of_budget(self, lessons: Sequence[Lesson]) -> None:
        """Say that nothing seen is within the budget, where there is one."""
        goal, costs = self._problem.goal, [lesson.costs for lesson in lessons]
        if goal.budget is None or self._is_missed or len(costs) < _TELLING or any(map(goal.is_within, costs)):
            return
        self._is_missed = True
        cheapest = ", ".join(
            f"{name} {min(known):g}" for name in goal.costs if (known := [one[name] for one in costs if name in one])
        )
        logger.warning(
            "%s: none of %d trials is within the budget %s; the cheapest seen: %s",
            self._name, len(costs), goal.budget, cheapest or "no trial reports what it costs",
        )  # fmt: skip
