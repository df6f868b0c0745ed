"""The data that a trial had, as flags for the training of what it found.

What makes a trial short is left out: how many images it used, and which share of them it held out.
"""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from katib_local.manifest import template
from katib_local.record.dataset_paths import located
from katib_local.record.kept_runs import KeptRun
from katib_local.record.trials import Trial
from katib_local.running import trial_environment
from katib_suggestion.files.user_paths import user_path

_FLAGS = ("--dataset", "--image-size", "--flip", "--npz-layout", "--labels", "--max-vocabulary")
_DATA_DIR = "--data-dir"


def of_record(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a trainer's record says of its data."""
    values = {flag: record.get(flag.removeprefix("--").replace("-", "_")) for flag in _FLAGS}
    return tuple(f"{flag}={_text(value)}" for flag, value in values.items() if value is not None)


def of_run(run: KeptRun, trial: Trial, record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what the trial of a run had, with the paths where they count from.

    Args:
        run: of the trial.
        trial: see above.
        record: what the trial has left; empty for what its command says.
    """
    experiment, options = run.experiment, run.options
    container = template.render(experiment.template, trial.name, experiment.namespace, trial.assignments)
    command = dict(_said(container.argv[-1]))
    base = Path(options.manifest).parent if options.manifest else Path.cwd()
    environment = trial_environment.of_data(container, options)
    said = command.get(_DATA_DIR)
    data_dir = options.data_dir or (str(base / user_path(said)) if said else environment.get("KATIB_NAS_DATA_DIR"))
    flags = dict(flag.split("=", 1) for flag in of_record(record) or of_command(container.argv[-1]))
    if "--dataset" in flags:
        flags["--dataset"] = located(flags["--dataset"], data_dir, base)
    if data_dir:
        flags[_DATA_DIR] = data_dir
    return tuple(f"{flag}={value}" for flag, value in flags.items())


def of_command(command: str) -> tuple[str, ...]:
    """Return what a trial's command says of its data."""
    return tuple(f"{flag}={value}" for flag, value in _said(command) if flag in _FLAGS)


def _said(command: str) -> Iterator[tuple[str, str]]:
    try:
        words = shlex.split(command)
    except ValueError:
        return
    for word, after in zip(words, [*words[1:], ""], strict=True):
        flag, separator, value = word.partition("=")
        if flag in (*_FLAGS, _DATA_DIR):
            yield flag, value if separator else after


def _text(value: object) -> str:
    if isinstance(value, list):
        return "x".join(map(str, value))
    return {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)
