"""Genotypes as other programs and their users write them; each is made here, none is theirs."""

import itertools
import json
import random

import pytest

from darts_genotype import forms, katib_form, loading, quark0_form, vocabulary
from darts_genotype.genotype import GenotypeError

NUMBERS = random.Random(23)


@pytest.fixture(scope="module")
def genotype():
    """Two nodes; no source twice, so that each form can say it."""
    return forms.read(
        "Genotype(normal=[('sep_conv_5x5', 0), ('skip_connect', 1), ('dil_conv_3x3', 2), ('max_pool_3x3', 0)], "
        "normal_concat=range(2, 4), reduce=[('avg_pool_3x3', 1), ('max_pool_3x3', 0), ('skip_connect', 2), "
        "('sep_conv_3x3', 1)], reduce_concat=range(2, 4))"
    )


THEIRS = {ours: name for name, ours in vocabulary.QUARK0.items()}
NNI = {vocabulary.ours("", name): name for name in vocabulary.NNI}
VOCABULARIES = {"ours": str, "quark0": THEIRS.get, "nni": NNI.get}
LAYOUTS = {
    "flat": lambda cell: [edge for node in cell for edge in node],
    "grouped": lambda cell: [list(node) for node in cell],
    "tuples": lambda cell: [tuple(node) for node in cell],
    "numbered": lambda cell: [(op, node, source) for node, edges in enumerate(cell, 2) for op, source in edges],
    "source first": lambda cell: [(op, source, node) for node, edges in enumerate(cell, 2) for op, source in edges],
}


def cells(genotype, layout, vocabulary):
    def named(cell):
        return LAYOUTS[layout]([[(VOCABULARIES[vocabulary](op), source) for op, source in node] for node in cell])

    return named(genotype.normal), named(genotype.reduce)


@pytest.mark.parametrize(("layout", "vocabulary"), list(itertools.product(LAYOUTS, VOCABULARIES)))
def test_each_layout_with_each_vocabulary(layout, vocabulary, genotype):
    normal, reduce = cells(genotype, layout, vocabulary)
    text = f"Genotype(normal={normal}, normal_concat=[2, 3], reduce={reduce}, reduce_concat=range(2, 4))"
    assert forms.read(text) == genotype


def test_cells_may_be_laid_out_differently(genotype):
    normal, _ = cells(genotype, "flat", "quark0")
    _, reduce = cells(genotype, "grouped", "ours")
    assert forms.read(f"Genotype({normal}, range(2, 4), {reduce}, [2, 3])") == genotype


FLAT = (
    "Genotype(normal=[('sep_conv_5x5', 0), ('skip_connect', 1), ('dil_conv_3x3', 2), ('max_pool_3x3', 0)], "
    "normal_concat=range(2, 4), reduce=[('avg_pool_3x3', 1), ('max_pool_3x3', 0), ('skip_connect', 2), "
    "('sep_conv_3x3', 1)], reduce_concat=range(2, 4))"
)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("range(2, 4)", "list(range(2, 4))"),
        lambda text: text.replace("range(2, 4)", "np.array([2, 3])"),
        lambda text: text.replace("range(2, 4)", "(np.int64(2), np.int64(3))"),
        lambda text: text.replace(" 0)", " np.int64(0))").replace(" 1)", " tensor(1, device='cuda:0'))"),
        lambda text: text.replace("Genotype(", "genotypes.Genotype("),
        lambda text: text.replace("Genotype(", "darts.cnn.genotypes.Genotype("),
        lambda text: f'"{text}"',
        lambda text: f"`{text}`.",
        lambda text: json.dumps({"epoch": 3, "genotype": text}),
        lambda text: repr(text),
        lambda text: f'row,"{text.replace(chr(39), chr(34) * 2)}",7'.replace('""', "'"),
        lambda text: text.replace("'", "\\'"),
        lambda text: f"\x1b[32mINFO\x1b[0m genotype = \x1b[1m{text}\x1b[0m",
        lambda text: text.replace("('", "(‘").replace("',", "’,"),
        lambda text: text.replace("('", "('\x1b[33m").replace("',", "\x1b[0m',"),
        lambda text: text[:-1] + ", connectN=None, connects=None)",
        lambda text: text.replace(", ", ",\n    ") + "\nprint(1)",
        lambda text: f"2026-01-02 [{text}] took 3 s",
        lambda text: f"class Genotype(NamedTuple):\n    normal: list\n\nA = {text}",
        lambda text: f"{text}\n{text}",
        lambda text: "Genotype(normal=[('sep_conv_5x5', 0), ('skip_c\n" + text,
    ],
)  # fmt: skip
def test_what_users_paste(change, genotype):
    found = forms.read(change(FLAT), last=change(FLAT).count("Genotype(normal=[('sep") > 1)
    assert found == genotype


