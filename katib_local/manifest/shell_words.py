"""Values that a trial's shell takes apart, where the command has no quotes around them."""

import re
import shlex
from collections.abc import Iterator

from katib_local.errors import TrialError
from katib_local.manifest import template
from katib_local.manifest.experiment import Experiment

_HARMLESS = re.compile(r"[\w@%+=:,./-]*", re.ASCII)
"""Texts that a shell reads nothing into."""

_MARK = "katib-nas-value"
"""Stands for a value, and nowhere else in a command."""


def taken_apart(experiment: Experiment) -> Iterator[tuple[str, str]]:
    """Yield each listed value that does not reach the program as it is written, after its parameter's name.

    Katib puts values into the text of a command that a shell reads: outside of quotes a blank makes two arguments of
    a value, and a ``;`` ends the command there. That may be meant, as where a value is two flags.

    Args:
        experiment: whose template `template.check` has passed.
    """
    for parameter in experiment.parameters:
        risky = [value for value in parameter.values if not _HARMLESS.fullmatch(value)]
        marked = _words(experiment, parameter.name, _MARK) if risky else None
        if marked is None:
            continue
        for value in risky:
            if _words(experiment, parameter.name, value) != [word.replace(_MARK, value) for word in marked]:
                yield parameter.name, value


def _words(experiment: Experiment, name: str, value: str) -> list[str] | None:
    """A trial's command as its shell parts it, with a value of one parameter; None where it cannot be parted."""
    references = template.assignment_names(experiment.template.parameters)
    assignments = {**dict.fromkeys(references, template.TEST_VALUE), name: value}
    try:
        container = template.render(experiment.template, experiment.name, experiment.namespace, assignments)
        lexer = shlex.shlex(container.argv[-1], posix=True, punctuation_chars=True)
        lexer.whitespace_split, lexer.commenters = True, ""
        return list(lexer)
    except (TrialError, ValueError):
        return None
