"""Cells as ENAS writes them: the published ones, both ways, and each thing that may be wrong with a row."""

import copy
import json

import pytest

from darts_genotype import enas_form, forms
from darts_genotype.genotype import GenotypeError
from darts_genotype.recurrent import RecurrentGenotype

ARC = "0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1 1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1"
"""The cells of cifar10_micro_final.sh of melodyguan/enas."""
ROWS = [[int(number) for number in half.split()] for half in (ARC[:39], ARC[40:])]
CELLS = (
    "Genotype(normal=[('avg_pool_3x3', 0), ('sep_conv_3x3', 0), ('skip_connect', 0), ('sep_conv_5x5', 0), "
    "('skip_connect', 0), ('sep_conv_5x5', 1), ('sep_conv_3x3', 1), ('sep_conv_5x5', 0), ('avg_pool_3x3', 0), "
    "('sep_conv_5x5', 1)], normal_concat=range(2, 7), reduce=[('sep_conv_3x3', 1), ('sep_conv_3x3', 1), "
    "('max_pool_3x3', 0), ('avg_pool_3x3', 0), ('sep_conv_5x5', 1), ('sep_conv_5x5', 3), ('sep_conv_3x3', 1), "
    "('skip_connect', 0), ('max_pool_3x3', 0), ('sep_conv_5x5', 1)], reduce_concat=[2, 4, 5, 6])"
)
WITHOUT_REDUCTION = (
    "Genotype(normal=[[('max_pooling_3x3',0),('max_pooling_3x3',1)]],normal_concat=range(2,3),reduce=[],"
    "reduce_concat=range(2,3))"
)
V2_ARC = "0 2 1 1 1 1 1 3 2 0 5 2 3 0 5 1"
V2 = RecurrentGenotype.of(
    ("sigmoid", 0), ("relu", 1), ("relu", 1), ("identity", 1), ("tanh", 2), ("sigmoid", 5), ("tanh", 3), ("relu", 5)
)
RECORD = {
    "architecture": ROWS,
    "nn_config": {
        "search_for": "micro",
        "embedding": {
            str(number): {"opt_id": number, "opt_type": kind, "opt_params": {"filter_size": size} if size else {}}
            for number, (kind, size) in enumerate(
                [
                    ("separable_convolution", "3"),
                    ("separable_convolution", 5),
                    ("avg_pooling", 3.0),
                    ("max_pooling", "3"),
                    ("skip_connection", None),
                ]
            )
        },
    },
}


def test_the_published_cells_both_ways():
    genotype = enas_form.read_cells(ROWS)
    assert genotype == forms.read(CELLS)
    assert (genotype.normal_concat, genotype.reduce_concat) == ((2, 3, 4, 5, 6), (2, 4, 5, 6))
    assert enas_form.write(genotype) == ARC
    assert forms.WRITERS["quark0"](genotype) == CELLS


@pytest.mark.parametrize("form", ["json", "katib", "quark0"])
def test_each_form_says_what_the_numbers_say(form):
    for arc, read in ((ARC, enas_form.read_cells), (V2_ARC, enas_form.read_recurrent)):
        rows = ROWS if arc == ARC else [[int(number) for number in arc.split()]]
        assert enas_form.write(forms.read(forms.WRITERS[form](read(rows)))) == arc


def test_darts_second_published_cell_is_an_arc_of_enas_lm():
    assert enas_form.read_recurrent([[int(number) for number in V2_ARC.split()]]) == V2
    assert enas_form.write(V2) == V2_ARC


def test_inputs_that_no_node_reads_are_loose_ends():
    row = [1, 0, 1, 4, 2, 3, 2, 3]
    genotype = enas_form.read_cells([row, [0, 4, 0, 4, 0, 4, 0, 4]])
    assert (genotype.normal_concat, genotype.reduce_concat) == ((0, 3), (1, 2, 3))
    assert enas_form.write(genotype) == " ".join(map(str, row)) + " 0 4 0 4 0 4 0 4"


