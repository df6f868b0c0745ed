"""TensorFlow without the packages that Keras imports wherever it finds them: an image does without them, too."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_OF_NO_USE = ("IPython", "PIL", "h5py", "pandas", "scipy", "sklearn", "torch", "tqdm")
"""Keras takes each of them for a convenience that no search uses; together they are a third of its import."""


@contextmanager
def without_conveniences() -> Iterator[None]:
    """Let what is imported inside find none of them; afterwards they are there again."""
    hidden = [name for name in _OF_NO_USE if name not in sys.modules]
    # An entry of None is how the import system is told that there is no such module.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
