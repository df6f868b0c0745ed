"""Described decisions as columns of numbers, in which what two networks share is a product.

Every feature is a similarity of two networks, 1 for equal ones, that is a scalar product of some columns. Three forms:

- **same**: whether an attribute has the same value; one column for each value.
- **near**: how near two values of an ordered attribute are, ``1 - |i - j| / (m - 1)`` for m values; two columns for each
  step of the scale, above and below it (a thermometer).
- **count**: how alike two networks are when places do not matter, ``sum_v min(count_v, count'_v) / P`` for a kind with P
  places (histogram intersection, Swain & Ballard 1991): what is good in one layer is mostly good in all. One column for
  each value and number of places.

Shape suffixes: n network, a attribute, v column, f feature.
"""

from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from enas_service.model.attributes import Attribute

Floats = NDArray[np.float64]
Columns = NDArray[np.float32]
"""Single precision: the products of columns are most of the model's time."""
Ints = NDArray[np.int64]


class Features:
    """From described networks (N, A) to columns (N, V).

    Args:
        attributes: (A) what is described; one with a single value teaches nothing, and has no columns.

    Attributes:
        feature_v: (V) the feature of each column.
        kind_f: (F) the number of each feature's kind; another form is another kind.
        kinds: name and form of each number.
        decisions_f: (F) the decisions that each feature is made of.
    """

    def __init__(self, attributes: Sequence[Attribute]) -> None:
        places: dict[Hashable, list[int]] = defaultdict(list)
        for place, attribute in enumerate(attributes):
            if attribute.num_values > 1:
                places[attribute.kind].append(place)
        self.kinds: list[tuple[Hashable, str]] = []
        self.decisions_f: list[list[int]] = []
        self._sizes_f: list[int] = []
        self._parts: list[tuple[str, list[int], int]] = []
        kind_f: list[int] = []
        for kind, of_kind in places.items():
            first = attributes[of_kind[0]]
            for form in ("same", "near", "count"):
                if (form == "near" and not (first.is_ordered and first.num_values > 2)) or (
                    form == "count" and len(of_kind) < 2
                ):
                    continue
                groups = [of_kind] if form == "count" else [[place] for place in of_kind]
                self._parts.append((form, of_kind, first.num_values))
                self.decisions_f += [[attributes[place].decision for place in group] for group in groups]
                self._sizes_f += [_width(form, first.num_values, len(of_kind))] * len(groups)
                kind_f += [len(self.kinds)] * len(groups)
                self.kinds.append((kind, form))
        self.kind_f = np.array(kind_f, dtype=np.int64)
        self.feature_v = np.repeat(np.arange(len(kind_f)), self._sizes_f)
        self.starts_f = np.concatenate([[0], np.cumsum(self._sizes_f)[:-1]]).astype(np.int64)

    def __call__(self, described_na: Ints) -> Columns:
        """Columns (N, V) of described networks."""
        parts = [_FORMS[form](described_na[:, places], size) for form, places, size in self._parts]
        return np.concatenate([part.reshape(len(described_na), -1) for part in parts], axis=1)


def _width(form: str, num_values: int, num_places: int) -> int:
    return {"same": num_values, "near": 2 * (num_values - 1), "count": num_values * num_places}[form]


def _same(values_np: Ints, num_values: int) -> Columns:
    return (values_np[:, :, np.newaxis] == np.arange(num_values)).astype(np.float32)


def _near(values_np: Ints, num_values: int) -> Columns:
    above = values_np[:, :, np.newaxis] > np.arange(num_values - 1)
    return np.concatenate([above, ~above], axis=2) / np.float32(np.sqrt(num_values - 1))


def _count(values_np: Ints, num_values: int) -> Columns:
    num_places = values_np.shape[1]
    counts_nm = _same(values_np, num_values).sum(axis=1)
    return (counts_nm[:, :, np.newaxis] > np.arange(num_places)) / np.float32(np.sqrt(num_places))


_FORMS = {"same": _same, "near": _near, "count": _count}
