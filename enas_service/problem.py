"""What an experiment asks to be solved: which search space, by which policy, and whether a call may cost that much."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from enas_service.cost import Sizes
from enas_service.goal import Goal
from enas_service.limits import DEFAULT, EnasLimits
from enas_service.model.features import Features
from enas_service.policies import cells, joins, sequences
from enas_service.policies.policy import PolicyForm
from enas_service.settings import EnasSettings
from enas_service.spaces import micro, recurrent
from enas_service.spaces.cells import CellSpace
from enas_service.spaces.macro import MacroSpace
from enas_service.spaces.parameters import ParameterSpace
from enas_service.spaces.space import Space
from katib_suggestion.errors import Faults, InvalidExperiment
from katib_suggestion.experiment import Experiment, Objective
from katib_suggestion.parsing import settings

_WITHOUT_CELLS = ", search_for='macro', num_nodes=None"
"""Of the settings, as `repr` writes them."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What an experiment asks to be solved, checked."""

    space: Space
    settings: EnasSettings
    objective: Objective
    form: PolicyForm = field(repr=False, compare=False)
    """Of the policy that decides in the space; the space and the settings say all of it."""
    notes: tuple[str, ...] = field(default=(), repr=False, compare=False)
    """What a reader of the Experiment would not know, a sentence each, for the log."""

    @classmethod
    def of(cls, experiment: Experiment, limits: EnasLimits = DEFAULT) -> "Problem":
        """Read an experiment.

        Raises:
            InvalidExperiment: it cannot run, or not within the limits.
        """
        faults = Faults()
        # So that the space is read whatever is wrong with other settings.
        values = _readable(experiment.settings)
        with faults.noted():
            values = settings.parse(EnasSettings, experiment.settings)
        with faults.noted():
            goal = Goal.of(experiment, values)
        with faults.noted():
            space, form = _chosen(experiment, values, limits)
        faults.raise_noted()
        notes = (*space.notes, *_without_joins(experiment, space))
        problem = cls(space=space, settings=values, objective=goal.objective, form=form, notes=notes)
        problem._check_cost(limits)
        problem.check_count(min(experiment.parallel_trial_count, limits.max_suggestions), limits, "parallelTrialCount")
        return problem

    @property
    def goal(self) -> Goal:
        """What is searched for."""
        return Goal(objective=self.objective, budget=self.settings.budget, front=self.settings.front)

    @property
    def sizes(self) -> Sizes:
        """What its calls cost."""
        return Sizes(
            form=self.form,
            num_columns=Features(self.space.attributes).num_columns,
            num_costs=len(self.goal.costs),
            num_steps=self.settings.controller_train_steps,
        )

    def check_count(self, count: int, limits: EnasLimits, where: str = "current_request_number") -> None:
        """Check that one call can make so many suggestions.

        Raises:
            InvalidExperiment: it cannot within the limits.
        """
        most, name = self.sizes.max_suggestions(limits, self.space.max_suggestion_bytes)
        if count > most:
            raise InvalidExperiment(where, count, f"{most} suggestions of this search take {limits.allowed(name)}")

    def _check_cost(self, limits: EnasLimits) -> None:
        sizes = self.sizes
        faults = Faults()
        for setting, given, name in (
            ("controller_hidden_size", self.settings.controller_hidden_size, "max_hidden_size"),
            ("controller_train_steps", self.settings.controller_train_steps, "max_train_steps"),
        ):
            with faults.noted():
                if given > getattr(limits, name):
                    raise InvalidExperiment(f"algorithmSettings.{setting}", given, limits.allowed(name))
        faults.raise_noted()
        for needed, name in ((sizes.memory_mib, "max_memory"), (sizes.propose_s + sizes.learn_s, "max_call_time")):
            if needed > getattr(limits, name):
                allowed = f"together these take {needed:.0f}: {limits.allowed(name)}"
                raise InvalidExperiment(self.space.where, f"{self.space.summary}, {sizes}", allowed)

    @property
    def described(self) -> str:
        """All that makes it another problem than others, as 0.1.0 described those that it knew.

        Whose checkpoints go on being read: under another name of the space, and without settings that came later, where
        they are not given.
        """
        text = repr(self).replace("MacroSpace(", "SearchSpace(", 1).replace(_WITHOUT_CELLS, "", 1)
        # The settings do not show these.
        return f"{text} {self.goal.budget} {self.goal.front}" if self.goal.costs else text

    @property
    def fingerprint(self) -> str:
        """Equal for equal problems, in every process."""
        return hashlib.sha256(self.described.encode()).hexdigest()


