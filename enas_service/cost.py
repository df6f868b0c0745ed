"""What a call of a search costs at most, estimated from its sizes before anything is built.

Each term is a part of the code, counted; the factors are fitted to calls that were measured (TensorFlow 2.21, one
thread): docs/decisions/0003-limits.md has the figures beside the estimates.
"""

from dataclasses import dataclass

from enas_service.limits import EnasLimits
from enas_service.model.bounds import MAX_TRIALS, num_looked_at
from enas_service.model.region import MAX_NUMBERS
from enas_service.policies.policy import PolicyForm
from enas_service.policies.policy_gradient import NUM_LEARNED

NUM_CANDIDATES = 64
"""Drawn from the policy for each request, in one batch."""

_SERVICE_MIB = 260.0
"""The service before its first search."""

_TRACED_MIB, _TRACED_S = 45.0, 1.5
"""The two traced functions of a search."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """What the cost of a call depends on."""

    form: PolicyForm
    """The policy's."""
    num_columns: int
    """Columns of the model's features."""
    num_steps: int
    """Gradient steps of an update."""
    num_costs: int = 0
    """Costs of networks that are learned beside the objective, each by a model of its own."""

    def __str__(self) -> str:
        return f"controller_hidden_size {self.form.hidden_size}, controller_train_steps {self.num_steps}"

    @property
    def memory_mib(self) -> float:
        """Most memory that a call for one suggestion takes, the service's own included."""
        form, hidden = self.form, self.form.hidden_size
        # Weights and Adam's moments as variables, before and after a step, gradients, what is in between: 20 float32.
        weights = 80 * (10 * hidden**2 + 2 * form.num_embeddings * hidden)
        attention = 16 * NUM_LEARNED * form.num_attended * hidden
        states = 60 * NUM_LEARNED * form.num_lstm_steps * hidden
        return _SERVICE_MIB + _TRACED_MIB + (weights + attention + states + self._model_bytes) / 2**20

    @property
    def step_s(self) -> float:
        """Seconds of a gradient step."""
        form, hidden = self.form, self.form.hidden_size
        products = 9 * form.num_lstm_steps * hidden**2 + form.num_outputs * hidden
        return 0.01 + NUM_LEARNED * (1e-9 * products + 8e-9 * form.num_attended * hidden)

    @property
    def propose_s(self) -> float:
        """Seconds of what a call for one suggestion does besides learning."""
        form = self.form
        products = NUM_CANDIDATES * form.hidden_size**2 * (form.num_attended + 16 * form.num_lstm_steps)
        return _TRACED_S + 4e-11 * products + 2.5e-3 * form.num_lstm_steps + self.suggestion_s

    @property
    def suggestion_s(self) -> float:
        """Seconds of one more suggestion."""
        return (0.03 + 3e-5 * self.num_columns) * (1 + self.num_costs)

    @property
    def suggestion_mib(self) -> float:
        """Memory of one more suggestion; a search of a single network has no columns."""
        return 64 * max(1, self.num_columns) / 2**20

    @property
    def _model_bytes(self) -> float:
        """Columns of trials and of candidates, and what covariances are inverted in."""
        looked_at = num_looked_at(self.num_columns, MAX_TRIALS)
        of_trials = 30 * looked_at * self.num_columns + 50 * looked_at**2
        return (1 + self.num_costs) * of_trials + 20 * MAX_NUMBERS

    @property
    def learn_s(self) -> float:
        """Seconds of one update of the policy."""
        return self.num_steps * self.step_s

    def max_updates(self, seconds: float) -> int:
        """How many updates fit into a call of so many seconds; at least one."""
        return max(1, int((seconds - self.propose_s) / self.learn_s))

    def max_suggestions(self, limits: EnasLimits, bytes_each: int) -> tuple[int, str]:
        """How many suggestions one call may ask for, and which of the limits says so.

        Args:
            limits: of which the one that allows least counts.
            bytes_each: the longest suggestion.
        """
        return min(
            (limits.max_suggestions, "max_suggestions"),
            (int((limits.max_memory - self.memory_mib) / self.suggestion_mib) + 1, "max_memory"),
            (int((limits.max_call_time - self.propose_s - self.learn_s) / self.suggestion_s) + 1, "max_call_time"),
            (limits.max_message_size * 2**20 // bytes_each, "max_message_size"),
        )