def test_the_record_of_a_trial_is_a_genotype():
    assert enas_form.read(json.dumps(RECORD)) == enas_form.read_cells(ROWS)
    names = ("identity", "tanh")
    embedding = {str(i): {"opt_id": i, "opt_type": name, "opt_params": {}} for i, name in enumerate(names)}
    recurrent = {"architecture": [[0, 1, 0, 0]], "nn_config": {"search_for": "recurrent", "embedding": embedding}}
    assert enas_form.read(json.dumps(recurrent)) == RecurrentGenotype.of(("tanh", 0), ("identity", 0))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ([0, 0, 2, 0, 0, 0, 0, 0], r"row 1 \(normal cell\), node 2, source 2: 2 .* an earlier node, 0 to 1"),
        ([0, 0, 0, 0, -1, 0, 0, 0], r"node 3, source 1: -1 .* 0 to 2"),
        ([0, 0, 0, 0, 0, 5, 0, 0], r"node 3, operation 1: 5 .* operation: 0, 1, 2, 3, 4"),
        ([0, True, 0, 0, 0, 0, 0, 0], r"node 2, operation 1: True"),
        ([1.0, 0, 0, 0, 0, 0, 0, 0], r"node 2, source 1: 1\.0"),
        (["0", 0, 0, 0, 0, 0, 0, 0], r"node 2, source 1: '0'"),
        ([0, 0, 0, 0, 0, 0, 0], r"row 1 \(normal cell\): '7 numbers' .* 2 nodes are 8 numbers"),
        ([], r"row 1 \(normal cell\): '0 numbers'"),
        ("0 0", r"architecture row 1: '0 0' .* a list of numbers"),
    ],
)
def test_a_row_that_is_no_cell_is_refused_by_its_place(row, said):
    with pytest.raises(GenotypeError, match=said):
        enas_form.read_cells([row, [0] * 8], num_nodes=2)


@pytest.mark.parametrize("rows", [[], [[0] * 8], [[0] * 8] * 3, None, {"0": [0]}])
def test_other_than_two_rows_are_refused(rows):
    with pytest.raises(GenotypeError, match=r"architecture: .* two rows"):
        enas_form.read_cells(rows)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ([0, 0, 2, 0], r"row 1, node 2, source: 2 .* 0 to 1"),
        ([0, 4, 1, 0], r"row 1, node 1, function: 4 .* 0, 1, 2, 3"),
        ([0, 0, 1], r"row 1: '3 numbers' .* 2 nodes are 4 numbers"),
    ],
)
def test_a_row_that_is_no_recurrent_cell_is_refused_by_its_place(row, said):
    with pytest.raises(GenotypeError, match=said):
        enas_form.read_recurrent([row], num_nodes=2)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("search_for",), None, "search_for: None .* macro architecture has none"),
        (("search_for",), "cells", "search_for: 'cells'"),
        (("embedding",), {}, "embedding: {} .* an entry for each operation"),
        (("embedding", "x"), {}, r"embedding\.x: 'x' .* a whole number"),
        (("embedding", "1"), {"opt_id": 1}, r"embedding\.1: .* opt_id, opt_type and opt_params"),
        (("embedding", "1", "opt_id"), 2, r"embedding\.1\.opt_id: 2 .* 1"),
        (("embedding", "1", "opt_type"), "convolution", r"embedding\.1\.opt_type: 'convolution' .* separable_conv"),
        (("embedding", "1", "opt_params"), {"filter_size": 4}, r"1\.opt_params\.filter_size: 4 .* 3 or 5 or 7"),
        (("embedding", "1", "opt_params"), {"filter_size": True}, r"1\.opt_params\.filter_size: True"),
        (("embedding", "1", "opt_params"), {}, r"1\.opt_params: {} .* has filter_size"),
        (("embedding", "1", "opt_params"), {"filter_size": 3, "stride": 1}, r"1\.opt_params: .* has filter_size"),
        (("embedding", "4", "opt_params"), {"filter_size": 3}, r"4\.opt_params: .* no parameter"),
    ],
)
def test_what_the_numbers_mean_is_checked_by_its_place(path, value, said):
    record = copy.deepcopy(RECORD)
    *parents, last = path
    place = record["nn_config"]
    for name in parents:
        place = place[name]
    place[last] = value
    with pytest.raises(GenotypeError, match=said):
        enas_form.read(json.dumps(record))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CELLS.replace("normal_concat=range(2, 7)", "normal_concat=[1, 2, 3, 4, 5, 6]"), "normal_concat: .* reads"),
        (CELLS.replace("avg_pool_3x3", "dil_conv_3x3"), "operation: 'dilated_convolution_3x3' .* have numbers"),
        (WITHOUT_REDUCTION, "reduce: .* always has"),
        ("Genotype(recurrent=[('tanh',0),('relu',1)],concat=[2])", "concat: .* mean of all nodes"),
    ],
)
def test_what_enas_does_not_have_is_not_written(text, said):
    with pytest.raises(GenotypeError, match=said):
        enas_form.write(forms.read(text))
