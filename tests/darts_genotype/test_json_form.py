import json

import pytest

from darts_genotype import forms, json_form
from darts_genotype.genotype import GenotypeError


@pytest.fixture
def fields(example):
    return json.loads(json_form.write(forms.read(example)))


def read_with(fields, **changes):
    return json_form.read(json.dumps(fields | changes))


def test_the_object(fields):
    assert list(fields) == ["version", "normal", "normal_concat", "reduce", "reduce_concat"]
    assert fields["version"] == 1
    assert fields["normal"][0] == [["max_pooling_3x3", 0], ["max_pooling_3x3", 1]]
    assert fields["reduce_concat"] == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("normal_concat=range(2,6)", "normal_concat=[2,4,5]"),
        ("reduce_concat=range(2,6)", "reduce_concat=[1,2,3,4,5]"),
        ("('dilated_convolution_3x3',3)", "('dilated_convolution_3x3',0)"),
    ],
    ids=["fewer nodes", "an input", "both edges from one node"],
)
def test_what_version_1_cannot_say_is_written_in_version_2(example, old, new):
    one_line = "".join(example.split())
    assert old in one_line
    genotype = forms.read(one_line.replace(old, new))
    document = json_form.document(genotype)
    assert document["version"] == 2
    assert json_form.read(json.dumps(document)) == genotype
    with pytest.raises(GenotypeError, match=r"version: 1 .* needs version 2"):
        read_with(document, version=1)


def test_version_2_may_say_what_version_1_can(fields, example):
    assert read_with(fields, version=2) == forms.read(example)


def test_fields_beside_are_not_looked_at(fields, example):
    assert read_with(fields, genotype=[1], seed=3) == forms.read(example)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 3}, "version: 3 is not allowed: this program reads the versions 1 and 2"),
        ({"normal_concat": [1, 2, 3, 4, 5]}, "version: 1 is not allowed: what stands there needs version 2"),
        ({"version": "1"}, "version: '1'"),
        ({"version": True}, "version: True"),
        ({"version": None}, "version: None"),
        ({"normal": 1}, "normal: 1 .* list of nodes"),
        ({"normal": []}, "normal: '0 nodes'"),
        ({"normal": {"a": 1}}, "normal: {'a': 1} .* list of nodes"),
        ({"normal": ["ab"]}, "normal, node 2: 'ab' .* list of edges"),
        ({"normal": [["ab", "cd"]]}, "normal, node 2: 'ab' .* an edge is"),
        ({"reduce": [[["max_pooling_3x3", 0], ["max_pooling_3x3", 1.0]]]}, "reduce, node 2: .* an edge is"),
        ({"reduce": [[["max_pooling_3x3", 0], ["max_pooling_3x3", 10**30]]]}, "reduce, node 2|reduce: "),
        ({"normal_concat": {}}, "normal_concat: {}"),
        ({"reduce_concat": [2, 3]}, "reduce_concat: \\[2, 3\\]"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(fields, changes, message):
    with pytest.raises(GenotypeError, match=message):
        read_with(fields, **changes)


@pytest.mark.parametrize("missing", ["version", "normal", "normal_concat", "reduce", "reduce_concat"])
def test_every_field_is_needed(fields, missing):
    del fields[missing]
    with pytest.raises(GenotypeError, match=f"fields: .* not allowed: {missing} must be"):
        read_with(fields)


def test_a_field_stands_once(fields):
    with pytest.raises(GenotypeError, match="stands twice"):
        json_form.read(json.dumps(fields).replace('"reduce":', '"normal":'))
