"""ENAS as a suggestion: any number of experiments, each with a search of its own."""

import hashlib
import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from enas_service.checkpoint import CheckpointStore
from enas_service.limits import DEFAULT, EnasLimits
from enas_service.problem import Problem
from enas_service.search.memory import Status
from enas_service.search.search import Search
from katib_suggestion.experiment import Experiment, Trial
from katib_suggestion.serving import caller

logger = logging.getLogger(__name__)

DEFAULT_TTL_S = 24 * 3600.0
"""How long a search stays in memory without a call."""

_OVER_TTL_S = 60.0
"""The same, once every trial of the experiment was asked for."""


@dataclass(slots=True)
class _Held:
    """A search in memory."""

    search: Search
    expires_s: float
    """On the monotonic clock."""


class EnasSuggester:
    """Makes suggestions for any number of experiments.

    Args:
        seed: makes every experiment's search reproducible; None draws a fresh seed for each.
        store: where searches survive a restart; None keeps them in memory only.
        ttl_s: how long a search without calls stays in memory.
        limits: beyond them, an experiment is refused.
    """

    def __init__(
        self,
        seed: int | None = None,
        store: CheckpointStore | None = None,
        ttl_s: float = DEFAULT_TTL_S,
        limits: EnasLimits = DEFAULT,
    ) -> None:
        self._seed = seed
        self._store = store
        self._ttl_s = ttl_s
        self._limits = limits
        self._held: dict[str, _Held] = {}
        self._lock = threading.Lock()
        # One for all searches: what each prepares takes memory, and a pod has half a core.
        self._executor = ThreadPoolExecutor(1, "prepare")

    def validate(self, experiment: Experiment) -> None:
        """Check everything that `suggest` reads.

        Raises:
            InvalidExperiment: the experiment cannot run.
        """
        Problem.of(experiment, self._limits)

    def suggest(self, experiment: Experiment, trials: Sequence[Trial], count: int, total: int) -> list[dict[str, str]]:
        """Learn from the trials that finished since the last call, and make ``count`` suggestions.

        Args:
            experiment: its name tells it from others.
            trials: every trial so far.
            count: how many suggestions to make.
            total: how many were asked for so far, these included.

        Raises:
            InvalidExperiment: as `validate`.
            Unavailable: the caller does not wait long enough.
        """
        problem = Problem.of(experiment, self._limits)
        problem.check_count(count, self._limits)
        is_over = 0 < experiment.max_trial_count <= total
        while True:
            search = self._search(experiment.name, problem, _OVER_TTL_S if is_over else self._ttl_s)
            if (told := search.told(trials, count, total)) is not None:
                return told
            with caller.current().holding(search.lock):
                if not self._holds(experiment.name, search):
                    continue  # it was let go of meanwhile
                if not search.is_of_another(trials, count, total):
                    suggestions, is_new = search.suggest(trials, count, total)
                    if is_new:
                        if self._store is not None:
                            self._store.save(experiment.name, search)
                        search.tell()
                        search.prepare_with(self._executor, partial(self._tell, experiment.name, search))
                    return suggestions
            self._forget(experiment.name, search)

    def statuses(self) -> dict[str, Status]:
        """How far the search of each experiment in memory has come."""
        with self._lock:
            return {name: held.search.status for name, held in self._held.items()}

    def settle(self) -> None:
        """Wait until everything that is being prepared for later calls is ready."""
        with self._lock:
            searches = [held.search for held in self._held.values()]
        for search in searches:
            search.settle()

    def _holds(self, name: str, search: Search) -> bool:
        with self._lock:
            held = self._held.get(name)
            return held is not None and held.search is search

    def _tell(self, name: str, search: Search) -> None:
        """Write what those who watch can read, once a search has prepared."""
        if self._store is not None:
            self._store.tell(name, search)

    def _search(self, name: str, problem: Problem, ttl_s: float) -> Search:
        now_s = time.monotonic()
        with self._lock:
            for other in [other for other, held in self._held.items() if held.expires_s < now_s and other != name]:
                logger.info("%s: let go from memory", other)
                del self._held[other]
            held = self._held.get(name)
            if held is not None and held.search.problem != problem:
                logger.warning("%s: another search space, other settings or another objective: starting afresh", name)
                held = None
            search = held.search if held is not None else self._loaded_or_new(name, problem)
            self._held[name] = _Held(search, now_s + min(ttl_s, self._ttl_s))
            return search

    def _loaded_or_new(self, name: str, problem: Problem) -> Search:
        for note in problem.notes:
            logger.info("%s: %s", name, note)
        if self._store is not None and (search := self._store.load(name, problem)) is not None:
            logger.info("%s: going on after %d trials", name, len(search.memory.lessons))
            return search
        return Search(name, problem, self._seed_of(name))

    def _forget(self, name: str, search: Search) -> None:
        search.settle()
        with self._lock:
            if name in self._held and self._held[name].search is search:
                logger.warning("%s: trials that it learned from are gone: starting afresh", name)
                del self._held[name]
                if self._store is not None:
                    self._store.discard(name)

    def _seed_of(self, name: str) -> int:
        if self._seed is None:
            return int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
        # Experiments under one service's seed still differ from each other.
        return int.from_bytes(hashlib.sha256(f"{self._seed} {name}".encode()).digest()[:8], "big")
