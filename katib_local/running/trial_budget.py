"""The budget that a trial's command says, beside that of the search's settings: both must be one."""

import shlex
from collections.abc import Iterator

from katib_local.manifest import search_budget, template
from katib_local.manifest.experiment import Experiment
from katib_local.manifest.template import Container
from katib_local.running import known_programs
from katib_local.running.known_programs import KnownProgram
from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.parsing.budget import Budget

_FLAG = "--budget"
_COMMAND = f"{template.SPEC_PATH}: command"


def faults(experiment: Experiment, container: Container, program: KnownProgram | None) -> Iterator[InvalidExperiment]:
    """Yield what is wrong: a budget that the shell takes apart, that is none, or is another than the search's.

    Args:
        experiment: of the manifest.
        container: of its trials.
        program: of ours that they run; None for somebody else's, whose flag of that name may be anything.
    """
    if program not in (known_programs.ENAS, *known_programs.TRAININGS):
        return
    given = _flag_text(container.argv[-1])
    asked = experiment.objective.budget
    if given is None:
        if asked is not None:
            allowed = f'the trials\' command must say the same: {_FLAG}="{asked}"'
            yield InvalidExperiment(search_budget.PATH, str(asked), allowed)
        return
    if given.endswith("<"):
        allowed = f'the shell takes < for a file: put quotes around it, such as {_FLAG}="MACs<=5e6"'
        yield InvalidExperiment(_COMMAND, f"{_FLAG}={given}", allowed)
        return
    try:
        of_trial = Budget.parse(given, f"{_COMMAND}: {_FLAG}")
    except InvalidExperiment as fault:
        yield fault
        return
    if asked is not None and not asked.is_same(of_trial):
        allowed = f'the trials\' command says {_FLAG}="{of_trial}": both must be the same'
        yield InvalidExperiment(search_budget.PATH, str(asked), allowed)


def _flag_text(command: str) -> str | None:
    """The flag's text as the shell leaves it, with a ``<`` at its end where the shell takes that for itself."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        words = list(lexer)
    except ValueError:
        return None
    for place, word in enumerate(words):
        name, sign, text = word.partition("=")
        if name != _FLAG:
            continue
        rest = words[place + 1 :]
        if not sign:
            text, rest = (rest[0], rest[1:]) if rest else ("", [])
        return f"{text}<" if rest and rest[0].startswith("<") else text
    return None
