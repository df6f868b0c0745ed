import itertools
import json
from collections import Counter

import numpy as np
import pytest

from enas_service.spaces import micro, recurrent
from enas_service.spaces.space import ForeignAssignments
from katib_suggestion.parsing import assignment
from katib_suggestion.wire import converters

PUBLISHED = (
    "0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1",
    "1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1",
)
"""The cells that the paper's code gives as its fixed arc: of each node both sources with their operations."""

SECOND_DARTS_CELL = "0 2 1 1 1 1 1 3 2 0 5 2 3 0 5 1"
"""The recurrent cell of DARTS's second order, as google-research's enas_lm would write it."""


def as_row(text):
    return "[" + ", ".join(text.split()) + "]"


@pytest.fixture
def of_pictures(build):
    return micro.of(converters.experiment(build.micro()), None)


@pytest.fixture
def of_text(build):
    return recurrent.of(converters.experiment(build.recurrent()), None)


@pytest.fixture(params=["micro", "recurrent"])
def space(request, of_pictures, of_text):
    return {"micro": of_pictures, "recurrent": of_text}[request.param]


def small(build, kind, num_nodes):
    """With two operations."""
    if kind == "micro":
        message = build.micro(build.operation("skip_connection"), build.micro().spec.nas_config.operations.operation[1])
        return micro.of(converters.experiment(message), num_nodes)
    message = build.recurrent(build.operation("relu"), build.operation("tanh"))
    return recurrent.of(converters.experiment(message), num_nodes)


def test_the_published_cells_are_read_and_written_unchanged(of_pictures):
    text = f"[{as_row(PUBLISHED[0])}, {as_row(PUBLISHED[1])}]"
    decisions = of_pictures.read({"architecture": text})
    assert decisions.tolist() == [int(number) for row in PUBLISHED for number in row.split()]
    written = of_pictures.write(decisions)
    assert list(written) == ["architecture", "nn_config"]
    assert written["architecture"] == text
    assert written["nn_config"] == (
        "{'num_layers': 8, 'input_sizes': [32, 32, 3], 'output_sizes': [10], 'search_for': 'micro', 'num_nodes': 5, "
        "'embedding': {'0': {'opt_id': 0, 'opt_type': 'separable_convolution', 'opt_params': {'filter_size': '3'}}, "
        "'1': {'opt_id': 1, 'opt_type': 'separable_convolution', 'opt_params': {'filter_size': '5'}}, "
        "'2': {'opt_id': 2, 'opt_type': 'avg_pooling', 'opt_params': {'filter_size': '3'}}, "
        "'3': {'opt_id': 3, 'opt_type': 'max_pooling', 'opt_params': {'filter_size': '3'}}, "
        "'4': {'opt_id': 4, 'opt_type': 'skip_connection', 'opt_params': {}}}}"
    )


def test_the_published_recurrent_cell_is_read_and_written_unchanged(of_text):
    text = f"[{as_row(SECOND_DARTS_CELL)}]"
    decisions = of_text.read({"architecture": text})
    written = of_text.write(decisions)
    assert written["architecture"] == text
    assert written["nn_config"] == (
        "{'num_layers': 1, 'input_sizes': [10000], 'output_sizes': [10000], 'search_for': 'recurrent', 'num_nodes': 8, "
        "'embedding': {'0': {'opt_id': 0, 'opt_type': 'tanh', 'opt_params': {}}, "
        "'1': {'opt_id': 1, 'opt_type': 'relu', 'opt_params': {}}, "
        "'2': {'opt_id': 2, 'opt_type': 'sigmoid', 'opt_params': {}}, "
        "'3': {'opt_id': 3, 'opt_type': 'identity', 'opt_params': {}}}}"
    )


def test_decisions_are_what_keys_and_assignments_say_of_them(space):
    random = np.random.default_rng(0)
    for _ in range(50):
        decisions = space.draw(random)
        assert np.all((decisions >= 0) & (decisions < space.counts))
        assert np.array_equal(space.read(space.write(decisions)), decisions)
        kept = space.of_key(space.key(decisions))
        assert space.key(kept) == space.key(decisions)
        assert np.array_equal(space.described(np.stack([kept])), space.described(np.stack([decisions])))
        assert len(str(space.write(decisions))) <= space.max_suggestion_bytes
        assert all(assignment.is_safe(value.replace("'", "")) for value in space.write(decisions).values())


def test_edges_in_another_order_are_the_same_cells(of_pictures):
    random = np.random.default_rng(0)
    for _ in range(20):
        decisions = of_pictures.draw(random)
        edges = decisions.reshape(2, 5, 2, 2).copy()
        for cell, node in itertools.product(range(2), range(5)):
            if random.random() < 0.5:
                edges[cell, node] = edges[cell, node, ::-1]
        other = edges.reshape(-1)
        assert of_pictures.key(other) == of_pictures.key(decisions)
        assert np.array_equal(of_pictures.described(np.stack([other])), of_pictures.described(np.stack([decisions])))


@pytest.mark.parametrize(
    ("kind", "num_nodes", "size"),
    # Multisets of two of the 4 and of the 6 edges that a node can have, in two cells; 2 and 4 edges, in one.
    [("micro", 1, 10**2), ("micro", 2, (10 * 21) ** 2), ("recurrent", 1, 2), ("recurrent", 3, 2 * 4 * 6)],
)
def test_there_are_as_many_keys_as_networks_that_differ(build, kind, num_nodes, size):
    space = small(build, kind, num_nodes)
    assert space.size == size
    every = np.array(list(itertools.product(*map(range, space.counts))), dtype=np.int32)
    described = {tuple(one) for one in space.described(every).tolist()}
    assert len({space.key(one) for one in every}) == size == len(described)


