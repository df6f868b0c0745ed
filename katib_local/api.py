"""Run Experiments from Python, and look at what they found: for scripts and notebooks.

```python
from katib_local.api import run

found = run("enas-digits", seed=7)
found.best.metrics
found.to_frame()
```
"""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from rich.console import Console

from katib_local.errors import Interrupted, UsageError
from katib_local.manifest import document, manifest
from katib_local.manifest.document import Document
from katib_local.manifest.resources import V1beta1Experiment
from katib_local.record import kept_runs, run_folder
from katib_local.record.options import Options, absolute, absolute_dataset
from katib_local.result import Picture, Run, TrialResult
from katib_local.running import runner
from katib_local.running.interruption import Interruption
from katib_local.showing import display

__all__ = ["Picture", "Run", "TrialResult", "load", "run"]

AnyExperiment: TypeAlias = V1beta1Experiment | Mapping[str, Any] | str | os.PathLike[str]


def run(
    experiment: AnyExperiment,
    *,
    dataset: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    max_images: int | None = None,
    shared_weights: str | os.PathLike[str] | None = None,
    images: Mapping[str, str | os.PathLike[str]] | None = None,
    suggestion: str | None = None,
    seed: int | None = None,
    parallel: int | None = None,
    output_dir: str | os.PathLike[str] | None = None,
    resume: bool = False,
    progress: bool = True,
) -> Run:
    """Run an Experiment on this machine, as ``katib-nas run`` does, and return what came of it.

    A run whose trials failed is returned like any other; its `Run.state` says so.

    Args:
        experiment: a model of ``kubeflow_katib_api``, the same as a mapping, the path of a manifest, or the name of an
            example such as ``enas-digits``.
        dataset: images of the trials whose command names none, such as ``digits`` or ``npz:PATH``.
        data_dir: folder of the data.
        max_images: training images that a trial uses, from 1.
        shared_weights: folder of weights that ENAS trials share.
        images: container images, and the folders whose programs take their place.
        suggestion: HOST:PORT of a suggestion service; None starts the algorithm's.
        seed: makes an ENAS search repeatable, from 0.
        parallel: trials at a time, from 1; None leaves it to the Experiment.
        output_dir: folder of the run; None for one below ``runs``.
        resume: goes on with the run in that folder or, without one, with the Experiment's newest.
        progress: whether to show how it goes: a live table on a terminal, elsewhere lines.

    Raises:
        ValueError: the Experiment, a value or the folder is not allowed; the message names it and what is.
        RuntimeError: the suggestion service does not start, or does not answer as it must.
        KeyboardInterrupt: Ctrl-C, or the notebook's stop; `resume` goes on. Only where this is the main thread.
    """
    options = Options(
        manifest=absolute(_path(experiment)) if isinstance(experiment, (str, os.PathLike)) else None,
        dataset=None if dataset is None else absolute_dataset(dataset),
        data_dir=absolute(_path(data_dir)),
        max_images=max_images,
        shared_weights=absolute(_path(shared_weights)),
        images={name: _program(name, Path(folder)) for name, folder in (images or {}).items()},
        suggestion=suggestion,
        seed=seed,
        parallel=parallel,
    )
    with Interruption() as interruption:
        outcome = runner.run(
            _document(experiment),
            options,
            interruption,
            lambda checked: display.make(checked, _console(progress)),
            output_dir=_path(output_dir),
            resume=resume,
        )
    if outcome.verdict is None:
        _pass_on(interruption, outcome.folder.path)
    return Run(kept_runs.read(outcome.folder))


def load(path: str | os.PathLike[str] | None = None, *, runs_dir: str | os.PathLike[str] = run_folder.RUNS) -> Run:
    """Return a run that is kept, as it stands.

    Args:
        path: its folder, or the folder's name below `runs_dir`; None takes the newest there.
        runs_dir: where runs are kept.

    Raises:
        ValueError: there is none, or it cannot be read.
    """
    return Run(kept_runs.read(run_folder.newest(_path(path), Path(runs_dir))))


def _document(experiment: AnyExperiment) -> Document:
    if isinstance(experiment, V1beta1Experiment):
        # Nobody who writes the model's name wants to write these as well.
        return document.copy({"apiVersion": manifest.API_VERSION, "kind": "Experiment", **experiment.to_dict()})
    if isinstance(experiment, Mapping):
        return document.copy(experiment)
    return manifest.read(manifest.find(os.fspath(experiment)))


def _path(path: str | os.PathLike[str] | None) -> Path | None:
    return None if path is None else Path(path)


def _program(image: str, folder: Path) -> Path:
    if not folder.is_dir():
        raise UsageError(f"images: {str(folder)!r} is not allowed for {image}: it must be a folder")
    return folder.absolute()


def _console(progress: bool) -> Console:
    """In a notebook standard error is shown as if something were wrong, and rich would make a cell of each line."""
    return Console(stderr=not Console().is_jupyter, force_jupyter=False, quiet=not progress)


def _pass_on(interruption: Interruption, folder: Path) -> None:
    """Give a signal to whom it would have gone to, now that all is put away.

    Raises:
        KeyboardInterrupt: for Ctrl-C, if nobody handles it otherwise.
        Interrupted: somebody else handled it.
    """
    hint = f"the run is in {folder}; resume=True goes on with it"
    assert interruption.number is not None
    try:
        signal.raise_signal(interruption.number)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(hint) from None
    raise Interrupted(hint)
