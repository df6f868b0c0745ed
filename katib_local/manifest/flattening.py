"""An ENAS Experiment becomes one of plain parameters, whose trials build the same networks."""

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

from katib_local.errors import ClusterOnly
from katib_local.manifest import flat_operations, manifest, search_space, stand_in
from katib_local.manifest.document import Document
from katib_local.manifest.experiment import Experiment, NasConfig
from katib_local.manifest.flat_operations import MAX_OPTIONS, MAX_TEXT, OperationList
from katib_suggestion import assignment
from katib_suggestion.errors import InvalidExperiment

MAX_PARAMETERS = 100
"""Most parameters of an Experiment; so many Katib's successor takes."""

_MAX_NAME = 40
"""Katib's bound of an Experiment's name."""

_TEXTS = ("architecture", "nn_config")
_SUFFIX = "-plain"


def flatten(found: Document) -> Document:
    """Return an Experiment over plain parameters: an operation a layer, 0 or 1 a join.

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
    parameters, fixed = _choices(nas)
    flattened = copy.deepcopy(found)
    flattened["metadata"]["name"] = f"{experiment.name[: _MAX_NAME - len(_SUFFIX)]}{_SUFFIX}"
    changed = flattened["spec"]
    del changed["nasConfig"]
    changed["parameters"] = [
        {"name": name, "parameterType": "categorical", "feasibleSpace": {"list": list(values)}}
        for name, values in parameters.items()
    ]
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


def _choices(nas: NasConfig) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """The parameters with their values, and what is the same in every trial."""
    where = "spec.nasConfig"
    if nas.num_layers < 1:
        raise InvalidExperiment(f"{where}.graphConfig.numLayers", nas.num_layers, "it must be an integer >= 1")
    num_joins = nas.num_layers * (nas.num_layers - 1) // 2
    # Before they are made: a number of layers may be anything.
    _check_count(nas.num_layers, num_joins)
    listed = [
        OperationList(type=item.type, parameters=search_space.values(item, f"{where}.operations[{index}]"))
        for index, item in enumerate(nas.operations)
    ]
    if not listed:
        raise InvalidExperiment(f"{where}.operations", [], "a search needs at least one operation")
    found = flat_operations.flat(listed)
    if found is None:
        allowed = f"at most {MAX_OPTIONS} values of a parameter, of at most {MAX_TEXT} characters each"
        raise InvalidExperiment(f"{where}.operations", f"{len(listed)} types", allowed)
    parameters: dict[str, tuple[str, ...]] = {}
    fixed = dict(found.fixed)
    for layer in range(1, nas.num_layers + 1):
        for name, values in {"": found.operations, **{f"-{name}": one for name, one in found.apart.items()}}.items():
            if len(values) > 1:
                parameters[f"layer-{layer}{name}"] = values
            else:
                fixed[f"layer-{layer}{name}"] = values[0]
    _check_count(len(parameters), num_joins)
    for layer in range(2, nas.num_layers + 1):
        parameters |= {f"layer-{layer}-join-{source}": ("0", "1") for source in range(layer - 1)}
    return parameters, fixed


def _check_count(num_choices: int, num_joins: int) -> None:
    total = num_choices + num_joins
    if total > MAX_PARAMETERS:
        allowed = f"at most {MAX_PARAMETERS}; {num_joins} of these are joins, and {num_choices} choose operations"
        raise InvalidExperiment("spec.nasConfig", f"{total} parameters", allowed)


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
