"""Described decisions as columns of numbers, in which what two networks share is a product.

Every feature is a similarity of two networks, 1 for equal ones, that is a scalar product of some columns. The forms:

- **same**: whether an attribute has the same value; one column for each value.
- **set**: the same of attributes whose order means nothing, such as those of a node's edges: the share of values that
  both have, ``sum_v min(count_v, count'_v) / P`` for a set of P.
- **near**: how near two values of an ordered attribute are, ``1 - |i - j| / (m - 1)`` for m values; two columns for
  each step of the scale, above and below it (a thermometer).
- **count**: the same of all P places of a kind (histogram intersection, Swain & Ballard 1991): what is good in one
  layer is mostly good in all. One column for each value and number of places, as in a set.

Shape suffixes: n network, a attribute, v column, f feature.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from enas_service.spaces.space import Attribute

Floats = NDArray[np.float64]
Columns = NDArray[np.float32]
"""Single precision: the products of columns are most of the model's time."""
Ints = NDArray[np.integer]


class Features:
    """From described networks (N, A) to columns (N, V).

    Args:
        attributes: (A) what is described.

    Attributes:
        kinds: (K) name and form of each kind of feature.
        kind_f: (F) the number of each feature's kind.
        decisions_f: (F) the decisions that each feature is made of.
        feature_v: (V) the feature of each column.
        start_f: (F) the first column of each.
    """

    def __init__(self, attributes: Sequence[Attribute]) -> None:
        places: dict[str, list[int]] = defaultdict(list)
        for place, attribute in enumerate(attributes):
            places[attribute.kind].append(place)
        self.kinds: list[tuple[str, str]] = []
        self.decisions_f: list[list[int]] = []
        self._parts: list[_Part] = []
        kind_f: list[int] = []
        size_f: list[int] = []
        for kind, of_kind in places.items():
            first = attributes[of_kind[0]]
            for form, group_size in _forms(first, len(of_kind), _set_size(attributes, of_kind)):
                groups = [of_kind[start : start + group_size] for start in range(0, len(of_kind), group_size)]
                self.decisions_f += [[attributes[place].decision for place in group] for group in groups]
                kind_f += [len(self.kinds)] * len(groups)
                size_f += [_width(form, first, group_size)] * len(groups)
                self._parts.append(_Part.of(form, of_kind, group_size, first))
                self.kinds.append((kind, form))
        self.kind_f = np.array(kind_f, dtype=np.int64)
        self.feature_v = np.repeat(np.arange(len(kind_f)), size_f)
        self.start_f = np.cumsum([0, *size_f[:-1]])

    @property
    def num_columns(self) -> int:
        """V."""
        return len(self.feature_v)

    def __call__(self, described_na: Ints) -> Columns:
        """Columns (N, V) of described networks."""
        columns_nv = np.empty((len(described_na), self.num_columns), dtype=np.float32)
        start = 0
        for part in self._parts:
            part_nv = part.columns(described_na[:, part.places])
            columns_nv[:, start : start + part_nv.shape[1]] = part_nv
            start += part_nv.shape[1]
        return columns_nv


def _set_size(attributes: Sequence[Attribute], of_kind: Sequence[int]) -> int:
    """How many attributes of a kind make a set; 1 where their order counts."""
    sizes = set(Counter(attributes[place].set_of for place in of_kind).values())
    if attributes[of_kind[0]].set_of is None:
        return 1
    assert len(sizes) == 1, "the sets of a kind are equally large, and stand one after the other"
    return sizes.pop()


def _forms(attribute: Attribute, num_places: int, set_size: int) -> list[tuple[str, int]]:
    """The forms of a kind, and how many places one feature of each is made of."""
    forms = [("same", 1) if set_size == 1 else ("set", set_size)]
    if attribute.is_ordered and _num_numbers(attribute) > 2:
        forms.append(("near", 1))
    if num_places > set_size:
        forms.append(("count", num_places))
    return forms


def _width(form: str, attribute: Attribute, group_size: int) -> int:
    return 2 * _num_numbers(attribute) - 1 if form == "near" else len(attribute.values) * group_size


def _num_numbers(attribute: Attribute) -> int:
    return len(attribute.values) - (None in attribute.values)


_MAX_VALUES = 128
"""Of an attribute whose values' columns are computed beforehand: they grow with the square of the number."""


@dataclass(frozen=True, slots=True)
class _Part:
    """The features of a kind in one form. Columns are looked up: they are computed for thousands of networks a call.

    Args:
        places: (G * P) of the attributes, those of a feature one after the other.
        group_size: P, how many make a feature.
        of_values: from values of the attribute (...) to their columns (..., W).
        of_value_mw: those of each value, where these are few.
        of_count_pw: columns of the number of places that have a value, where that is what counts.
    """

    places: list[int]
    group_size: int
    of_values: Callable[[Ints], Columns]
    of_value_mw: Columns | None
    of_count_pw: Columns | None

    @classmethod
    def of(cls, form: str, places: list[int], group_size: int, attribute: Attribute) -> "_Part":
        """Fill the tables."""
        of_values = partial(_near if form == "near" else _same, attribute)
        num_values = len(attribute.values)
        of_value_mw = of_values(np.arange(num_values)) if num_values <= _MAX_VALUES else None
        return cls(places, group_size, of_values, of_value_mw, _count(group_size) if group_size > 1 else None)

    def columns(self, values_np: Ints) -> Columns:
        """Columns of values in these places."""
        # The mode spares NumPy's check of the indices, which takes several times as long as the copying.
        if self.of_value_mw is None:
            columns = self.of_values(values_np)
        else:
            columns = self.of_value_mw.take(values_np, axis=0, mode="clip")
        if self.of_count_pw is not None:
            num_groups = len(self.places) // self.group_size
            of_groups_ngpm = columns.reshape(len(values_np), num_groups, self.group_size, columns.shape[2])
            counts_ngm = np.einsum("ngpm->ngm", of_groups_ngpm).astype(np.intp)
            columns = self.of_count_pw.take(counts_ngm, axis=0, mode="clip")
        return columns.reshape(len(values_np), math.prod(columns.shape[1:]))


def _same(attribute: Attribute, values: Ints) -> Columns:
    """Columns (..., M) of values."""
    return np.asarray(values[..., np.newaxis] == np.arange(len(attribute.values)), dtype=np.float32)


def _near(attribute: Attribute, values: Ints) -> Columns:
    """Columns (..., 2 * S + 1) of values, for S steps of the scale.

    What has no number has a column of its own: it is as near to itself, and far from all numbers.
    """
    num_steps, value = _num_numbers(attribute) - 1, values[..., np.newaxis]
    is_missing = value > num_steps
    above = value > np.arange(num_steps)
    of_numbers = np.concatenate([above, ~above], axis=-1) & ~is_missing
    return np.concatenate([of_numbers / np.float32(np.sqrt(num_steps)), is_missing], axis=-1).astype(np.float32)


def _count(num_places: int) -> Columns:
    """Columns (P + 1, P) of each number of places."""
    is_more = np.arange(num_places + 1)[:, np.newaxis] > np.arange(num_places)
    return np.asarray(is_more / np.float32(np.sqrt(num_places)), dtype=np.float32)
