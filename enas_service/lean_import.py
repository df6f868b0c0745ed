"""TensorFlow's import, which is most of what the service needs to start: in time, and in memory."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_OF_NO_USE = ("IPython", "PIL", "h5py", "pandas", "scipy", "sklearn", "torch", "tqdm")
"""What Keras imports for conveniences wherever it finds it, and no search uses; an image does not have most of it."""


@contextmanager
def lean() -> Iterator[None]:
    """Let imports find nothing that is of no use, and no garbage be looked for: an import leaves hardly any."""
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
