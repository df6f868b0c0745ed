"""How long threads that wait for each other spin before they sleep.

Torch's threads are those of libgomp, GCC's OpenMP. Unless told otherwise they spin long, and as soon as their cores
have other work, such as a second trial, that slows them 18 times. Threads that do not spin at all halve the speed of
small layers. This bound costs 10 % and 6 times.
"""

from collections.abc import MutableMapping

_COUNT = "10000"


def bound(environment: MutableMapping[str, str]) -> None:
    """Set ``GOMP_SPINCOUNT``, unless that or ``OMP_WAIT_POLICY`` says already how threads wait.

    Args:
        environment: of a process that has not loaded torch, for libgomp reads it when it is loaded.
    """
    if not environment.get("OMP_WAIT_POLICY"):
        environment.setdefault("GOMP_SPINCOUNT", _COUNT)
