"""The manifest's earlyStopping becomes an `EarlyStopping`, by the rules of Katib's own service for it."""

from katib_local.manifest.checks import one_of
from katib_local.manifest.experiment import EarlyStopping
from katib_local.manifest.resources import V1beta1EarlyStoppingSpec
from katib_suggestion.errors import InvalidExperiment

MEDIAN_STOP = "medianstop"
"""The only algorithm that Katib has."""

_PATH = "spec.earlyStopping"
_DEFAULTS = {"min_trials_required": 3, "start_step": 4}


def read(spec: V1beta1EarlyStoppingSpec | None) -> EarlyStopping | None:
    """Read when trials are stopped early, with Katib's defaults; of a setting that stands twice the last counts.

    Raises:
        InvalidExperiment: there is no such algorithm or setting, or a value is no integer from 1.
    """
    if spec is None:
        return None
    one_of(spec.algorithm_name, [MEDIAN_STOP], f"{_PATH}.algorithmName")
    pairs = tuple((item.name or "", item.value or "") for item in spec.algorithm_settings or [])
    values = dict(_DEFAULTS)
    for name, text in pairs:
        one_of(name, _DEFAULTS, f"{_PATH}.algorithmSettings")
        values[name] = _positive(text, f"{_PATH}.algorithmSettings.{name}")
    return EarlyStopping(settings=pairs, **values)


def _positive(text: str, field: str) -> int:
    """Read an integer as Katib's service does, which is written in Python, up to the 32 bits that the wire has."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if not 1 <= value < 2**31:
        raise InvalidExperiment(field, text, f"it must be an integer from 1 to {2**31 - 1}")
    return value
