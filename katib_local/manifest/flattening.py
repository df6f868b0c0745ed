"""An ENAS Experiment becomes one of plain parameters, whose trials build the same networks."""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from darts_genotype.enas_form import MICRO, NUM_NODES, RECURRENT
from darts_genotype.genotype import MAX_NODES
from enas_trainer.architecture.search_for import MACRO
from katib_local.errors import ClusterOnly
from katib_local.manifest import flat_cells, flat_operations, manifest, search_space, stand_in
from katib_local.manifest.document import Document
from katib_local.manifest.experiment import Experiment, NasConfig
from katib_local.manifest.flat_operations import MAX_OPTIONS, MAX_TEXT, OperationList
from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.parsing import assignment, settings
from katib_suggestion.parsing.assignment import JSON
from katib_suggestion.parsing.settings import Interval, choice, integer

MAX_PARAMETERS = 100
"""Most parameters of an Experiment; so many Katib's successor takes."""

_MAX_NAME = 40
"""Katib's bound of an Experiment's name."""

_NAS = "spec.nasConfig"
_TEXTS = ("architecture", "nn_config")
_SUFFIX = "-plain"


def flatten(found: Document) -> Document:
    """Return an Experiment over plain parameters.

    Of layers they are the operation of each, and 0 or 1 for each join; of cells the source and operation of each edge.

    Its trial's command has ``--choices`` in the place of ``--architecture`` and ``--nn_config``.

    Args:
        found: the plain document of an ENAS Experiment.

    Raises:
        InvalidExperiment: it is none, or not valid; its search space does not fit into such parameters; or its trial's
            command does not have both flags.
    """
    experiment = _parsed(found)
    nas = experiment.nas
    if nas is None:
        raise InvalidExperiment("spec.parameters", "given", "the Experiment is one of plain parameters already")
    if experiment.algorithm == "darts":
        allowed = "its trial searches for itself: only what enas hands to a trial becomes plain parameters"
        raise InvalidExperiment("spec.algorithm.algorithmName", experiment.algorithm, allowed)
    parameters, fixed = _choices(nas, _space(experiment.settings))
    flattened = copy.deepcopy(found)
    flattened["metadata"]["name"] = f"{experiment.name[: _MAX_NAME - len(_SUFFIX)]}{_SUFFIX}"
    changed = flattened["spec"]
    del changed["nasConfig"]
    changed["parameters"] = [
        {"name": name, "parameterType": "categorical", "feasibleSpace": {"list": list(values)}}
        for name, values in parameters.items()
    ]
    _leave_out_space(changed["algorithm"])
    trial_template = changed["trialTemplate"]
    placeholders = {item.reference: item.name for item in experiment.template.parameters}
    kept = [item for item in trial_template["trialParameters"] if item["reference"] not in _TEXTS]
    trial_template["trialParameters"] = kept + [{"name": name, "reference": name} for name in parameters]
    texts = {name: f"${{trialParameters.{name}}}" for name in parameters}
    choices = assignment.encode({"input_sizes": list(nas.input_sizes), "output_sizes": list(nas.output_sizes), **fixed})
    chosen = ", ".join(f"'{name}': '{text}'" for name, text in texts.items())
    flags = _Flags(placeholders, f"{choices[:-1]}, {chosen}}}")
    trial_template["trialSpec"] = flags.replaced(trial_template.get("trialSpec"))
    flags.check()
    return flattened


def _parsed(found: Document) -> Experiment:
    """Read an Experiment; its trial may be of a kind that only a cluster runs."""
    try:
        return manifest.parse(found)
    except InvalidExperiment as error:
        if not all(isinstance(fault, ClusterOnly) for fault in error.faults):
            raise
    return manifest.parse(stand_in.of(found))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Space:
    """The settings that say what is searched: see `enas_service.settings`."""

    search_for: str = choice(MACRO, MICRO, RECURRENT)
    num_nodes: int | None = integer(None, Interval(minimum=1, maximum=MAX_NODES))


_OF_SPACE = tuple(field.name for field in fields(_Space))


def _space(given: Sequence[tuple[str, str]]) -> _Space:
    where = "spec.algorithm.algorithmSettings.{}".format
    space = settings.parse(_Space, [pair for pair in given if pair[0] in _OF_SPACE], place=where)
    if space.search_for == MACRO and space.num_nodes is not None:
        allowed = "it is for search_for micro and recurrent: macro architectures have no nodes"
        raise InvalidExperiment(where("num_nodes"), space.num_nodes, allowed)
    return space


def _leave_out_space(algorithm: Document) -> None:
    """What is searched, the parameters say: such settings are refused beside them."""
    given = algorithm.get("algorithmSettings") or []
    kept = [item for item in given if item["name"] not in _OF_SPACE]
    if len(kept) < len(given):
        algorithm["algorithmSettings"] = kept


