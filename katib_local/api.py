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
from typing import Any, Protocol, TypeAlias

from rich.console import Console

from katib_local.errors import Interrupted, UsageError
from katib_local.manifest import manifest, objects, python_form
from katib_local.manifest.document import Document
from katib_local.manifest.resources import V1beta1Experiment
from katib_local.objective import callable_trials
from katib_local.objective.callable_trials import Objective
from katib_local.record import kept_runs, run_folder
from katib_local.record.dataset_paths import located
from katib_local.record.options import Options, absolute, image_target
from katib_local.result import Picture, Run, TrialResult
from katib_local.running import runner
from katib_local.running.interruption import Interruption
from katib_local.showing import display
from katib_suggestion.files.user_paths import user_path

__all__ = ["Picture", "Run", "TrialResult", "load", "run"]


class ResourceOfAnSdk(Protocol):
    """An Experiment of the SDK ``kubeflow.katib``, whose classes say how their attributes are spelled on the wire."""

    @property
    def attribute_map(self) -> Mapping[str, str]:
        """Attributes, and their names on the wire."""


AnyExperiment: TypeAlias = V1beta1Experiment | ResourceOfAnSdk | Mapping[str, Any] | str | os.PathLike[str]


def run(
    experiment: AnyExperiment,
    *,
    objective: Objective | None = None,
    dataset: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    image_size: int | str | None = None,
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
        experiment: a model of ``kubeflow_katib_api`` or ``kubeflow.katib``, made or read from a cluster; the same as a
            mapping, spelled as in manifests or as in Python; the path of a manifest; or the name of an example such as
            ``enas-digits``.
        objective: a function that the trials call, each in a process of its own, in place of the Experiment's trial
            template. It gets what the service suggests, a mapping of names to values, and returns the objective's
            number or a mapping of metrics; or it yields one after each epoch.
        dataset: images of the trials, whatever their command says, such as ``digits`` or ``npz:PATH``.
        data_dir: folder of the data.
        image_size: pixels that the trials bring their images to: N, or a text HxW.
        max_images: training images that a trial uses, from 1.
        shared_weights: folder of weights that ENAS trials share.
        images: container images, and what takes their place: folders with programs, or images that are known.
        suggestion: HOST:PORT of a suggestion service; None starts the algorithm's.
        seed: makes a run repeatable, what an ENAS search draws and each trial, from 0.
        parallel: trials at a time, from 1; None leaves it to the Experiment.
        output_dir: folder of the run; None for one below ``runs``.
        resume: goes on with the run in that folder or, without one, with the Experiment's newest.
        progress: whether to show how it goes: a live table on a terminal, elsewhere lines.

    Raises:
        ValueError: the Experiment, a value or the folder is not allowed; the message names it and what is.
        RuntimeError: the suggestion service does not start, or does not answer as it must.
        KeyboardInterrupt: Ctrl-C, or the notebook's stop; `resume` goes on. Only where this is the main thread.
    """
    document = _document(experiment)
    programs: dict[str, str | os.PathLike[str]] = dict(images or {})
    if objective is not None:
        document = callable_trials.document_of(document)
        programs[callable_trials.IMAGE] = callable_trials.PROGRAM
    options = Options(
        manifest=absolute(_path(experiment)) if isinstance(experiment, (str, os.PathLike)) else None,
        dataset=None if dataset is None else located(dataset, data_dir),
        data_dir=absolute(_path(data_dir)),
        image_size=None if image_size is None else str(image_size),
        max_images=max_images,
        shared_weights=absolute(_path(shared_weights)),
        images={name: _program(name, os.fspath(target)) for name, target in programs.items()},
        suggestion=suggestion,
        seed=seed,
        parallel=parallel,
        objective=None if objective is None else str(callable_trials.write(objective, document)),
    )
    with Interruption() as interruption:
        outcome = runner.run(
            document,
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
    return Run(kept_runs.read(run_folder.newest(_path(path), user_path(runs_dir))))


def _document(experiment: AnyExperiment) -> Document:
    if python_form.is_object(experiment):
        # Nobody who writes the model's name wants to write these as well.
        made = {"apiVersion": manifest.API_VERSION, "kind": "Experiment", **python_form.read(experiment)}
        return objects.named(made)
    if isinstance(experiment, Mapping):
        return objects.named(python_form.read(experiment))
    assert isinstance(experiment, str | os.PathLike)
    return manifest.read(manifest.find(os.fspath(experiment)))


def _path(path: str | os.PathLike[str] | None) -> Path | None:
    return None if path is None else user_path(path)


def _program(image: str, target: str) -> str:
    try:
        return image_target(target)
    except ValueError as error:
        raise UsageError(f"images: {image}: {error}") from error


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
