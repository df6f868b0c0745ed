import pytest

from enas_service.cost import Sizes
from enas_service.policies import joins


@pytest.mark.parametrize(
    ("num_layers", "num_columns", "num_suggestions", "measured_mib"),
    [(12, 912, 3, 321), (8, 544, 100, 316), (40, 5280, 2, 366)],
)
def test_no_call_took_more_than_is_estimated_nor_much_less(num_layers, num_columns, num_suggestions, measured_mib):
    """Of a service that learned from 400 trials at once: docs/decisions/0003-limits.md."""
    form = joins.Form(
        num_layers=num_layers, num_operations=106, hidden_size=64, temperature=None, tanh_const=None, skip_target=0.4
    )
    sizes = Sizes(form=form, num_columns=num_columns, num_steps=10)
    estimated_mib = sizes.memory_mib + (num_suggestions - 1) * sizes.suggestion_mib
    assert measured_mib <= estimated_mib <= 1.25 * measured_mib
