"""What can be known of a run before it starts: whether its trials can run here, and whether they can succeed."""

import difflib
import logging
import math
from collections.abc import Iterator, Mapping
from functools import partial

from enas_trainer.architecture import cells, search_for
from enas_trainer.architecture.fields import InvalidNetwork
from enas_trainer.macro import operation_types
from katib_local.errors import ClusterOnly
from katib_local.manifest import go_regex, images, search_space, shell_words, template
from katib_local.manifest.experiment import Experiment, MetricsFormat, NasConfig, OperationSpec
from katib_local.manifest.template import Container
from katib_local.record.collector import DEFAULT_FILTER
from katib_local.record.options import Options
from katib_local.running import gpus, known_programs, trial_budget, trial_environment
from katib_local.running.known_programs import KnownProgram
from katib_local.running.suggestion_process import MODULES
from katib_local.showing.wording import number_of
from katib_suggestion.errors import InvalidExperiment, together

_ASSIGNMENTS: Mapping[str, frozenset[str]] = {
    "enas": frozenset({"architecture", "nn_config"}),
    "darts": frozenset({"algorithm-settings", "search-space", "num-layers"}),
}
"""What our services assign to each trial of an architecture search."""

_MAX_LAYERS = 1_000
_OF_KATIB = frozenset(
    {
        "random", "grid", "sobol", "tpe", "multivariate-tpe", "bayesianoptimization", "cmaes", "hyperband", "pbt",
    }
)  # fmt: skip
"""Algorithms that Katib has services for, beside those of ours."""

_RESTART_POLICIES = ("Never", "OnFailure")
_PARAMETERS = "spec.trialTemplate.trialParameters"

logger = logging.getLogger(__name__)


def check(experiment: Experiment, options: Options, *, is_new: bool = True) -> None:
    """Refuse what cannot run on this machine or can never succeed, and log what is not heeded or unlikely.

    Args:
        experiment: of the manifest.
        options: beyond the manifest.
        is_new: whether it has not run yet; what an earlier version has taken goes on.

    Raises:
        InvalidExperiment: it says all that is wrong.
    """
    container = template.check(experiment.template)
    # Values of one parameter may have the same wrong with them.
    faults = {str(fault): fault for fault in _faults(experiment, options, container, is_new=is_new)}
    if faults:
        raise together(list(faults.values()))
    for doubt in _doubts(experiment, container):
        logger.warning("%s", doubt)


def _faults(
    experiment: Experiment, options: Options, container: Container, *, is_new: bool
) -> Iterator[InvalidExperiment]:
    is_ours = options.suggestion is None
    if is_ours and experiment.algorithm not in MODULES:
        allowed = f"{' and '.join(MODULES)} are started here; others need a service of yours: --suggestion HOST:PORT"
        kind = ClusterOnly if experiment.algorithm in _OF_KATIB else InvalidExperiment
        yield kind("spec.algorithm.algorithmName", experiment.algorithm, allowed)
    if is_new and container.restart_policy not in _RESTART_POLICIES:
        where = f"{template.SPEC_PATH}.spec.template.spec.restartPolicy"
        allowed = f"the API server takes a Job with {' or '.join(_RESTART_POLICIES)} alone"
        yield InvalidExperiment(where, container.restart_policy, allowed)
    if is_ours and is_new and experiment.algorithm in _ASSIGNMENTS:
        yield from _unassigned(experiment)
    if container.num_gpus and 0 < (num_devices := len(gpus.devices())) < container.num_gpus:
        where = f"{template.SPEC_PATH}.spec.template.spec.containers[0].resources.limits.{template.GPU}"
        allowed = f"this machine has {num_devices}: a trial would wait for ever"
        yield InvalidExperiment(where, container.num_gpus, allowed)
    try:
        folder = images.program_dir(container.image, options.images)
    except InvalidExperiment as fault:
        yield fault
        return
    package = images.package_of(folder)
    yield from _unheard(options, container, package)
    program = known_programs.find(package, container.argv[-1])
    if program is not None and is_new:
        yield from _unprinted(experiment, program)
        yield from trial_budget.faults(experiment, container, program)
        if program is known_programs.ENAS and experiment.nas is not None:
            yield from _unknown_operations(experiment.nas, search_for.of_settings(experiment.settings))


def _unheard(options: Options, container: Container, package: str | None) -> Iterator[InvalidExperiment]:
    """What is said on the command line goes before the manifest: programs of ours see to it, others cannot."""
    given = trial_environment.given_for_trials(options)
    if options.seed is not None:
        given["--seed"] = str(options.seed)
    if package == "darts_trainer" and "--shared-weights" in given:
        yield InvalidExperiment("--shared-weights", given["--shared-weights"], "trials of ENAS alone share weights")
    if package is not None:
        return
    words = [word.strip("'\"") for word in container.argv[-1].split()]
    for flag in given:
        for word in words:
            if word == flag or word.startswith(f"{flag}="):
                variable = f"$KATIB_NAS_{flag.removeprefix('--').replace('-', '_').upper()}"
                allowed = (
                    f"it would go before {flag} of the command line, which a program that is not ours is told as "
                    f"{variable}: take it out of the command, or change it there"
                )
                yield InvalidExperiment(f"{template.SPEC_PATH}: command", word, allowed)