@pytest.mark.parametrize(
    "rest", [", reduce=None, reduce_concat=None)", ", reduce=[], reduce_concat=[])", ")", ", None, None, None, None)"]
)
def test_no_reduction_cell(rest):
    head = "Genotype([('skip_connect', 0), ('skip_connect', 1)], range(2, 3)"
    found = forms.read(head + rest)
    assert (found.reduce, found.num_nodes) == ((), 1)


def nni(genotype, operation, switch):
    """What NNI's DARTS trainer exports."""
    choices = {}
    for kind, cell in (("normal", genotype.normal), ("reduce", genotype.reduce)):
        for number, node in enumerate(cell, start=2):
            choices |= {f"{kind}_n{number}_p{source}": [] for source in range(number)}
            choices |= {f"{kind}_n{number}_p{source}": operation(NNI[op]) for op, source in node}
            choices[f"{kind}_n{number}_switch"] = switch(kind, number, [source for _, source in node])
    return choices


@pytest.mark.parametrize("operation", [str, vocabulary.NNI.index, lambda name: [name]])
@pytest.mark.parametrize(
    "switch",
    [lambda kind, number, sources: [f"{kind}_n{number}_p{source}" for source in sources], lambda *args: args[2]],
)
@pytest.mark.parametrize("write", [json.dumps, repr])
def test_what_nni_exports(operation, switch, write, genotype):
    assert forms.read(write(nni(genotype, operation, switch))) == genotype


def test_truths_of_nni(genotype):
    choices = nni(
        genotype,
        lambda name: [name == other for other in (*vocabulary.NNI, "none")],
        lambda kind, number, sources: [source in sources for source in range(number)],
    )
    found = forms.read(json.dumps(choices))
    assert [set(node) for node in found.normal] == [set(node) for node in genotype.normal]


@pytest.mark.parametrize("source", [int, lambda number: [number]])
def test_what_the_hub_of_nni_exports(source, genotype):
    choices = {"width": 36, "num_cells": 20}
    for kind, cell in (("normal", genotype.normal), ("reduce", genotype.reduce)):
        for number, node in enumerate(cell, start=2):
            for index, edge in enumerate(node):
                choices |= {
                    f"{kind}/op_{number}_{index}": THEIRS[edge.operation],
                    f"{kind}/input_{number}_{index}": source(edge.source),
                }
    assert forms.read(json.dumps(choices)) == genotype


