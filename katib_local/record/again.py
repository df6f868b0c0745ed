"""The command lines that do a run again and that go on with it, to paste where the user stands."""

import shlex
from pathlib import Path

from katib_local.record.options import Options


def run(manifest: str, options: Options) -> str:
    """Return the command that runs the same again, in a folder of its own."""
    flags: list[object] = []
    for flag, value in (
        ("--dataset", options.dataset),
        ("--data-dir", options.data_dir),
        ("--image-size", options.image_size),
        ("--max-images", options.max_images),
        ("--shared-weights", options.shared_weights),
        ("--parallel", options.parallel),
        ("--seed", options.seed),
        ("--suggestion", options.suggestion),
    ):
        if value is not None:
            flags += [flag, value]
    for image, program in options.images.items():
        flags += ["--image", f"{image}={program}"]
    return shlex.join(["katib-nas", "run", manifest, *map(str, flags)])


def resume(manifest: str, folder: Path) -> str:
    """Return the command that goes on with a run; its options are kept in its folder."""
    return shlex.join(["katib-nas", "run", manifest, "--output-dir", place(folder), "--resume"])


def manifest(options: Options, experiment: str) -> str:
    """Name a run's manifest; ``EXPERIMENT.yaml`` stands for one that is in no file."""
    return f"{experiment}.yaml" if options.manifest is None else place(Path(options.manifest))


def place(path: Path) -> str:
    """Say a path as shortly as it can be said here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
