"""What an Experiment's settings say of what networks cost: the budget, and the cost of the front."""

from collections.abc import Iterable

from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.parsing.budget import Budget

SETTING, FRONT = "budget", "front"
PATH, FRONT_PATH = (f"spec.algorithm.algorithmSettings.{name}" for name in (SETTING, FRONT))


def of(algorithm: str | None, settings: Iterable[tuple[str | None, str | None]]) -> Budget | None:
    """Return the budget of a search by our ENAS service; None where it has none, or one that the service refuses."""
    text = dict(settings).get(SETTING)
    if algorithm != "enas" or not text:
        return None
    try:
        return Budget.parse(text, PATH)
    except InvalidExperiment:
        return None


def front_of(algorithm: str | None, settings: Iterable[tuple[str | None, str | None]]) -> str:
    """Return the cost of the front that a search by our ENAS service is for; empty where it is for one network."""
    return (dict(settings).get(FRONT) or "").strip() if algorithm == "enas" else ""
