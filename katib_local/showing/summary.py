"""What is left of a run to read and to paste: plain text that is Markdown, too."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from katib_local.manifest.experiment import Experiment, Objective
from katib_local.record import again, collector, remarks
from katib_local.record.run_folder import RunFolder
from katib_local.record.trial_folder import LOG
from katib_local.record.trials import FAILURES, Trial, Verdict, best, is_within, ranked
from katib_local.showing import columns
from katib_local.showing.columns import Column
from katib_local.showing.parameters import parameter_columns
from katib_local.showing.wording import counts, duration, outcome, seconds_of
from katib_suggestion.experiment import TrialCondition
from katib_suggestion.files.result_files import ARTIFACTS

_NUM_BEST = 5
_NUM_FAILED = 5


def lines(
    experiment: Experiment, trials: Sequence[Trial], verdict: Verdict | None, folder: Path, width: int | None
) -> Iterator[str]:
    """Say how a run ended: counts, the best trial with what it found and where its files are, and the next best.

    Args:
        experiment: what was run.
        trials: all of them.
        verdict: None where it was interrupted.
        folder: of the run.
        width: what the table must fit into; None for any.
    """
    state = verdict.value if verdict else "interrupted"
    yield f"{experiment.name}: {state} ({counts(trials, is_interrupted=verdict is None)})"
    yield from best_lines(experiment, trials, folder)
    leaders = [trial for trial in ranked(experiment.objective, trials) if is_within(experiment.objective, trial)]
    if len(leaders) > 1:
        yield ""
        yield from columns.markdown(_columns(experiment, leaders[:_NUM_BEST]), width)
    failed = [trial for trial in trials if trial.condition in FAILURES]
    if failed:
        yield ""
        for trial in failed[:_NUM_FAILED]:
            yield f"- {trial.name}: {outcome(trial)}; its output: {again.place(_folder(folder, trial) / LOG)}"
    if len(failed) > _NUM_FAILED:
        yield f"- and {len(failed) - _NUM_FAILED} others"
    yield ""


def best_lines(experiment: Experiment, trials: Sequence[Trial], folder: Path) -> Iterator[str]:
    """Say which trial is the best, what it has found and where its files are."""
    leader = best(experiment.objective, trials)
    if leader is None:
        yield _without_best(experiment.objective, trials)
        yield f"Files: {again.place(folder)}"
        return
    within = "" if experiment.objective.budget is None else f" within the budget {experiment.objective.budget}"
    yield f"Best trial{within}: {leader.name}"
    yield ""
    for name, value in found(experiment, leader).items():
        yield f"- {name}: {value}"
    yield f"- files: {again.place(_folder(folder, leader))}"
    for remark in remarks.read(_folder(folder, leader) / ARTIFACTS):
        yield f"- beware: {remark}"


def _folder(run: Path, trial: Trial) -> Path:
    return RunFolder(run).trial(trial.name)


def found(experiment: Experiment, trial: Trial) -> dict[str, str]:
    """What a trial that was measured has found: its metrics, then what it was given, where that is what is searched."""
    observation = trial.observation or {}
    values = {metric: observation[metric] for metric in experiment.objective.metrics if metric in observation}
    # Of a DARTS trial the assignments are the search space; what was found is its metric.
    searched = {
        name: value for name, value in trial.assignments.items() if name == "architecture" or experiment.parameters
    }
    return values | searched


def _columns(experiment: Experiment, trials: Sequence[Trial]) -> list[Column]:
    """A text, such as a genotype, has no place in a table."""
    objective = experiment.objective
    observations = [trial.observation or {} for trial in trials]
    numbers = [
        metric
        for metric in objective.metrics
        if all(collector.number(values.get(metric, "")) is not None for values in observations)
    ]
    return [
        Column(title="best trials", cells=[trial.name for trial in trials], max_width=63),
        *(
            Column(
                title=metric,
                cells=[values[metric] for values in observations],
                rank=0 if metric == objective.metric else 2,
            )
            for metric in numbers
        ),
        *parameter_columns(experiment, trials, rank=3),
        Column(title="time", cells=[duration(seconds_of(trial)) for trial in trials], is_right=True, rank=1),
    ]


def _without_best(objective: Objective, trials: Sequence[Trial]) -> str:
    if objective.budget is not None and (leaders := ranked(objective, trials)):
        costs = ", ".join(
            f"{name} {(leaders[0].observation or {}).get(name, 'unknown')}" for name in objective.budget.metrics
        )
        return f"No trial is within the budget {objective.budget}; the nearest is {leaders[0].name}: {costs}."
    succeeded = [trial for trial in trials if trial.condition is TrialCondition.SUCCEEDED]
    if succeeded:
        reason = f" ({succeeded[-1].name}: {succeeded[-1].reason})" if succeeded[-1].reason else ""
        return f"No trial has a usable {objective.metric}: of those that have succeeded it is NaN or empty{reason}."
    return "No trial has succeeded."
