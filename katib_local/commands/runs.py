"""``katib-nas list`` and ``katib-nas show``: the runs that are kept, and one of them."""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from katib_local.errors import RunFolderError
from katib_local.record import again, kept_runs, run_folder
from katib_local.record.kept_runs import KeptRun
from katib_local.record.run_folder import RUNS, RunFolder
from katib_local.record.trials import FAILURES, Trial
from katib_local.showing import columns, display, summary
from katib_local.showing.columns import Column
from katib_local.showing.wording import counts
from katib_suggestion import streams
from katib_suggestion.files.user_paths import user_path

_UNREADABLE = "unreadable"
_WIDEST = 10_000

_EPILOG = """\
exit codes:
    0  done
    2  there is no such run, or it cannot be read
    5  the machine gave out: disk, permissions
"""


def add_to(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add both commands to those of ``katib-nas``."""
    for name, command in (("list", list_runs), ("show", show)):
        parser = commands.add_parser(
            name,
            help=command.__doc__,
            description=command.__doc__,
            epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.set_defaults(command=command)
        if command is show:
            what = "its folder, or the folder's name below --runs-dir (default: the newest there)"
            parser.add_argument("run", nargs="?", type=user_path, metavar="RUN", help=what)
        parser.add_argument(
            "--runs-dir", type=user_path, default=RUNS, metavar="D", help="where runs are kept (default: %(default)s)"
        )
        parser.add_argument("--json", action="store_true", help="write JSON")


def list_runs(arguments: argparse.Namespace) -> int:
    """List the runs that are kept, the newest first."""
    runs: Path = arguments.runs_dir
    if runs != RUNS and not runs.is_dir():
        raise RunFolderError(f"--runs-dir: {runs} is no folder")
    found = sorted(kept_runs.read_all(runs), key=_age)
    if arguments.json:
        _write_json([_listed(run) for run in found])
        return 0
    console = Console()
    if not found:
        display.write(console, f"no run below {runs.absolute()}")
        return 0
    _print(_list_columns(found), console)
    for run in found:
        if not isinstance(run, KeptRun):
            display.write(Console(stderr=True), f"{run[0].path.name}: {run[1]}")
    return 0


def show(arguments: argparse.Namespace) -> int:
    """Show a run: what it was asked for, its best trial, and all its trials."""
    run = kept_runs.read(run_folder.newest(arguments.run, arguments.runs_dir))
    if arguments.json:
        _write_json(_listed(run) | _shown(run))
        return 0
    console = Console()
    width = console.width if console.is_terminal else None
    for line in _lines(run):
        display.write(console, line)
    if run.trials:
        found = display.trial_columns(run.experiment, run.trials, width, is_interrupted=run.is_interrupted)
        if any(trial.reason for trial in run.trials):
            found.append(Column(title="reason", cells=[trial.reason for trial in run.trials], rank=4))
        _print(found, console)
    return 0


def _print(found: Sequence[Column], console: Console) -> None:
    """Print a table, into a file with nothing cut."""
    if console.is_terminal:
        console.print(columns.table(found, console.width))
        return
    wide = Console(width=_WIDEST)
    with wide.capture() as captured:
        wide.print(columns.table(found, None))
    for line in captured.get().splitlines():
        display.write(console, line.rstrip())


Read = KeptRun | tuple[RunFolder, str]


def _age(run: Read) -> tuple[bool, float]:
    """The newest first, and those of which nothing is known last."""
    return (False, -run.started.timestamp()) if isinstance(run, KeptRun) else (True, 0.0)


def _list_columns(found: Sequence[Read]) -> list[Column]:
    rows = [_row(run) for run in found]
    titles = {"name": 5, "started": 4, "state": 2, "trials": 3, "failed": 4, "best": 1, "folder": 0}
    return [
        Column(title=title, rank=rank, cells=[row[index] for row in rows], max_width=255)
        for index, (title, rank) in enumerate(titles.items())
    ]


def _row(run: Read) -> tuple[str, ...]:
    if not isinstance(run, KeptRun):
        return ("", "", _UNREADABLE, "", "", "", run[0].path.name)
    return (
        run.experiment.name,
        f"{run.started:%Y-%m-%d %H:%M}",
        run.state_in_a_word,
        str(len(run.trials)),
        str(_num_failed(run)),
        columns.shortened(_best_value(run) or "", 20),
        run.folder.path.name,
    )


def _num_failed(run: KeptRun) -> int:
    return sum(trial.condition in FAILURES for trial in run.trials)


def _best_value(run: KeptRun) -> str | None:
    best = run.best
    return None if best is None else (best.observation or {}).get(run.experiment.objective.metric)


def _lines(run: KeptRun) -> Iterator[str]:
    objective = run.experiment.objective
    goal = "" if objective.goal is None else f", goal {objective.goal:g}"
    yield f"{run.experiment.name}: {run.state} ({counts(run.trials, is_interrupted=run.is_interrupted)})"
    yield ""
    yield f"- started: {run.started:%Y-%m-%d %H:%M:%S %Z}"
    yield f"- objective: {objective.direction.value} {objective.metric}{goal}"
    yield f"- algorithm: {run.experiment.algorithm}"
    yield from (f"- {name}: {value}" for name, value in run.settings)
    yield f"- command: {run.command}"
    if run.resume_command is not None:
        yield f"- to go on: {run.resume_command}"
    yield f"- files: {again.place(run.folder.path)}"
    yield ""
    yield from summary.best_lines(run.experiment, run.trials, run.folder.path)
    yield ""


def _listed(run: Read) -> dict[str, Any]:
    """A run in the list's JSON."""
    if not isinstance(run, KeptRun):
        return {"folder": str(run[0].path), "state": _UNREADABLE, "reason": run[1]}
    best = run.best
    return {
        "name": run.experiment.name,
        "started": run.started.isoformat(),
        "state": run.state_in_a_word,
        "num_trials": len(run.trials),
        "num_failed": _num_failed(run),
        "metric": run.experiment.objective.metric,
        "best_value": _best_value(run),
        "best_trial": best and best.name,
        "folder": str(run.folder.path),
    }


def _shown(run: KeptRun) -> dict[str, Any]:
    """What the JSON of one run has beside."""
    objective = run.experiment.objective
    return {
        "algorithm": run.experiment.algorithm,
        "settings": dict(run.settings),
        "direction": objective.direction.value,
        "goal": objective.goal,
        "command": run.command,
        "versions": dict(run.versions),
        "manifest": run.document,
        "trials": [_trial(trial) for trial in run.trials],
    }


def _trial(trial: Trial) -> Mapping[str, Any]:
    return {
        "name": trial.name,
        "condition": trial.condition.value,
        "reason": trial.reason,
        "started": _moment(trial.started),
        "finished": _moment(trial.finished),
        "exit_code": trial.exit_code,
        "metrics": None if trial.observation is None else dict(trial.observation),
        "assignments": dict(trial.assignments),
    }


def _moment(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _write_json(value: object) -> None:
    streams.write_document(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
