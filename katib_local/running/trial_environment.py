"""The variables of a trial: this machine's, the container's, and what the run was told on its command line."""

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from katib_local.manifest.template import Container
from katib_local.objective.call import VARIABLE
from katib_local.record import dataset_paths
from katib_local.record.options import Options
from katib_local.record.trials import Trial
from katib_local.running import leftovers
from katib_suggestion.files.result_files import ARTIFACTS
from trial_runtime.devices import spinning
from trial_runtime.from_runner import MANIFEST_DIR, OVERRIDES


def of(container: Container, trial: Trial, folder: Path, parallel_trials: int, options: Options) -> Mapping[str, str]:
    """Return all variables of a trial.

    Args:
        container: of the trial.
        trial: to be started.
        folder: of the trial.
        parallel_trials: at a time.
        options: of the command line; they go before all else.
    """
    threads = max(1, _num_cores() // parallel_trials)
    defaults = {"OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1"}
    environment = defaults | of_data(container, options)
    # For trainers that are not ours, too.
    spinning.bound(environment)
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    environment.update(leftovers.mark(folder))
    environment["KATIB_TRIAL_NAME"] = trial.name
    environment["KATIB_NAS_OUTPUT_DIR"] = str(folder / ARTIFACTS)
    if options.objective is not None:
        environment[VARIABLE] = options.objective
    if options.seed is not None:
        seed = str(seed_of(options.seed, trial.assignments))
        environment["KATIB_NAS_SEED"] = seed
        environment[OVERRIDES] = json.dumps(json.loads(environment[OVERRIDES]) | {"--seed": seed})
    return environment


def of_data(container: Container, options: Options) -> dict[str, str]:
    """Return what a trial has of its user, its container and the command line: all that decides what its images are."""
    base = Path(options.manifest).parent if options.manifest else Path.cwd()
    environment = {**os.environ, **dataset_paths.of_user(os.environ)}
    environment |= {**container.environment, **dataset_paths.of_user(container.environment, base)}
    given = given_for_trials(options)
    environment |= {f"KATIB_NAS_{flag.removeprefix('--').replace('-', '_').upper()}": given[flag] for flag in given}
    return environment | {MANIFEST_DIR: str(base), OVERRIDES: json.dumps(given)}


def given_for_trials(options: Options) -> dict[str, str]:
    """Return the options that are meant for the trials, but for the seed, by their flags."""
    given = {
        "--dataset": options.dataset,
        "--data-dir": options.data_dir,
        "--image-size": options.image_size,
        "--max-images": options.max_images,
        "--shared-weights": options.shared_weights,
    }
    return {flag: str(value) for flag, value in given.items() if value is not None}


def seed_of(seed: int, assignments: Mapping[str, str]) -> int:
    """Return the seed of a trial: the same for the same assignments, whenever it runs and beside whatever."""
    text = json.dumps([seed, sorted(assignments.items())])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def _num_cores() -> int:
    """Cores that this process may use; macOS only tells how many there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
