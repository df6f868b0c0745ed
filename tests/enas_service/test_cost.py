import pytest

from enas_service.cost import Sizes
from enas_service.policies import joins


@pytest.mark.parametrize(
    ("num_layers", "num_steps", "num_suggestions", "measured_mib"),
    [(12, 1_000, 3, 316), (8, 10, 300, 315), (71, 10, 2, 439)],
)
def test_no_call_took_more_than_is_estimated_nor_much_less(num_layers, num_steps, num_suggestions, measured_mib):
    """Of a real service that learned from 400 trials at once: docs/decisions/0003-limits.md."""
    form = joins.Form(
        num_layers=num_layers, num_operations=106, hidden_size=64, temperature=None, tanh_const=None, skip_target=0.4
    )
    num_features = num_layers * 106 + num_layers * (num_layers - 1) // 2
    sizes = Sizes(form=form, num_features=num_features, num_steps=num_steps)
    estimated_mib = sizes.memory_mib + (num_suggestions - 1) * sizes.suggestion_mib
    assert measured_mib <= estimated_mib <= 1.25 * measured_mib
