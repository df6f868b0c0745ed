"""A trial that calls a Python function of the user's: ``python3 call.py NAME=TEXT…``, as `callable_trials` asks for it.

What the function returns, or yields one after the other, is printed as metrics. Which function it is stands in the file
that the variable of `VARIABLE` names.
"""

import importlib
import json
import os
import runpy
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

VARIABLE = "KATIB_NAS_OBJECTIVE"


def main() -> int:
    """Call the function; what it raises ends the trial, as any program's does."""
    asked = json.loads(Path(os.environ[VARIABLE]).read_text(encoding="utf-8"))
    # Where the user's process finds modules, so does this one.
    sys.path[:] = asked["path"]
    from katib_local.objective.values import value_of
    from trial_runtime.reporting import metric_lines

    if asked["module"] is None:
        function = runpy.run_path(asked["source"])[asked["name"]]
    else:
        function = getattr(importlib.import_module(asked["module"]), asked["name"])
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    values = {name: value_of(text, asked["types"][name]) for name, text in given.items()}
    for epoch, metrics in enumerate(_results(function(values), asked["metric"]), start=1):
        metric_lines.report(metrics, epoch=epoch)
    return 0


def _results(returned: Any, metric: str) -> Iterator[Mapping[str, float | str]]:
    for result in returned if isinstance(returned, Iterator) else [returned]:
        metrics = result if isinstance(result, Mapping) else {metric: result}
        # Numbers of numpy and torch are numbers, too.
        yield {name: value if isinstance(value, str | int) else float(value) for name, value in metrics.items()}


if __name__ == "__main__":
    sys.exit(main())
