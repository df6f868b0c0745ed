"""One seed a run, and independent streams of random numbers from it."""

import hashlib
import secrets

import torch

COMMON_SEED = 0
"""For what shall be the same in every run, so that runs can be compared: such as which images are held out."""


def fresh_seed() -> int:
    """Draw a seed in [0, 2**32) from the operating system, for a run that was given none."""
    return secrets.randbits(32)


def generator(seed: int, stream: str) -> torch.Generator:
    """Return a generator on the CPU for one purpose of a run.

    Each name gives a stream of its own, so that drawing more for one purpose changes nothing for another. The stream
    depends on the seed and the name alone: it is the same in each process, on each machine and each Python.
    """
    digest = hashlib.sha256(f"{seed} {stream}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big"))
