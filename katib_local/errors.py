"""What can go wrong around an experiment; what can be wrong with it is `katib_suggestion.errors.InvalidExperiment`."""

from katib_suggestion.errors import InvalidExperiment, shown


class SuggestionError(RuntimeError):
    """The suggestion service does not start, does not answer, or answers what Katib would not take."""


class UnusableSuggestion(SuggestionError):
    """What the service answers and what the manifest takes do not fit: with the same manifest it happens again."""


class RunFolderError(ValueError):
    """A run cannot start in, or go on from, the folder that was named."""


class TrialError(ValueError):
    """A trial cannot be made from the template and its assignments."""


class Interrupted(Exception):
    """SIGINT or SIGTERM came."""


class RegistryError(RuntimeError):
    """A registry of models cannot be reached, or refuses."""


class UsageError(ValueError):
    """A flag has a value that it does not take."""


class ClusterOnly(InvalidExperiment):
    """What a cluster can do, and this machine cannot."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        super().__init__(field, value, allowed)
        self.because = f"{field} is {shown(value)}: {allowed}"
