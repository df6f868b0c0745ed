import ast
import subprocess
import sys
from pathlib import Path

import pytest

import darts_genotype
from darts_genotype import forms
from darts_genotype.genotype import MAX_NODES, Edge, Genotype, GenotypeError, num_skips
from darts_service.settings import DartsSettings
from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.parsing import settings

SKIPS = (Edge("skip_connection", 0), Edge("skip_connection", 1))


def test_cells_have_nodes_and_the_same_number_of_them():
    with pytest.raises(GenotypeError, match=r"normal: '0 nodes' .* 1 to 64 nodes"):
        Genotype(normal=(), reduce=())
    with pytest.raises(GenotypeError, match=r"reduce: '1 nodes' .* which has 2"):
        Genotype(normal=(SKIPS, SKIPS), reduce=(SKIPS,))


def test_a_cell_has_as_many_nodes_as_a_search_may_have():
    largest = Genotype(normal=(SKIPS,) * MAX_NODES, reduce=())
    assert largest.normal_concat == largest.reduce_concat == tuple(range(2, 2 + MAX_NODES))
    with pytest.raises(GenotypeError, match="normal: '65 nodes'"):
        Genotype(normal=(SKIPS,) * (MAX_NODES + 1), reduce=())
    assert settings.parse(DartsSettings, [("num_nodes", str(MAX_NODES))]).num_nodes == MAX_NODES
    with pytest.raises(InvalidExperiment, match="num_nodes"):
        settings.parse(DartsSettings, [("num_nodes", str(MAX_NODES + 1))])


def test_what_an_output_concatenates_is_all_inner_nodes_where_nothing_is_said():
    said = Genotype(normal=(SKIPS, SKIPS), reduce=(SKIPS, SKIPS), normal_concat=(2, 3), reduce_concat=(0, 2, 3))
    assert Genotype(normal=(SKIPS, SKIPS), reduce=(SKIPS, SKIPS), reduce_concat=(0, 2, 3)) == said


def test_both_outputs_have_one_name_where_they_are_of_all_inner_nodes():
    assert Genotype(normal=(SKIPS, SKIPS), reduce=()).concat == range(2, 4)
    other = Genotype(normal=(SKIPS, SKIPS), reduce=(SKIPS, SKIPS), reduce_concat=(0, 2, 3))
    with pytest.raises(GenotypeError, match=r"reduce_concat: \[0, 2, 3\] .* all inner nodes are listed, \[2, 3\]"):
        _ = other.concat


def test_nothing_comes_of_a_node_that_is_neither_read_nor_concatenated():
    after = (Edge("skip_connection", 0), Edge("skip_connection", 2))
    assert Genotype(normal=(SKIPS, after), reduce=(), normal_concat=(3,)).normal_concat == (3,)
    with pytest.raises(GenotypeError, match=r"normal_concat: \[2\] .* no node reads node 3, so it must be"):
        Genotype(normal=(SKIPS, SKIPS), reduce=(), normal_concat=(2,))


def test_without_a_reduction_cell_its_output_is_nothing_of_its_own():
    with pytest.raises(GenotypeError, match=r"reduce_concat: \[3\] .* there is no reduction cell"):
        Genotype(normal=(SKIPS, SKIPS), reduce=(), reduce_concat=(3,))


def test_skips_of_the_example_and_of_its_change(example):
    genotype = forms.read(example)
    assert (num_skips(genotype.normal), num_skips(genotype.reduce)) == (0, 0)
    changed = forms.read(example.replace("('max_pooling_3x3',0)", "('skip_connection',0)"))
    assert (num_skips(changed.normal), num_skips(changed.reduce)) == (4, 0)


def test_a_cell_that_is_not_there_has_no_skips():
    assert num_skips(()) == 0
    assert num_skips((SKIPS,)) == 2


def test_the_package_needs_the_standard_library_only():
    sources = [path.read_text() for path in Path(darts_genotype.__file__).parent.glob("*.py")]
    names = {
        name.partition(".")[0]
        for source in sources
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names])
    }
    assert names <= sys.stdlib_module_names | {"darts_genotype", "katib_suggestion"}
    code = "import sys; import darts_genotype.forms; print(*({'torch', 'grpc', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "\n"
