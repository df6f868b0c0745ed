"""TensorFlow's import, which is most of what the service needs to start: in time, and in memory."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_OF_NO_USE = ("IPython", "PIL", "h5py", "pandas", "scipy", "sklearn", "torch", "tqdm")
"""Keras imports each of them wherever it finds it, for conveniences that no search uses. An image has hardly one."""


@contextmanager
def lean() -> Iterator[None]:
    """Let imports find nothing of no use, and have no garbage looked for meanwhile: they leave hardly any."""
    hidden = [name for name in _OF_NO_USE if name not in sys.modules]
    # An entry of None tells the import system that there is no such module.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        for name in hidden:
            del sys.modules[name]
