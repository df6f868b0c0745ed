import pytest

from enas_service.cost import Sizes


@pytest.mark.parametrize(
    ("num_layers", "num_steps", "num_suggestions", "measured_mib"),
    [(12, 1_000, 3, 316), (8, 10, 300, 315), (71, 10, 2, 439)],
)
def test_no_call_took_more_than_is_estimated_nor_much_less(num_layers, num_steps, num_suggestions, measured_mib):
    """Of a real service that learned from 400 trials at once: docs/decisions/0003-limits.md."""
    sizes = Sizes(num_layers=num_layers, num_operations=106, hidden_size=64, num_steps=num_steps)
    estimated_mib = sizes.memory_mib + (num_suggestions - 1) * sizes.suggestion_mib
    assert measured_mib <= estimated_mib <= 1.25 * measured_mib
