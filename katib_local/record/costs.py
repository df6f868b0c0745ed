"""What a trial's network costs, from the record that its trainer leaves among its artifacts."""

import json
from collections.abc import Mapping
from pathlib import Path

RECORDS = ("architecture.json", "network.json")
"""Of an ENAS trial, and of the training of what a search found."""

_FIELDS = {"parameters": "Parameters", "multiply_adds": "MACs"}
"""Their names in a record, and as metrics."""


def read(folder: Path) -> dict[str, int]:
    """Return the numbers by their names as metrics; none where there is no record, or it is being written."""
    for name in RECORDS:
        try:
            found = json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(found, Mapping):
            return {said: found[key] for key, said in _FIELDS.items() if isinstance(found.get(key), int)}
    return {}
