import json
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darts_genotype import forms, json_form, katib_form
from darts_genotype.genotype import Edge, GenotypeError


@pytest.fixture
def one_line(example):
    return "".join(example.split())


def test_the_example_is_read(example):
    genotype = forms.read(example)
    assert genotype.num_nodes == 4
    assert genotype.normal[2] == (Edge("max_pooling_3x3", 0), Edge("dilated_convolution_3x3", 3))
    assert genotype.reduce[0] == (Edge("dilated_convolution_5x5", 1), Edge("separable_convolution_3x3", 0))
    assert genotype.normal_concat == genotype.reduce_concat == (2, 3, 4, 5)


def test_the_example_is_written_as_katib_does(example, one_line):
    for text in (example, one_line, one_line.replace(",", ", "), f"  {one_line}\n"):
        assert katib_form.write(forms.read(text)) == one_line


@pytest.mark.parametrize(
    "before",
    [
        "2026-01-02T03:04:05.678Z Best-Genotype=",
        "epoch=50 Best-Genotype = ",
        "first line\nsecond=2\nBest-Genotype=",
        "  Best-Genotype: ",
        "a line of the log\n" * 10_000 + "Best-Genotype=",
    ],
)
def test_a_line_of_a_log_is_read_as_it_is(one_line, before):
    assert forms.read(before + one_line + "\n") == forms.read(one_line)


@pytest.mark.parametrize("form", forms.WRITERS)
def test_every_genotype_survives_every_form(form, random_genotype):
    numbers = random.Random(form)
    for _ in range(100):
        genotype = random_genotype(numbers)
        text = forms.WRITERS[form](genotype)
        assert forms.read(text) == genotype
        assert "\n" not in text


def test_forms_turn_into_each_other(random_genotype):
    genotype = random_genotype(random.Random(0))
    texts = {form: write(genotype) for form, write in forms.WRITERS.items()}
    assert len(set(texts.values())) == len(texts) == 3
    for text in texts.values():
        assert {form: write(forms.read(text)) for form, write in forms.WRITERS.items()} == texts


