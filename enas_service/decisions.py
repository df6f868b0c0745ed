"""What a search decides: one option of each decision, as a vector of numbers.

Shape suffixes, here and wherever decisions are handed on: b or n one of several, d decision.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Decisions: TypeAlias = NDArray[np.int32]
"""(D,), or (N, D) for several: the option that each decision takes, from 0 to one less than the space has for it.

How many options a decision has, and what they mean, only the space knows; see `enas_service.spaces.space`.
"""