@pytest.mark.parametrize(
    ("label", "value", "message"),
    [
        ("normal_n3_p2", "none", "normal, node 3: 'none' is not allowed"),
        ("normal_n3_p2", 7, "normal, node 3: 7 is not allowed: .* the number of one of maxpool"),
        ("normal_n3_p2", [], r"normal, node 3: \[\] is not allowed"),
        ("normal_n3_switch", ["normal_n3_p0"], "normal, node 3: .* a node has 2 edges"),
        ("normal_n3_switch", None, "normal_n3_switch: None is not allowed"),
        ("normal_n3_switch", [0, "x"], "normal, node 3: 'x' is not allowed"),
        ("normal_n9_p0", "maxpool", r"normal: 'the nodes \[2, 3, 9\]' is not allowed: they count from 2"),
    ],
)
def test_what_is_wrong_with_an_export_is_named(label, value, message, genotype):
    choices = nni(genotype, str, lambda kind, number, sources: sources) | {label: value}
    with pytest.raises(GenotypeError, match=message):
        forms.read(json.dumps(choices))


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ("[('sep_conv_3x3', 2, 0), ('sep_conv_3x3', 2, 1), ('max_pool_3x3', 4, 0)]", r"normal, node 3: \[\]"),
        ("[('sep_conv_3x3', 2, 0), ('sep_conv_3x3', 2, 1), ('max_pool_3x3', 1)]", "normal: .* number of its node"),
        ("[('sep_conv_3x3', 2, 0), ('sep_conv_3x3', 999999999, 1)]", "normal: 'node 999999999'"),
        ("[('conv_7x1_1x7', 2, 0), ('noise', 2, 1)]", "normal, node 2: 'conv_7x1_1x7'"),
        ("[[('noise', 0), ('skip_connect', 1)]]", "normal, node 2: 'noise'"),
    ],
)
def test_what_no_cell_of_ours_can_be_is_named_with_its_place(edges, message):
    with pytest.raises(GenotypeError, match=message):
        forms.read(f"Genotype(normal={edges}, normal_concat=[2], reduce=None, reduce_concat=None)")


@pytest.fixture
def module(random_genotype):
    """A module of three genotypes, and what they are."""
    found = {name: random_genotype(NUMBERS) for name in ("FIRST", "SECOND", "THIRD")}
    lines = ["from collections import namedtuple", "Genotype = namedtuple('Genotype', 'normal normal_concat')"]
    lines += [f"{name} = {katib_form.write(genotype)}" for name, genotype in found.items()]
    return "\n".join([*lines, "BEST = SECOND  # of three", "CHOSEN = genotypes.BEST"]), found


def test_of_several_genotypes_one_is_chosen(module, tmp_path):
    text, found = module
    with pytest.raises(GenotypeError, match=r"'3 genotypes' .* there are FIRST, SECOND, THIRD$"):
        forms.read(text)
    with pytest.raises(GenotypeError, match=r"--name: 'FOURTH' is not allowed: there are FIRST, SECOND, THIRD"):
        forms.read(text, name="FOURTH")
    for name in found:
        assert forms.read(text, name=name) == found[name]
    assert forms.read(text, name="CHOSEN") == found["SECOND"]
    assert forms.read(text, last=True) == found["THIRD"]
    (tmp_path / "genotypes.py").write_text(text)
    assert loading.load(str(tmp_path / "genotypes.py"), name="THIRD") == found["THIRD"]


def test_of_a_log_the_last_one_is_chosen(random_genotype):
    found = [random_genotype(NUMBERS) for _ in range(30)]
    log = "\n".join(f"05/12 epoch {epoch} genotype = {quark0_form.write(item)}" for epoch, item in enumerate(found))
    with pytest.raises(GenotypeError, match=r"there are genotype \(30 times\)"):
        forms.read(log)
    assert forms.read(log, last=True) == forms.read(log, name="genotype") == found[-1]


@pytest.mark.parametrize("place", ["genotype.json", "artifacts/genotype.json", "output.log"])
def test_a_folder_stands_for_what_a_search_left_in_it(place, genotype, tmp_path):
    (tmp_path / place).parent.mkdir(exist_ok=True)
    form = "json" if place.endswith("json") else "katib"
    (tmp_path / place).write_text(("" if form == "json" else "a=1\nBest-Genotype=") + forms.WRITERS[form](genotype))
    assert loading.load(str(tmp_path)) == genotype
    (tmp_path / place).unlink()
    with pytest.raises(GenotypeError, match=r"a trial's folder with one \(a folder without genotype.json and"):
        loading.load(str(tmp_path))