def test_without_reduction_cells():
    text = (
        "Genotype(normal=[[('max_pooling_3x3',0),('max_pooling_3x3',1)]],normal_concat=range(2,3),"
        "reduce=[],reduce_concat=range(2,3))"
    )
    genotype = forms.read(text)
    assert genotype.reduce == ()
    assert katib_form.write(genotype) == text
    assert forms.read(json_form.write(genotype)) == genotype


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[('max_pooling_3x3',0),('dil", "[('warp_3x3',0),('dil", "normal, node 4: 'warp_3x3'"),
        ("[('max_pooling_3x3',0),('dil", "[('none',0),('dil", "normal, node 4: 'none'"),
        ("('dilated_convolution_3x3',3)", "('dilated_convolution_3x3',4)", "normal, node 4: 4 .* earlier node, 0 to 3"),
        ("('dilated_convolution_3x3',3)", "('dilated_convolution_3x3',)", "normal, node 4: .* an edge is"),
        ("('dilated_convolution_5x5',4)]", "]", "reduce, node 5: .* 2 edges"),
        ("('dilated_convolution_3x3',3)", "('skip_connection',1),('skip_connection',2)", "normal, node 4: .* 2 edges"),
        ("('dilated_convolution_3x3',3)", "7", "normal, node 4: 7 .* an edge is"),
        ("[('max_pooling_3x3',0),('dilated_convolution_3x3',3)]", "7", "normal, node 4: 7 .* a node is"),
        ("reduce_concat=range(2,6)", "reduce_concat=range(2,7)", "reduce_concat: \\[2, .*6\\] .* nodes, 0 to 5"),
        ("reduce_concat=range(2,6)", "reduce_concat=[2,4,3,5]", "reduce_concat: .* each once and ascending"),
        ("reduce_concat=range(2,6)", "reduce_concat=[2,3,3,4,5]", "reduce_concat: .* each once and ascending"),
        ("reduce_concat=range(2,6)", "reduce_concat=[]", "reduce_concat: \\[\\] .* a list of 1 to 66 nodes"),
        ("reduce_concat=range(2,6)", "reduce_concat=[2,3,4,'5']", "reduce_concat: .* a list of"),
        ("reduce_concat=range(2,6)", "reduce_concat=range(0,67)", "reduce_concat: .* a list of"),
        ("reduce_concat=range(2,6)", "reduce_concat=[2,3,4]", "reduce_concat: .* no node reads node 5"),
        ("normal_concat=range(2,6)", "normal_concat=[2,3]", "normal_concat: "),
        ("normal_concat=range(2,6)", "normal_concat=range(2,99999999999999)", "normal_concat: "),
        ("normal_concat=range(2,6)", f"normal_concat=range({'9' * 40},2)", "normal_concat: "),
        ("normal_concat=range(2,6)", f"normal_concat={'9' * 5000}", "4300 digits"),
        ("('dilated_convolution_3x3',3)", "('dilated_convolution_3x3',-1)", "normal: '-1' .* integers"),
        ("('dilated_convolution_3x3',3)", "('dilated_convolution_3x3',True)", "normal: 'True' .* integers"),
        ("('dilated_convolution_3x3',3)", "('dilated_convolution_3x3',3.0)", "normal: '3.0' "),
        ("normal_concat=range(2,6)", "normal_concat=open('x')", "normal_concat: \"open\\('x'\\)\""),
        ("normal_concat=range(2,6)", "normal_concat=range(2,6,1)", "normal_concat: 'range\\(2,6,1\\)'"),
        ("normal_concat=range(2,6)", "normal_concat=range(2,stop=6)", "normal_concat: 'range\\(2,stop=6\\)'"),
        ("normal_concat=range(2,6)", "normal_concat=x.y", "normal_concat: 'x.y'"),
        ("normal_concat=range(2,6)", "normal_concat=[i for i in (1,)]", "normal_concat: "),
        ("normal_concat=range(2,6)", "normal_concat=9**9**9**9", "normal_concat: '9\\*\\*9"),
        ("normal_concat=range(2,6)", "normal_concat='\\d'", "normal_concat: "),
        ("normal_concat=range(2,6),", "", "fields: "),
        ("normal_concat=", "concat=", "fields: "),
        ("Genotype(", "Phenotype(", r"it holds Genotype\(…\)"),
        ("normal=[", "normal=[[", "line 1, column "),
        ("range(2,6))", "range(2,6)", "line 1, column 9: .* was never closed"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(one_line, old, new, message):
    assert old in one_line
    with pytest.raises(GenotypeError, match=message) as raised:
        forms.read(one_line.replace(old, new))
    assert len(str(raised.value)) < 600


def test_the_place_counts_what_stands_before_the_genotype(example):
    broken = example.strip().replace("reduce=[", "reduce=[;")
    with pytest.raises(GenotypeError, match="line 9, column 9: ';'"):
        forms.read(broken)
    with pytest.raises(GenotypeError, match="line 10, column 9: "):
        forms.read(f"a line\nx={broken}")
    with pytest.raises(GenotypeError, match="line 2, column 21: ';"):
        forms.read("a line\nname=Genotype(normal;")


HOSTILE = {
    "empty": "",
    "a name": "Genotype",
    "no fields": "Genotype()",
    "an argument": "Genotype(1)",
    "unpacked": "Genotype(**{})",
    "a call": "__import__('os').getcwd()",
    "a NUL": "Genotype(a\0b",
    "a line that ends as on a typewriter": "Genotype(\r0normal=[])",
    "a lone surrogate": "Genotype(normal='\ud800')",
    "brackets": "[" * 5000,
    "brackets inside": "Genotype(normal=" + "[" * 5000,
    "closed brackets": "Genotype(normal=" + "[" * 150 + "]" * 150 + ",normal_concat=1,reduce=1,reduce_concat=1)",
    "minuses": "Genotype(normal=" + "-" * 40_000 + "1)",
    "attributes": "Genotype(normal=a" + ".a" * 20_000 + ")",
    "sums": "Genotype(normal=1" + "+1" * 20_000 + ")",
    "few sums": "Genotype(normal=1" + "+1" * 400 + ",normal_concat=1,reduce=1,reduce_concat=1)",
    "calls": "Genotype(normal=" + "a(" * 190 + ")" * 190 + ")",
    "a megabyte": "Genotype(normal=[" + "('max_pooling_3x3',0)," * 50_000 + "])",
    "a megabyte of starts": "Genotype(" * 120_000,
    "a megabyte of JSON's brackets": '{"a":' + "[" * 1_000_000,
    "a megabyte of JSON's objects": '{"a":' * 200_000,
    "ten megabytes": "{" + " " * 10_000_000 + "}",
    "a long log": "a line\n" * 1_000_000,
    "names": "a=" * 1_000_000 + "Genotype(",
    "NULs": "\0" * 7_000_000,
    "a long integer": '{"version": ' + "9" * 1_000_000 + "}",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_wild_texts_are_refused_at_once(text):
    started = time.process_time()
    with pytest.raises(GenotypeError) as raised:
        forms.read(text)
    assert time.process_time() - started < 1
    assert len(str(raised.value)) < 600


def test_what_begins_like_json_is_read_as_such():
    with pytest.raises(GenotypeError, match=r"line 1, column 2: 'x}' .*Expecting property name"):
        forms.read("{x}")
    with pytest.raises(GenotypeError, match=r"fields: .*'a'.* version, normal, .* must be among them"):
        forms.read(json.dumps({"a": 1}))


@given(data=st.data())
def test_whatever_a_text_holds_it_is_a_genotype_or_refused(bad, data, random_genotype):
    genotype = random_genotype(random.Random(data.draw(st.integers(0, 9))))
    valid = "Best-Genotype=" + forms.WRITERS[data.draw(st.sampled_from(sorted(forms.WRITERS)))](genotype)
    as_json = bad.document(json_form.document(genotype)).map(json.dumps)
    as_call = (
        bad.document(json_form.document(genotype))
        .filter(bool)
        .map(
            lambda fields: (
                f"Genotype({','.join(f'{name}={value!r}' for name, value in fields.items() if name != 'version')})"
            )
        )
    )
    try:
        found = forms.read(data.draw(bad.text(valid) | as_json | as_call))
    except GenotypeError as error:
        found = error
    if isinstance(found, GenotypeError):
        assert len(str(found)) < 600
    else:
        assert forms.read(katib_form.write(found)) == found
