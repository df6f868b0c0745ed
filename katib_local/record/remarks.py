"""What a trainer found to be wrong with what a search came to, from the record among its artifacts."""

import json
from collections.abc import Mapping
from pathlib import Path

from darts_genotype.loading import RECORD


def read(folder: Path) -> tuple[str, ...]:
    """Return the sentences; none where there is no record, or it is being written."""
    try:
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()
    remarks = found.get("remarks") if isinstance(found, Mapping) else None
    return tuple(map(str, remarks)) if isinstance(remarks, list) else ()
