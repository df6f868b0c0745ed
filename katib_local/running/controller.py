"""The loop that the Katib controller runs for an experiment: suggestions in, trials out, until it is over."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

from katib_local.errors import TrialError
from katib_local.manifest import template
from katib_local.manifest.experiment import Experiment
from katib_local.record import collector, diagnosis, run_folder, trial_folder, trials
from katib_local.record.collector import MalformedMetrics, Point
from katib_local.record.options import Options
from katib_local.record.run_folder import RunFolder
from katib_local.record.stop_rules import UnusableValue
from katib_local.record.store import Store
from katib_local.record.trials import Trial, Verdict
from katib_local.running import gpus, trial_process
from katib_local.running.early_stop import EarlyStop
from katib_local.running.gpus import Gpus
from katib_local.running.interruption import Interruption
from katib_local.running.median_stop import MedianStop
from katib_local.running.suggestion_client import SuggestionClient
from katib_local.running.trial_process import TrialProcess
from katib_suggestion.experiment import TrialCondition

_POLL_S = 0.05
_DISPLAY_SHARE = 0.1
"""Of the runner's time that goes into reading what trials print, at most: they may print a lot."""


class Display(Protocol):
    """Shows a run while it goes."""

    interval_s: float
    """How often it shows anew what running trials have reported so far."""

    def show(self, trials: Sequence[Trial]) -> None:
        """Show where all trials stand."""


