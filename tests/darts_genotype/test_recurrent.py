import json
import random
from pathlib import Path

import jsonschema
import pytest

from darts_genotype import forms, katib_form, quark0_form
from darts_genotype.activations import ACTIVATIONS
from darts_genotype.genotype import Edge, GenotypeError
from darts_genotype.recurrent import RecurrentGenotype


def test_all_nodes_are_the_output_unless_told_otherwise():
    genotype = RecurrentGenotype.of(("tanh", 0), ("relu", 1))
    assert (genotype.num_nodes, genotype.concat) == (2, (1, 2))


@pytest.mark.parametrize(
    ("recurrent", "concat", "message"),
    [
        ([], (1,), "1 to 64 nodes"),
        ([("tanh", 0)] * 65, (1,), "65 nodes"),
        ([("max_pooling_3x3", 0)], (1,), "node 1: 'max_pooling_3x3'.*tanh, relu, sigmoid, identity"),
        ([("tanh", 0), ("tanh", 2)], (1,), "node 2: 2 .*0 to 1"),
        ([("tanh", -1)], (1,), "node 1: -1"),
        ([("tanh", 0)], (), "concat"),
        ([("tanh", 0)], (0,), "concat"),
        ([("tanh", 0)], (1, 1), "concat"),
        ([("tanh", 0)], (2,), "concat"),
    ],
)
def test_what_is_no_cell_is_refused_by_its_place(recurrent, concat, message):
    with pytest.raises(GenotypeError, match=message):
        RecurrentGenotype(recurrent=tuple(Edge(*edge) for edge in recurrent), concat=concat)


V2 = (
    "Genotype(recurrent=[('sigmoid', 0), ('relu', 1), ('relu', 1), ('identity', 1), ('tanh', 2), ('sigmoid', 5), "
    "('tanh', 3), ('relu', 5)], concat=range(1, 9))"
)
"""As the authors' code writes it."""


def draw(numbers):
    num_nodes = numbers.randint(1, 12)
    edges = (Edge(numbers.choice(ACTIVATIONS), numbers.randrange(node)) for node in range(1, num_nodes + 1))
    nodes = numbers.sample(range(1, num_nodes + 1), numbers.randint(1, num_nodes))
    return RecurrentGenotype(recurrent=tuple(edges), concat=tuple(nodes))


def test_the_published_text_is_read_and_written_back_to_the_letter():
    genotype = forms.read(V2)
    assert genotype.recurrent[5] == ("sigmoid", 5)
    assert genotype.concat == tuple(range(1, 9))
    assert quark0_form.write(genotype) == V2
    assert katib_form.write(genotype) == V2.replace(" ", "")
    assert forms.read(f"2026-01-02T03:04:05.678Z Best-Genotype={katib_form.write(genotype)}") == genotype


@pytest.mark.parametrize("form", forms.WRITERS)
def test_every_cell_survives_every_form(form):
    numbers = random.Random(form)
    for _ in range(100):
        genotype = draw(numbers)
        text = forms.WRITERS[form](genotype)
        assert forms.read(text) == genotype
        assert "\n" not in text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("range(1, 9)", "range(1, 99999999999999)", "concat"),
        ("range(1, 9)", "range(1, 10)", "concat"),
        ("range(1, 9)", "[1, 'a']", "concat"),
        ("range(1, 9)", "7", "concat: 7"),
        ("('sigmoid', 0)", "7", "recurrent, node 1: 7"),
        ("('sigmoid', 0)", "('sigmoid', 1)", "recurrent, node 1: 1"),
        ("('sigmoid', 0)", "('none', 0)", "recurrent, node 1: 'none'"),
        ("concat=range(1, 9)", "normal=[]", "recurrent and concat"),
        ("recurrent=[", "recurrent=3, x=[", "recurrent and concat"),
    ],
)
def test_texts_that_are_none_are_refused_by_their_place(old, new, message):
    assert old in V2
    with pytest.raises(GenotypeError, match=message):
        forms.read(V2.replace(old, new))


@pytest.mark.parametrize(
    ("change", "message"),
    [({"version": 1}, "needs version 2"), ({"version": True}, "version"), ({"concat": None}, "concat")],
)
def test_objects_that_are_none_are_refused(change, message):
    document = json.loads(forms.WRITERS["json"](forms.read(V2)))
    with pytest.raises(GenotypeError, match=message):
        forms.read(json.dumps(document | change))
    del document["concat"]
    with pytest.raises(GenotypeError, match="concat must be among them"):
        forms.read(json.dumps(document))


def test_the_schema_takes_what_is_written_and_what_is_read_alone():
    schema = json.loads(Path(__file__).parents[2].joinpath("docs/reference/recurrent-genotype.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    numbers = random.Random(0)
    for _ in range(20):
        document = json.loads(forms.WRITERS["json"](draw(numbers)))
        jsonschema.validate(document, schema)
        for wrong in ({"version": 1}, {"concat": []}, {"recurrent": []}, {"recurrent": [["none", 0]]}):
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate(document | wrong, schema)


def test_the_published_cell_is_that_of_enas_lms_arc():
    arc = tuple(map(int, ["0", "2", "1", "1", "1", "1", "1", "3", "2", "0", "5", "2", "3", "0", "5", "1"]))
    assert RecurrentGenotype.from_arc(arc) == forms.read(V2)
    assert forms.read(V2).arc() == arc


def test_other_numbers_of_functions():
    genotype = RecurrentGenotype.of(("relu", 0), ("tanh", 1))
    assert genotype.arc(("relu", "tanh")) == (0, 0, 1, 1)
    assert RecurrentGenotype.from_arc((0, 0, 1, 1), ("relu", "tanh")) == genotype


@pytest.mark.parametrize(
    ("arc", "message"), [((0, 4), "arc: 4"), ((0, 0, 1), "3 numbers"), ((1, 0), "node 1: 1"), ((), "0 nodes")]
)
def test_arcs_that_are_none_are_refused(arc, message):
    with pytest.raises(GenotypeError, match=message):
        RecurrentGenotype.from_arc(arc)
