"""``katib-nas genotype``, as a process and in this one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from darts_genotype import forms
from katib_local.commands.cli import main


@pytest.fixture
def genotype_file(example, tmp_path):
    path = tmp_path / "genotype.txt"
    path.write_text(example)
    return path


@pytest.fixture
def run(capsys):
    def call(*arguments):
        code = main(["genotype", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_show(run, genotype_file):
    code, out, err = run("show", genotype_file)
    assert (code, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "Normal cell: 4 nodes, 8 edges, 0 skip connections" in lines
    assert "4 max_pooling_3x3 of 0 dilated_convolution_3x3 of 3" in lines
    assert "Reduction cell: 4 nodes, 8 edges, 0 skip connections" in lines
    assert "5 dilated_convolution_5x5 of 3 dilated_convolution_5x5 of 4" in lines
    assert lines[-1] == "A cell's output is the concatenation of its nodes 2, 3, 4, 5"


def test_show_of_cells_that_concatenate_other_nodes(run, tmp_path):
    path = tmp_path / "two"
    node = "[('skip_connection',0),('max_pooling_3x3',0)]"
    cells = f"normal=[{node}],normal_concat=[1,2],reduce=[{node}],reduce_concat=range(2,3)"
    path.write_text(f"Genotype({cells})")
    code, out, _ = run("show", path)
    assert code == 0
    assert out.splitlines()[-2:] == [
        "The normal cell's output is the concatenation of its nodes 1, 2",
        "The reduction cell's output is the concatenation of its nodes 2",
    ]


def test_show_without_reduction_cell(run, tmp_path):
    path = tmp_path / "one"
    cell = "[[('skip_connection',0),('skip_connection',1)]]"
    path.write_text(f"Genotype(normal={cell},normal_concat=range(2,3),reduce=[],reduce_concat=range(2,3))")
    code, out, _ = run("show", path)
    assert code == 0
    assert "Normal cell: 1 node, 2 edges, 2 skip connections\n" in out
    assert "\nReduction cell: none\n" in out


@pytest.mark.parametrize("form", forms.WRITERS)
def test_convert_and_back(run, genotype_file, example, tmp_path, form):
    code, out, err = run("convert", "--to", form, genotype_file)
    assert (code, err) == (0, "")
    assert out == forms.WRITERS[form](forms.read(example)) + "\n"
    converted = tmp_path / "converted"
    converted.write_text(out)
    assert run("convert", "--to", "katib", converted)[1] == "".join(example.split()) + "\n"


@pytest.mark.fault(20)
def test_draw(run, genotype_file, tmp_path):
    picture = tmp_path / "cells.svg"
    for _ in range(2):
        assert run("draw", genotype_file, "-o", picture) == (0, "", "")
    assert picture.read_text().startswith("<svg ")
    assert picture.read_text().count('class="box"') == 2 * (4 + 8 + 3)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["show", "nowhere"],
            3,
            "genotype: file: 'nowhere' is not allowed: it must be a genotype, or a file or a trial's folder with one",
        ),
        (
            ["show", "."],
            3,
            "file: '.' is not allowed: it must be a genotype, or a file or a trial's folder with one (a fol",
        ),
        (["show", "/dev/zero"], 3, "genotype: text: '32000004 characters'"),
        (["show", "bytes"], 3, "genotype: file: 'bytes' is not allowed: it must be text in UTF-8"),
        (["show", "wrong"], 3, "genotype: normal, node 4: 'warp' is not allowed: the operations are separable_conv"),
        (["show", "later"], 3, "genotype: version: 3 is not allowed: this program reads the versions 1 and 2"),
        (["show"], 2, "the following arguments are required: GENOTYPE"),
        (["convert", "wrong"], 2, "the following arguments are required: --to"),
        (["convert", "wrong", "--to", "xml"], 2, "argument --to: invalid choice: 'xml'"),
        (["draw", "wrong"], 2, "the following arguments are required: -o"),
        (["draw", "right", "-o", "genotype.json"], 2, "'genotype.json' is not allowed: it must end in .svg"),
        (["draw", "right", "-o", "nowhere/x.svg"], 5, "No such file or directory: 'nowhere/x.svg'"),
        ([], 2, "the following arguments are required: COMMAND"),
    ],
)
def test_what_is_wrong_is_one_line_and_an_exit_code(run, example, tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    Path("right").write_text(example)
    Path("wrong").write_text(example.replace("[('max_pooling_3x3',0),('dil", "[('warp',0),('dil"))
    converted = forms.WRITERS["json"](forms.read(example))
    Path("later").write_text(converted.replace('"version": 1', '"version": 3'))
    Path("bytes").write_bytes(b"\xff\xfe")
    got, out, err = run(*arguments)
    assert (got, out) == (code, "")
    assert err.startswith("katib-nas: ")
    assert message in err
    assert err.count("\n") == 1


def test_standard_input_as_a_process(example):
    line = "2026-01-02T03:04:05Z Best-Genotype=" + "".join(example.split())
    code = "import sys; from katib_local.commands.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "genotype", "convert", "--to", "json", "-"],
        input=line, env=os.environ, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert forms.read(done.stdout) == forms.read(example)
    assert done.stderr == ""


RECURRENT = "Genotype(recurrent=[('sigmoid',0),('relu',1),('relu',1)],concat=range(1,4))"


def test_show_of_a_recurrent_cell(run):
    code, out, err = run("show", f"2026-01-02T03:04:05Z Best-Genotype={RECURRENT}")
    assert (code, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == "Recurrent cell: 3 nodes, 2 relu, 1 sigmoid"
    assert "2 relu of 1" in lines
    assert lines[-1] == "The cell's output is the mean of its nodes 1, 2, 3"


def test_a_recurrent_cell_is_converted_and_drawn(run, tmp_path):
    code, out, _ = run("convert", "--to", "json", RECURRENT)
    assert code == 0
    (tmp_path / "cell.json").write_text(out)
    assert run("convert", "--to", "katib", tmp_path / "cell.json")[1].strip() == RECURRENT
    assert run("draw", tmp_path / "cell.json", "-o", tmp_path / "cell.svg")[0] == 0
    assert "Recurrent cell: 3 nodes" in (tmp_path / "cell.svg").read_text()
