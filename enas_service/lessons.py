"""What finished trials teach a search: a model of the objective, one of each cost that counts, and what to aim at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from enas_service.decisions import Decisions
from enas_service.goal import Goal
from enas_service.model import costs, model, normal
from enas_service.model.aims import Aim, FrontGrowth, WithinBudget
from enas_service.model.bounds import is_quick
from enas_service.model.costs import Cost, CostTrials
from enas_service.model.model import MIN_TRIALS, Model
from enas_service.model.process import Weights
from enas_service.model.region import Region


@dataclass(frozen=True, slots=True)
class Lesson:
    """A finished trial that was learned from."""

    trial: str
    decisions: Decisions
    """(D,), as read back from their key."""
    reward: float
    costs: Mapping[str, float] = field(default_factory=dict)
    """Of those that count, what the trial has reported."""


@dataclass(frozen=True, slots=True)
class Matters:
    """What matters to the objective and to each cost; what can be found out within a call may be missing."""

    objective: Weights | None = None
    costs: Mapping[str, Weights] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Insight:
    """What some lessons have taught."""

    model: Model | None
    """Of the objective; None where too few have told of it."""
    aim: Aim | None
    """None where there is nothing to go by."""


def decisions_of(lessons: Sequence[Lesson]) -> Decisions:
    """(N, D), of one lesson at least."""
    return np.stack([lesson.decisions for lesson in lessons])


def rewards_of(lessons: Sequence[Lesson]) -> list[float]:
    """(N)"""
    return [lesson.reward for lesson in lessons]


def trained(lessons: Sequence[Lesson], goal: Goal) -> list[Lesson]:
    """Those that tell of the objective: a trial beyond the budget may have ended without training."""
    return [lesson for lesson in lessons if not goal.is_untrained(lesson.reward, lesson.costs)]


def merits(lessons: Sequence[Lesson], goal: Goal) -> Sequence[float]:
    """How good each is, larger is better; see `Goal.merits`."""
    merit_n = goal.merits(rewards_of(lessons), [lesson.costs for lesson in lessons])
    return list(map(float, merit_n))


def what_takes_long(region: Region, goal: Goal, lessons: Sequence[Lesson]) -> Matters:
    """Find out what matters, as far as that is not quick: between calls."""
    told, objective = trained(lessons, goal), None
    if len(told) >= MIN_TRIALS and not is_quick(region, len(told)):
        objective = model.learned(region, decisions_of(told), rewards_of(told))
    slow = {
        name: trials for name, trials in _cost_trials(goal, lessons).items() if not is_quick(region, len(trials.cost_n))
    }
    return Matters(objective, {name: costs.learned(region, trials) for name, trials in slow.items()})


def insight(region: Region, goal: Goal, lessons: Sequence[Lesson], matters: Matters) -> Insight:
    """Learn.

    Args:
        region: of the space.
        goal: of the search.
        lessons: at least one.
        matters: what was found out before; what is quick is found out now.
    """
    told = trained(lessons, goal)
    found = None if len(told) < MIN_TRIALS else _model(region, told, matters.objective)
    known = {
        name: _cost(region, trials, matters.costs.get(name)) for name, trials in _cost_trials(goal, lessons).items()
    }
    return Insight(found, _aim(goal, lessons, told, found, known))


def _aim(
    goal: Goal, lessons: Sequence[Lesson], told: Sequence[Lesson], found: Model | None, known: Mapping[str, Cost]
) -> Aim | None:
    bounded = [known[name] for name in (goal.budget.metrics if goal.budget else ()) if name in known]
    improvement = None if found is None else found.improvement
    score_n = normal.scores(np.array(rewards_of(told))) if told else np.zeros(0)
    is_within_n = np.array([goal.is_within(lesson.costs) for lesson in told], dtype=bool)
    if goal.front is not None and goal.front in known and improvement is not None and is_within_n.any():
        within = [lesson for lesson, is_within in zip(told, is_within_n, strict=True) if is_within]
        cost = known[goal.front]
        cost_n = np.array([lesson.costs[goal.front] for lesson in within])
        merit_n = np.array(merits(within, goal))
        front_n = [place for place in np.argsort(cost_n, kind="stable") if merit_n[place] == merit_n.max()]
        return FrontGrowth(
            objective=improvement,
            cost=cost,
            bounded=bounded,
            score_n=score_n[is_within_n],
            cost_n=cost_n,
            largest=float(cost.trials.cost_n.max()) if cost.trials.most is None else cost.trials.most,
            front_nd=decisions_of(within)[front_n],
        )
    if not bounded:
        return improvement
    order_n = np.argsort(-np.asarray(merits(lessons, goal)), kind="stable")
    best = float(score_n[is_within_n].max()) if is_within_n.any() else None
    return WithinBudget(objective=improvement, bounded=bounded, best=best, trial_nd=decisions_of(lessons)[order_n])


def _model(region: Region, told: Sequence[Lesson], weights: Weights | None) -> Model:
    decisions_nd, rewards = decisions_of(told), rewards_of(told)
    if weights is None or is_quick(region, len(told)):
        weights = model.learned(region, decisions_nd, rewards)
    return Model.of(region, weights, decisions_nd, rewards)


def _cost(region: Region, trials: CostTrials, weights: Weights | None) -> Cost:
    if weights is None or is_quick(region, len(trials.cost_n)):
        weights = costs.learned(region, trials)
    return Cost.of(region, weights, trials)


def _cost_trials(goal: Goal, lessons: Sequence[Lesson]) -> dict[str, CostTrials]:
    """Of each cost that enough trials have reported."""
    most = {bound.metric: bound.most for bound in (goal.budget.bounds if goal.budget else ())}
    found = {}
    for name in goal.costs:
        known = [lesson for lesson in lessons if name in lesson.costs]
        if len(known) >= MIN_TRIALS:
            cost_n = np.array([lesson.costs[name] for lesson in known])
            found[name] = CostTrials(decisions_nd=decisions_of(known), cost_n=cost_n, most=most.get(name))
    return found