def _choices(nas: NasConfig, space: _Space) -> tuple[dict[str, tuple[str, ...]], dict[str, JSON]]:
    """The parameters with their values, and what is the same in every trial."""
    listed = [
        OperationList(type=item.type, parameters=search_space.values(item, f"{_NAS}.operations[{index}]"))
        for index, item in enumerate(nas.operations)
    ]
    if space.search_for == MACRO:
        return _of_layers(nas.num_layers, listed)
    if (space.search_for == MICRO and nas.num_layers < 3) or (space.search_for == RECURRENT and nas.num_layers != 1):
        allowed = "it must be 1" if space.search_for == RECURRENT else "it must be an integer >= 3"
        raise InvalidExperiment(f"{_NAS}.graphConfig.numLayers", nas.num_layers, f"{allowed} for such cells")
    num_nodes = space.num_nodes or NUM_NODES[space.search_for]
    parameters, fixed = flat_cells.choices(listed, space.search_for, num_nodes)
    if len(parameters) > MAX_PARAMETERS:
        allowed = f"at most {MAX_PARAMETERS}: have fewer nodes"
        raise InvalidExperiment("spec.algorithm.algorithmSettings.num_nodes", f"{len(parameters)} parameters", allowed)
    return parameters, {"num_layers": nas.num_layers, **fixed}


def _of_layers(num_layers: int, listed: Sequence[OperationList]) -> tuple[dict[str, tuple[str, ...]], dict[str, JSON]]:
    """The same of layers with joins."""
    if num_layers < 1:
        raise InvalidExperiment(f"{_NAS}.graphConfig.numLayers", num_layers, "it must be an integer >= 1")
    num_joins = num_layers * (num_layers - 1) // 2
    # Before they are made: a number of layers may be anything.
    _check_count(num_layers, num_joins)
    if not listed:
        raise InvalidExperiment(f"{_NAS}.operations", [], "a search needs at least one operation")
    found = flat_operations.flat(listed)
    if found is None:
        allowed = f"at most {MAX_OPTIONS} values of a parameter, of at most {MAX_TEXT} characters each"
        raise InvalidExperiment(f"{_NAS}.operations", f"{len(listed)} types", allowed)
    parameters: dict[str, tuple[str, ...]] = {}
    fixed: dict[str, JSON] = {**found.fixed}
    for layer in range(1, num_layers + 1):
        for name, values in {"": found.operations, **{f"-{name}": one for name, one in found.apart.items()}}.items():
            if len(values) > 1:
                parameters[f"layer-{layer}{name}"] = values
            else:
                fixed[f"layer-{layer}{name}"] = values[0]
    _check_count(len(parameters), num_joins)
    for layer in range(2, num_layers + 1):
        parameters |= {f"layer-{layer}-join-{source}": ("0", "1") for source in range(layer - 1)}
    return parameters, fixed


def _check_count(num_choices: int, num_joins: int) -> None:
    total = num_choices + num_joins
    if total > MAX_PARAMETERS:
        allowed = f"at most {MAX_PARAMETERS}; {num_joins} of these are joins, and {num_choices} choose operations"
        raise InvalidExperiment(_NAS, f"{total} parameters", allowed)


class _Flags:
    """Puts the flag of the choices in the place of the two that a command has.

    Args:
        placeholders: names of the trial parameters, by what they refer to.
        choices: the value of the flag.
    """

    def __init__(self, placeholders: Mapping[str, str], choices: str) -> None:
        self._patterns = {
            name: re.compile(rf"--{name}[= ](\"?)\$\{{trialParameters\.{re.escape(placeholders.get(name, ''))}\}}\1")
            for name in _TEXTS
        }
        self._value = f'--choices="{choices}"'
        self._seen: set[str] = set()

    def replaced(self, value: Any) -> Any:
        """Return a part of the trial's resource with the flags replaced."""
        if isinstance(value, dict):
            return {key: self.replaced(item) for key, item in value.items()}
        if isinstance(value, list):
            return [item for one in value for item in self._of_list(one)]
        return self._text(value) if isinstance(value, str) else value

    def check(self) -> None:
        """Refuse a resource without both.

        Raises:
            InvalidExperiment: one was not seen.
        """
        for name in _TEXTS:
            if name not in self._seen:
                allowed = (
                    f'the command must have --{name}="${{trialParameters.…}}", of a parameter that refers to {name}'
                )
                raise InvalidExperiment("spec.trialTemplate.trialSpec", f"no --{name}", allowed)

    def _of_list(self, value: Any) -> Iterator[Any]:
        replaced = self.replaced(value)
        # A word that was nothing but the second flag goes.
        if not (isinstance(value, str) and value.strip() and not replaced.strip()):
            yield replaced

    def _text(self, text: str) -> str:
        for name, pattern in self._patterns.items():
            before, *after = pattern.split(text)
            if after:
                self._seen.add(name)
                text = f"{before}{self._value if name == _TEXTS[0] else ''}{after[-1]}"
        return text
