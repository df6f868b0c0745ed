"""The budget that a trial's command says, beside that of the search's settings: both must be one, and be measured."""

import shlex
from collections.abc import Iterator, Sequence

import enas_trainer.metric_names as enas_metrics
from katib_local.manifest import search_budget, template
from katib_local.manifest.experiment import Experiment
from katib_local.manifest.template import Container
from katib_local.running import known_programs
from katib_local.running.known_programs import KnownProgram
from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.parsing.budget import Budget

_FLAG, _LATENCY_FLAG = "--budget", "--measure-latency"
_COMMAND = f"{template.SPEC_PATH}: command"


def faults(experiment: Experiment, container: Container, program: KnownProgram | None) -> Iterator[InvalidExperiment]:
    """Yield what is wrong: a budget that the shell takes apart, that is none, or is another than the search's.

    Args:
        experiment: of the manifest.
        container: of its trials.
        program: of ours that they run; None for somebody else's, whose flag of that name may be anything.
    """
    if program is None or program not in (known_programs.ENAS, *known_programs.TRAININGS):
        return
    command = container.argv[-1]
    try:
        words = _words(command)
    except ValueError:
        if _FLAG in command:
            allowed = "the shell finds a quote without its end"
            yield InvalidExperiment(_COMMAND, command[command.rindex(_FLAG) :], allowed)
        return
    yield from _of_budget(experiment.objective.budget, words)
    front = search_budget.front_of(experiment.algorithm, experiment.settings)
    # A pattern of the user's own may find what is printed under other names.
    if front and not experiment.collector.filters:
        printed = [name for name in program.printed if name != enas_metrics.LATENCY]
        yield from _unmeasured([front], printed, words, search_budget.FRONT_PATH)


def _of_budget(asked: Budget | None, words: Sequence[str]) -> Iterator[InvalidExperiment]:
    """What is wrong with the flag, beside what the search was asked for."""
    given = _flag_text(words)
    if given is None:
        if asked is not None:
            allowed = f'the trials\' command must say the same: {_FLAG}="{asked}"'
            yield InvalidExperiment(search_budget.PATH, str(asked), allowed)
        return
    if given.endswith("<"):
        allowed = f'the shell takes < for a file: put quotes around it, such as {_FLAG}="MACs<=5e6"'
        yield InvalidExperiment(_COMMAND, f"{_FLAG}={given}", allowed)
        return
    where = f"{_COMMAND}: {_FLAG}"
    try:
        of_trial = Budget.parse(given, where)
    except InvalidExperiment as fault:
        yield fault
        return
    if asked is not None and not asked.is_same(of_trial):
        allowed = f'the trials\' command says {_FLAG}="{of_trial}": both must be the same'
        yield InvalidExperiment(search_budget.PATH, str(asked), allowed)
    yield from _unmeasured(of_trial.metrics, (enas_metrics.PARAMETERS, enas_metrics.MACS), words, where)


def _unmeasured(
    costs: Sequence[str], printed: Sequence[str], words: Sequence[str], where: str
) -> Iterator[InvalidExperiment]:
    """Costs that a trial would refuse, or never report; the latency is one where the command does not ask for it."""
    known = [*printed, *([enas_metrics.LATENCY] if _LATENCY_FLAG in words else [])]
    for cost in costs:
        if cost not in known:
            hint = f"; {_LATENCY_FLAG} measures it" if cost == enas_metrics.LATENCY else ""
            yield InvalidExperiment(where, cost, f"the trials report {', '.join(known)}{hint}")


def _words(command: str) -> list[str]:
    """A command as the shell parts it.

    Raises:
        ValueError: a quote in it has no end.
    """
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    return list(lexer)


def _flag_text(words: Sequence[str]) -> str | None:
    """The flag's text as the shell leaves it, with a ``<`` at its end where the shell takes that for itself.

    Of several the last one counts, as for the trial; None where there is none.
    """
    found = None
    for place, word in enumerate(words):
        name, sign, text = word.partition("=")
        if name != _FLAG:
            continue
        rest = words[place + 1 :]
        if not sign:
            text, rest = (rest[0], rest[1:]) if rest else ("", [])
        found = f"{text}<" if rest and rest[0].startswith("<") else text
    return found
