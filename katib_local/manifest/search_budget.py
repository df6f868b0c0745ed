"""What an Experiment's settings say that a network may cost."""

from collections.abc import Iterable

from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.parsing.budget import Budget

SETTING = "budget"
PATH = "spec.algorithm.algorithmSettings.budget"


def of(algorithm: str | None, settings: Iterable[tuple[str | None, str | None]]) -> Budget | None:
    """Return the budget of a search by our ENAS service; None where it has none, or one that the service refuses."""
    text = dict(settings).get(SETTING)
    if algorithm != "enas" or not text:
        return None
    try:
        return Budget.parse(text, PATH)
    except InvalidExperiment:
        return None