class Controller:
    """Runs one experiment to its end.

    Args:
        experiment: what to run.
        folder: of the run, locked.
        options: of the command line.
        store: of the run; trials that are in it already are kept, and those that had not ended run again.
        client: asks the suggestion service.
        display: shows how it goes.
        interruption: stops the run.
        refresh: is called again and again while trials run, for what else shows the run.
    """

    def __init__(
        self,
        *,
        experiment: Experiment,
        folder: RunFolder,
        options: Options,
        store: Store,
        client: SuggestionClient,
        display: Display,
        interruption: Interruption,
        refresh: Callable[[], None],
    ) -> None:
        self._experiment = experiment
        self._folder = folder
        self._options = options
        self._store = store
        self._client = client
        self._display = display
        self._interruption = interruption
        self._refresh = refresh
        self._trials: dict[str, Trial] = {trial.name: trial for trial in store.trials()}
        self._processes: dict[str, TrialProcess] = {}
        asks_for_gpus = template.check(experiment.template).num_gpus > 0
        self._gpus = Gpus(gpus.devices() if asks_for_gpus else [])
        self._early_stops: dict[str, EarlyStop] = {}
        """Of those that run and have rules."""
        settings = experiment.early_stopping
        self._median_stop = None if settings is None else MedianStop(settings, experiment.objective, store.points)
        self._next_display_s = time.monotonic() + display.interval_s

    @property
    def trials(self) -> Sequence[Trial]:
        """Every trial so far, in the order of the suggestions."""
        return list(self._trials.values())

    def run(self) -> Verdict:
        """Run until the experiment is over.

        Raises:
            Interrupted: a signal came; the trials that were running are recorded as created and run again next time.
            SuggestionError: the service does not answer as it must; the same holds for the trials.
        """
        self._restart_unfinished()
        leave_as = TrialCondition.CREATED
        try:
            while (verdict := trials.judge(self._experiment, self.trials)) is None:
                self._ask_for_missing()
                self._start_created()
                self._wait_for_an_end()
            # Katib deletes the trials that still run when the experiment is over.
            leave_as = TrialCondition.KILLED
            self._store.set_verdict(verdict)
            return verdict
        finally:
            self._stop_running(leave_as)

    def _restart_unfinished(self) -> None:
        self._store.set_verdict(None)
        for trial in self.trials:
            if trial.condition is not TrialCondition.RUNNING:
                continue
            code = trial_folder.exit_code(self._folder.trial(trial.name))
            if code is not None or trial_folder.was_stopped(self._folder.trial(trial.name)):
                # It had ended, or was to, and that runner was killed before it could record so.
                self._finish(trial.name, code)
            else:
                self._record(replace(trial, condition=TrialCondition.CREATED, started=None))

    def _ask_for_missing(self) -> None:
        count = trials.missing(self._experiment, self.trials)
        if count == 0:
            return
        rules = () if self._median_stop is None else self._median_stop.rules(self.trials)
        new, settings = self._client.suggest(self.trials, count, self._store.reply_settings)
        new = [replace(trial, rules=rules) for trial in new]
        self._store.add(new, settings)
        self._trials.update({trial.name: trial for trial in new})

    def _start_created(self) -> None:
        for trial in self.trials:
            if trial.condition is not TrialCondition.CREATED:
                continue
            if len(self._processes) >= self._experiment.parallel_trials:
                return
            now = datetime.now(UTC)
            try:
                process = trial_process.launch(self._experiment, trial, self._folder, self._options, self._gpus)
            except TrialError as error:
                failed = replace(trial, condition=TrialCondition.FAILED, reason=str(error), started=now, finished=now)
                self._record(failed)
                continue
            if process is None:
                return  # as on a cluster: the one that came first gets what becomes free
            self._processes[trial.name] = process
            if trial.rules:
                self._early_stops[trial.name] = EarlyStop(self._experiment, trial, process.folder)
            self._record(replace(trial, condition=TrialCondition.RUNNING, started=now))

    def _wait_for_an_end(self) -> None:
        """Return when a trial has ended, at once where none runs."""
        while self._processes:
            ended = [process for process in self._processes.values() if self._has_ended(process)]
            for process in ended:
                del self._processes[process.name]
                self._gpus.give_back(process.name)
                self._early_stops.pop(process.name, None)
            if ended:
                return
            self._show_running()
            self._refresh()
            self._interruption.sleep(_POLL_S)

    def _has_ended(self, process: TrialProcess) -> bool:
        """Tell whether a trial has ended, or had to be ended, and record how."""
        code = process.poll()
        if code is not None:
            self._finish(process.name, code)
            return True
        excess = process.excess() or self._stop_early(process)
        if excess is None:
            return False
        trial_process.stop([process])
        self._finish(process.name, process.exit_code, excess)
        return True

    def _stop_early(self, process: TrialProcess) -> str | None:
        """Tell a trial to stop if its rules say so; return why it has to be ended instead, None where it has not."""
        early_stop = self._early_stops.get(process.name)
        if early_stop is None or process.is_stopping:
            return None
        try:
            if early_stop.is_due():
                process.stop_early()
        except UnusableValue as error:
            return str(error)
        return None

    def _finish(self, name: str, code: int | None, excess: str = "") -> None:
        """Record how a trial has ended.

        Args:
            name: of the trial.
            code: its exit code.
            excess: why it had to be ended; empty where it has ended of itself, or by its rules.
        """
        points, problem = self._collect(name)
        observation = collector.observe(points, self._experiment.objective)
        if trial_folder.was_stopped(self._folder.trial(name)):
            condition = TrialCondition.EARLY_STOPPED
            reason = "; ".join(map(str, self._trials[name].rules))
        elif excess or code != 0:
            said = trial_folder.last_error(self._folder.trial(name))
            condition = TrialCondition.FAILED
            reason = excess or (f"exit code {code}: {said}" if said else f"exit code {code}")
        elif observation is None:
            condition = TrialCondition.METRICS_UNAVAILABLE
            reason = problem or self._diagnosis(name, {self._experiment.objective.metric: None})
        else:
            condition, reason = TrialCondition.SUCCEEDED, self._diagnosis(name, observation)
        ended = replace(
            self._trials[name],
            condition=condition,
            reason=reason,
            finished=datetime.now(UTC),
            exit_code=code,
            observation=observation,
        )
        self._record(ended, points)
        run_folder.point_at_best(self._folder, trials.best(self._experiment.objective, self.trials))

    def _collect(self, name: str) -> tuple[list[Point], str]:
        """The metrics of a trial's output, and what was wrong with it."""
        source = self._experiment.collector
        path = trial_folder.metrics_file(self._folder.trial(name), source)
        try:
            with trial_folder.output(path) as output:
                return collector.collect(output, self._experiment.objective.metrics, source), ""
        except MalformedMetrics as error:
            return [], str(error)

    def _diagnosis(self, name: str, values: Mapping[str, str | None]) -> str:
        """Say what contradicts what is seen in a trial's output.

        Args:
            name: of the trial.
            values: metrics and what was found; None for one that must be there and is not.
        """
        source = self._experiment.collector
        path = trial_folder.metrics_file(self._folder.trial(name), source)
        if source.path is not None and not path.is_file():
            return f"it did not write {source.path}, or not by this name"
        with trial_folder.output(path) as output:
            said = [diagnosis.of(output, metric, value, source) for metric, value in values.items()]
        return "; ".join(text for text in said if text)

    def _record(self, trial: Trial, points: Sequence[Point] = ()) -> None:
        self._store.update(trial, points)
        self._trials[trial.name] = trial
        self._display.show(self.trials)

    def _show_running(self) -> None:
        """Show what running trials have reported so far, now and then."""
        if time.monotonic() < self._next_display_s:
            return
        start_s = time.monotonic()
        for name in self._processes:
            points, _ = self._collect(name)
            observation = collector.observe(points, self._experiment.objective)
            self._trials[name] = replace(self._trials[name], observation=observation)
        self._display.show(self.trials)
        now_s = time.monotonic()
        self._next_display_s = now_s + max(self._display.interval_s, (now_s - start_s) / _DISPLAY_SHARE)

    def _stop_running(self, condition: TrialCondition) -> None:
        """End what runs and record it under a condition; where the experiment is over, nothing stays created."""
        trial_process.stop(self._processes.values())
        stopped_early = [name for name, process in self._processes.items() if process.is_stopping]
        self._processes.clear()
        for name in stopped_early:
            self._finish(name, None)
        for trial in self.trials:
            if trial.condition is TrialCondition.RUNNING or (
                trial.condition is TrialCondition.CREATED and condition is TrialCondition.KILLED
            ):
                finished = datetime.now(UTC) if condition is TrialCondition.KILLED else None
                started = trial.started if finished else None
                self._record(replace(trial, condition=condition, started=started, finished=finished, observation=None))
