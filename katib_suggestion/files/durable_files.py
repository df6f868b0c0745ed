"""Files that a loss of power leaves as they were, or as they are: never in between.

A rename alone does not do that. A file system may write the new name before what the file holds, and any of both long
after the call has returned: what has lost its power may come back with an empty file under a good name. So the content
goes to the disk first, then the name, and after it the folder that holds the name (fsync(2); Pillai et al., "All File
Systems Are Not Created Equal", OSDI 2014).

Standard library only: the trainers import this module.
"""

import errno
import os
from pathlib import Path


def write(path: Path, content: bytes | memoryview) -> None:
    """Write a file, with its folder; whoever reads it finds the old or the new one, after a kill or a loss of power.

    Raises:
        OSError: the machine refuses.
    """
    make_folder(path.parent)
    # Always the same name: what a kill left behind is gone with the next write.
    draft = path.with_name(f".{path.name}.writing")
    try:
        draft.write_bytes(content)
        publish(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def publish(draft: Path, path: Path) -> None:
    """Give a whole file, or a folder with all that is in it, the name under which it is looked for.

    Args:
        draft: what was written, on the same file system; nobody writes it any more.
        path: its name from now on; a file of that name is replaced.

    Raises:
        OSError: the machine refuses.
    """
    synchronise(draft)
    draft.replace(path)
    synchronise_folder(path.parent)


def synchronise(path: Path) -> None:
    """Wait until a file, or a folder with all files in it, is on the disk; its own name may not be yet.

    Raises:
        OSError: the machine refuses.
    """
    if path.is_symlink():
        return  # it is no more than a name
    if path.is_dir():
        for inner in path.iterdir():
            synchronise(inner)
        synchronise_folder(path)
    elif path.is_file():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def synchronise_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk.

    Raises:
        OSError: the machine refuses.
    """
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot, such as some of a network
            raise
    finally:
        os.close(folder)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where they are missing, so that they stay.

    Raises:
        OSError: the machine refuses.
    """
    missing = [one for one in (path, *path.parents) if not one.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for made in reversed(missing):
        synchronise_folder(made.parent)