def _readable(pairs: Sequence[tuple[str, str]]) -> EnasSettings:
    """The settings that can be read; of others the defaults."""
    found: dict[str, str] = {}
    for name, text in pairs:
        with suppress(InvalidExperiment):
            settings.parse(EnasSettings, [(name, text)])
            found[name] = text
    return settings.parse(EnasSettings, found.items())


def _chosen(experiment: Experiment, values: EnasSettings, limits: EnasLimits) -> tuple[Space, PolicyForm]:
    """The search space that an experiment asks for, and the form of the policy that decides in it.

    Here, and nowhere else, a kind of space is told from another.
    """
    if bool(experiment.parameters) == experiment.has_nas_config:
        given = "both" if experiment.parameters else "neither"
        raise InvalidExperiment("spec", given, "exactly one of nasConfig and parameters must be given")
    if experiment.parameters:
        _refuse(
            experiment, ("search_for", "num_nodes"), "it is for nasConfig: plain parameters are searched as they are"
        )
        plain = ParameterSpace.of(experiment)
        return plain, sequences.Form(
            counts=plain.counts,
            kinds=plain.kinds,
            hidden_size=values.controller_hidden_size,
            temperature=values.controller_temperature,
            tanh_const=values.controller_tanh_const,
        )
    if values.search_for == "micro":
        return _with_form(micro.of(experiment, values.num_nodes, limits), values)
    if values.search_for == "recurrent":
        return _with_form(recurrent.of(experiment, values.num_nodes), values)
    _refuse(experiment, ("num_nodes",), "it is for search_for micro and recurrent: macro architectures have no nodes")
    macro = MacroSpace.of(experiment, limits)
    return macro, joins.Form(
        num_layers=macro.num_layers,
        num_operations=len(macro.operations),
        hidden_size=values.controller_hidden_size,
        temperature=values.controller_temperature,
        tanh_const=values.controller_tanh_const,
        skip_target=values.controller_skip_target,
    )


def _with_form(space: CellSpace, values: EnasSettings) -> tuple[Space, PolicyForm]:
    """A space of cells, and the form of its policy."""
    return space, cells.Form(
        num_cells=len(space.cells),
        num_inputs=space.num_inputs,
        num_nodes=space.num_nodes,
        num_edges=space.num_edges,
        num_operations=len(space.operations),
        has_own_steps=space.search_for == "micro",
        hidden_size=values.controller_hidden_size,
        temperature=values.controller_temperature,
        tanh_const=values.controller_tanh_const,
    )


def _refuse(experiment: Experiment, names: Sequence[str], allowed: str) -> None:
    """Refuse settings that are given where they mean nothing, and that nobody gives by accident."""
    faults = Faults()
    for name, text in experiment.settings:
        with faults.noted():
            if name in names:
                raise InvalidExperiment(f"algorithmSettings.{name}", text, allowed)
    faults.raise_noted()


def _without_joins(experiment: Experiment, space: Space) -> list[str]:
    """A note for each setting that is of joins, where there are none."""
    if space.num_bits:
        return []
    about_joins = ("controller_skip_target", "controller_skip_weight")
    return [f"{name} means nothing here: there are no joins" for name, _ in experiment.settings if name in about_joins]