def _unassigned(experiment: Experiment) -> Iterator[InvalidExperiment]:
    """Katib wants each assignment referenced, and each reference assigned; one too many fails every trial."""
    if experiment.nas is None:
        assigned = frozenset(parameter.name for parameter in experiment.parameters)
        what = "the parameters of this experiment are"
    else:
        assigned = _ASSIGNMENTS[experiment.algorithm]
        what = f"{experiment.algorithm} assigns"
    names = ", ".join(sorted(assigned))
    for parameter in experiment.template.parameters:
        reference = parameter.reference
        if reference not in assigned and template.assignment_names([parameter]):
            closest = difflib.get_close_matches(reference, assigned, n=1)
            hint = f"did you mean {closest[0]}? " if closest else ""
            allowed = f"{hint}{what} {names}, and nothing else fills a reference but ${{trialSpec.…}}"
            yield InvalidExperiment(f"{_PARAMETERS}.{parameter.name}.reference", reference, allowed)
    referenced = template.assignment_names(experiment.template.parameters)
    if missing := assigned - referenced:
        allowed = f"{what} {names}, and Katib wants each to be referenced; {', '.join(sorted(missing))} is missing"
        yield InvalidExperiment(_PARAMETERS, sorted(referenced), allowed)


def _unprinted(experiment: Experiment, program: KnownProgram) -> Iterator[InvalidExperiment]:
    source, metric = experiment.collector, experiment.objective.metric
    # What ends up in a file of the user's own making is theirs to know.
    if source.path is None and not program.reports(metric, source):
        closest = difflib.get_close_matches(metric, program.printed, n=1, cutoff=0.8)
        hint = f"did you mean {closest[0]}? " if closest else ""
        pattern = ", and metricsFormat must find it" if source.filters else ""
        allowed = f"{hint}the program of the trial's image prints {', '.join(program.printed)}{pattern}"
        yield InvalidExperiment("spec.objective.objectiveMetricName", metric, allowed)


def _unknown_operations(nas: NasConfig, kind: str) -> Iterator[InvalidExperiment]:
    """Operations that the ENAS trainer does not have for architectures of a kind, or not with such parameters."""
    if kind not in search_for.KINDS:
        return  # the service says what is wrong
    num_sizes, sizes = 3, "height, width and channels"
    if kind == search_for.RECURRENT:
        num_sizes, sizes = 1, "one size, the words of the vocabulary"
    if nas.input_sizes and len(nas.input_sizes) != num_sizes:
        allowed = f"the program of the trial's image wants {sizes}"
        yield InvalidExperiment("spec.nasConfig.graphConfig.inputSizes", list(nas.input_sizes), allowed)
    reader = operation_types.read if kind == search_for.MACRO else partial(cells.read_operation, kind)
    for index, operation in enumerate(nas.operations):
        where = f"spec.nasConfig.operations[{index}]"
        try:
            listed = search_space.values(operation, where)
        except InvalidExperiment as fault:
            yield fault
            continue
        first = {name: values[0] for name, values in listed.items()}
        variants = [first, *({**first, name: value} for name, values in listed.items() for value in values[1:])]
        for variant in variants:
            try:
                reader(operation.type, variant, where)
            except InvalidNetwork as error:
                place = error.where.replace("opt_type", "operationType").replace("opt_params", "parameters")
                yield InvalidExperiment(place, error.value, f"the program of the trial's image says: {error.allowed}")


def _size(experiment: Experiment) -> int | None:
    """How many different trials a search can make; None where that is not known, or not bounded."""
    try:
        if experiment.nas is None:
            if any(item.type == "double" and not item.step for item in experiment.parameters):
                return None
            return _combinations(OperationSpec(type="", parameters=experiment.parameters))
        # A DARTS trial is a whole search; other spaces than macro architectures are for their service to count.
        if experiment.algorithm != "enas" or "search_for" in dict(experiment.settings):
            return None
        num_operations = sum(_combinations(item) for item in experiment.nas.operations)
    except InvalidExperiment:
        return None  # the service says what is wrong
    layers = experiment.nas.num_layers
    if not 0 < layers <= _MAX_LAYERS:
        return None
    joins = layers * (layers - 1) // 2
    return int(num_operations**layers * 2**joins)


def _combinations(operation: OperationSpec) -> int:
    listed = search_space.values(operation, "operation")
    return math.prod(len(values) for values in listed.values())


def _doubts(experiment: Experiment, container: Container) -> Iterator[str]:
    if container.num_gpus and not gpus.devices():
        yield f"no CUDA device is found here: trials that ask for {template.GPU} run without one of their own"
    unmet = (*experiment.template.unmet, *container.unmet)
    if unmet:
        yield f"this machine does not heed {', '.join(unmet)} of the trial template"
    if experiment.max_trials is None and experiment.objective.goal is None:
        yield "there is no maxTrialCount and no goal: the experiment runs until Ctrl-C"
    size = _size(experiment)
    if size is not None and experiment.max_trials is not None and size < experiment.max_trials:
        what = "architecture" if experiment.nas is not None else "combination"
        has = f"the search space has {number_of(size, what)}"
        yield f"{has} and maxTrialCount is {experiment.max_trials}: some are tried more than once"
    for name, value in shell_words.taken_apart(experiment):
        yield (
            f"the shell of a trial takes the value {value!r} of {name} apart: unless that is meant, put single quotes "
            "around its ${trialParameters.…} in the command"
        )
    source = experiment.collector
    if source.format is MetricsFormat.TEXT:
        patterns = source.filters or (DEFAULT_FILTER,)
        for metric in experiment.objective.metrics:
            if not any(go_regex.may_name(pattern, metric) for pattern in patterns):
                which = "metricsFormat" if source.filters else "Katib's default metricsFormat"
                yield (
                    f"no metric is ever named {metric!r} by {which}, {' and '.join(patterns)}: give "
                    "spec.metricsCollectorSpec.source.filter.metricsFormat a pattern whose first group can be it"
                )
