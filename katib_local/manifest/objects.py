"""Which of the objects of a manifest is the Experiment, and what it is called."""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from typing import Any

from katib_suggestion.errors import InvalidExperiment

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""Of the names that Kubernetes generates."""
_SUFFIX = 5
_MAX_NAMED = 4

logger = logging.getLogger(__name__)


def experiment_in(documents: Sequence[object]) -> dict[str, Any]:
    """Return the one Experiment among YAML documents; others are passed over, which is logged.

    Args:
        documents: all of a text; one alone is returned whatever it is, as long as it is a mapping. A List of Kubernetes
            stands for its items.

    Raises:
        InvalidExperiment: there is none, or more than one.
    """
    found = list(_flat(documents))
    if not found:
        raise InvalidExperiment("manifest", "no YAML document", "there must be one Experiment")
    if len(found) == 1:
        only = found[0]
        if not isinstance(only, dict):
            raise InvalidExperiment("manifest", only, "it must be an Experiment, a mapping")
        return only
    experiments = [item for item in found if isinstance(item, dict) and item.get("kind") == "Experiment"]
    if len(experiments) != 1:
        raise InvalidExperiment(
            "manifest", f"several YAML documents ({_listed(found)})", "there must be one Experiment"
        )
    others = [item for item in found if item is not experiments[0]]
    logger.warning("passed over %s: only the Experiment runs on this machine", _listed(others))
    return experiments[0]


def named(experiment: dict[str, Any]) -> dict[str, Any]:
    """Give an Experiment a name that has but ``generateName``: each time the same, so that a run can go on.

    Kubernetes draws the five letters behind it at random.
    """
    metadata = experiment.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("name") or not isinstance(metadata.get("generateName"), str):
        return experiment
    digest = hashlib.sha256(metadata["generateName"].encode(errors="replace")).digest()
    suffix = "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:_SUFFIX])
    return {**experiment, "metadata": {**metadata, "name": f"{metadata['generateName']}{suffix}"}}


def _flat(documents: Sequence[object]) -> Iterator[object]:
    for item in documents:
        if isinstance(item, dict) and item.get("kind") == "List" and isinstance(item.get("items"), list):
            yield from item["items"]
        elif item is not None:
            yield item


def _listed(found: Sequence[object]) -> str:
    names = [_named(item) for item in found]
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return ", ".join(names[:_MAX_NAMED]) + more


def _named(item: object) -> str:
    if not isinstance(item, dict):
        return f"a {type(item).__name__}"
    metadata = item.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return " ".join(str(part) for part in (item.get("kind") or "an object without a kind", name) if part)
