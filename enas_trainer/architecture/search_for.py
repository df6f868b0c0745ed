"""What kind of architecture a trial's ``nn_config`` is about; the name is that of a flag of the published code."""

from collections.abc import Iterable, Mapping

from enas_trainer.architecture import fields

MACRO, MICRO, RECURRENT = "macro", "micro", "recurrent"

KINDS = (MACRO, MICRO, RECURRENT)

NAME = "search_for"
"""In ``nn_config``; where it is missing, the architecture is macro."""


def of_settings(settings: Iterable[tuple[str, str]]) -> str:
    """Return the kind that the settings of an Experiment ask for, or what they say in its place."""
    return dict(settings).get(NAME, MACRO)


def of(nn_config: str) -> str:
    """Return the kind.

    Raises:
        InvalidNetwork: it is none, or the text no JSON.
    """
    values = fields.parse(nn_config, "nn_config")
    if not isinstance(values, Mapping) or NAME not in values:
        return MACRO
    return fields.choice(values[NAME], f"nn_config.{NAME}", (MICRO, RECURRENT))