def test_any_combination_is_drawn_as_often_as_another(build):
    space, random = small(build, "recurrent", 2), np.random.default_rng(0)
    counts = Counter(tuple(space.draw(random).tolist()) for _ in range(8_000))
    assert len(counts) == 2 * 4
    assert all(abs(count - 1_000) < 150 for count in counts.values())


def unmarshalled(text):
    """What Katib's UI reads of `architecture`: rows of integers."""
    rows = json.loads(text)
    assert all(type(number) is int for row in rows for number in row)
    return rows


def test_katibs_ui_finds_what_it_looks_up(space, build):
    """`generateNNImage` looks up the first number of row i, and reads i + 1 numbers; sizes must be texts."""
    random = np.random.default_rng(0)
    spaces = [space, small(build, "micro", 1), small(build, "recurrent", 1)]
    for one in spaces:
        for _ in range(30):
            written = one.write(one.of_key(one.key(one.draw(random))))
            rows = unmarshalled(written["architecture"])
            embedding = json.loads(written["nn_config"].replace("'", '"'))["embedding"]
            for index, row in enumerate(rows):
                assert len(row) >= index + 1
                found = embedding[str(row[0])]
                assert isinstance(found["opt_params"].get("filter_size", ""), str)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a value"),
        ("[[0, 0, 0, 0]]", "expected a list of 2 rows"),
        ("[[0, 0, 0, 0], 7]", "row 2: expected a list of integers"),
        ("[[0, 0, 0, 0], [0, 0, 0]]", "row 2: expected 4 integers, not 3"),
        ("[[2, 0, 0, 0], [0, 0, 0, 0]]", "row 1: number 1 must be from 0 to 1, not 2"),
        ("[[0, 0, 0, 0], [0, 0, 1, -1]]", "row 2: number 4 must be from 0 to 1, not -1"),
        ("[[0, 0, 0, true], [0, 0, 1, 1]]", "row 1: expected a list of integers"),
    ],
)
def test_what_is_no_architecture_of_this_space_is_refused(build, text, said):
    with pytest.raises(ForeignAssignments) as caught:
        small(build, "micro", 1).read({"architecture": text})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [lambda key: key[:-2], lambda key: key + b"\0\0", lambda key: b"\2" + key[1:], lambda key: key[4:] + key[:4]],
)
def test_what_is_no_key_is_refused(of_pictures, change):
    # The edges of the first node in order, and those of the last not.
    key = of_pictures.key(of_pictures.read({"architecture": f"[{as_row(PUBLISHED[0])}, {as_row(PUBLISHED[1])}]"}))
    with pytest.raises(ValueError, match="no key of micro cells of 5 nodes, 5 operations"):
        of_pictures.of_key(change(key))


def values_of(space, text):
    decisions = space.read({"architecture": text})
    places = space.described(decisions[np.newaxis])[0]
    return {one.name: one.values[place] for one, place in zip(space.attributes, places, strict=True)}


def test_edges_are_described_by_source_by_what_operations_share_and_by_both(of_pictures):
    values = values_of(of_pictures, f"[{as_row(PUBLISHED[0])}, {as_row(PUBLISHED[1])}]")
    assert {name: value for name, value in values.items() if name.startswith("reduce node 4: ")} == {
        "reduce node 4: loose end": "yes",
        "reduce node 4: source 1": "1",
        "reduce node 4: operation 1": "separable_convolution",
        "reduce node 4: operation.filter_size 1": "5",
        "reduce node 4: pair 1": "separable_convolution/filter_size=5 of 1",
        "reduce node 4: source 2": "3",
        "reduce node 4: operation 2": "separable_convolution",
        "reduce node 4: operation.filter_size 2": "5",
        "reduce node 4: pair 2": "separable_convolution/filter_size=5 of 3",
    }
    assert values["normal node 3: operation.filter_size 2"] is None


def test_what_no_node_reads_is_described_as_a_loose_end(of_pictures, of_text):
    """The published cells' are {2, …, 6} and {2, 4, 5, 6}; the last node is always one."""
    values = values_of(of_pictures, f"[{as_row(PUBLISHED[0])}, {as_row(PUBLISHED[1])}]")
    for cell, loose in (("normal", {2, 3, 4, 5}), ("reduce", {2, 4, 5})):
        found = [values[f"{cell} node {source}: loose end"] for source in range(6)]
        assert found == ["yes" if source in loose else "no" for source in range(6)]
    assert not any("loose" in one.name for one in of_text.attributes), "the output of that cell is of all nodes"


def test_a_node_with_one_source_has_none_to_describe(of_text):
    values = values_of(of_text, f"[{as_row(SECOND_DARTS_CELL)}]")
    assert list(values)[:4] == [
        "recurrent node 1: operation",
        "recurrent node 1: pair",
        "recurrent node 2: source",
        "recurrent node 2: operation",
    ]
    assert values["recurrent node 6: source"] == "5"
    assert values["recurrent node 6: pair"] == "sigmoid of 5"


def test_attributes_say_which_decision_they_describe(space):
    assert len({one.name for one in space.attributes}) == len(space.attributes)
    assert all(len(one.values) >= 2 for one in space.attributes)
    free = {decision for decision, count in enumerate(space.counts) if count > 1}
    assert {one.decision for one in space.attributes} == free
    kinds = {one.kind: one for one in space.attributes}
    for one in space.attributes:
        assert one.values == kinds[one.kind].values
