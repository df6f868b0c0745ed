"""``katib-nas architecture``: what it prints, and its pictures, read back from their SVG."""

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import pytest

from enas_trainer.architecture import loading
from enas_trainer.architecture.fields import InvalidNetwork
from katib_local.commands.cli import main
from katib_local.record.trials import Trial
from katib_local.report import pictures
from katib_suggestion.experiment import TrialCondition
from katib_suggestion.parsing import assignment

SVG = "{http://www.w3.org/2000/svg}"
ARCHITECTURE = "[[0], [2, 1], [1, 0, 1], [3, 1, 0, 1]]"
NN_CONFIG = {
    "num_layers": 4,
    "input_sizes": [28, 24, 1],
    "output_sizes": [7],
    "embedding": {
        str(opt_id): {"opt_id": opt_id, "opt_type": opt_type, "opt_params": opt_params}
        for opt_id, (opt_type, opt_params) in enumerate(
            [
                ("convolution", {"filter_size": "5", "num_filter": "48", "stride": "2"}),
                (
                    "separable_convolution",
                    {"filter_size": "3", "num_filter": "32", "stride": "1", "depth_multiplier": "2"},
                ),
                ("reduction", {"reduction_type": "avg_pooling", "pool_size": 2}),
                ("depthwise_convolution", {"filter_size": "7", "stride": "1", "depth_multiplier": "1"}),
            ]
        )
    },
}
TEXTS = (ARCHITECTURE, assignment.encode(NN_CONFIG))


@pytest.fixture
def run(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")

    def call(*arguments):
        code = main(["architecture", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def record(tmp_path):
    """The folder of a local run's trial."""
    folder = tmp_path / "trial"
    (folder / "artifacts").mkdir(parents=True)
    found = {"architecture": json.loads(ARCHITECTURE), "nn_config": NN_CONFIG, "seed": 1}
    (folder / "artifacts/architecture.json").write_text(json.dumps(found))
    return folder


def test_show_lists_layers_and_what_feeds_them(run):
    code, out, err = run("show", *TEXTS)

    assert (code, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == "4 layers, 4 joins; images of 28x24, 1 channel; 7 classes"
    assert "1 0 convolution 5x5, 48 filters, stride 2 the input" in lines
    assert "2 2 avg pooling 2x2 layer 1, the input" in lines
    assert "3 1 separable convolution 3x3, 32 filters, multiplier 2 layer 2, layer 1" in lines
    assert "4 3 depthwise convolution 7x7 layer 3, the input, layer 2" in lines


def test_every_form_of_the_texts_is_read(run, record, tmp_path):
    files = tmp_path / "architecture.txt", tmp_path / "nn_config.txt"
    for file, text in zip(files, TEXTS, strict=True):
        file.write_text(f'"{text}"\n')
    expected = run("show", *TEXTS)

    assert run("show", *files) == expected
    assert run("show", record) == run("show", record / "artifacts") == expected
    assert run("show", record / "artifacts/architecture.json") == expected


def _boxes(picture):
    """Labels, and sides and middles of the boxes."""
    found = {}
    for group in picture.iter(f"{SVG}g"):
        if group.get("class") == "box":
            rectangle = group.find(f"{SVG}rect").attrib
            x, y, width, height = (float(rectangle[name]) for name in ("x", "y", "width", "height"))
            label = " | ".join(text.text for text in group.findall(f"{SVG}text"))
            found[label] = (x, x + width, y + height / 2)
    return found


def _arrows(picture, boxes):
    """Which box leads to which."""
    found = Counter()
    for path in picture.iter(f"{SVG}path"):
        numbers = [float(number) for number in re.findall(r"[\d.]+", path.attrib["d"])]
        if "marker-end" in path.attrib:
            (start,) = (name for name, (_, right, y) in boxes.items() if _near((right, y), numbers[:2]))
            (end,) = (name for name, (left, _, y) in boxes.items() if _near((left, y), numbers[-2:]))
            found[start.split(" ")[0], end.split(" ")[0]] += 1
    return found


def _near(one, other):
    return all(abs(a - b) < 0.2 for a, b in zip(one, other, strict=True))


def test_a_picture_has_every_layer_and_every_join(run, tmp_path):
    output = tmp_path / "picture.svg"

    assert run("draw", *TEXTS, "-o", output) == (0, "", "")

    picture = ET.parse(output).getroot()
    boxes = _boxes(picture)
    assert set(boxes) == {
        "input | 28x24, 1 channel",
        "1 convolution | 5x5, 48 filters, stride 2",
        "2 avg pooling | 2x2",
        "3 separable convolution | 3x3, 32 filters, multiplier 2",
        "4 depthwise convolution | 7x7",
        "output | 7 classes",
    }
    chain = [("input", "1"), ("1", "2"), ("2", "3"), ("3", "4"), ("4", "output")]
    joins = [("input", "2"), ("1", "3"), ("input", "4"), ("2", "4")]
    assert _arrows(picture, boxes) == Counter([*chain, *joins])
    assert picture.findtext(f"{SVG}title") == "An architecture of 4 layers, 4 joins"
    assert "Layer 4: depthwise convolution 7x7, of layer 3, the input, layer 2." in picture.findtext(f"{SVG}desc")


def test_one_layer_is_drawn(run, tmp_path):
    nn_config = NN_CONFIG | {"num_layers": 1}

    assert run("draw", "[[3]]", json.dumps(nn_config), "-o", tmp_path / "one.svg") == (0, "", "")

    assert len(_boxes(ET.parse(tmp_path / "one.svg").getroot())) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((ARCHITECTURE,), 3, "architecture, without an nn_config after it: ["),
        (("{}",), 3, "architecture: None is not allowed: it is missing in {}"),
        (
            ("missing.json",),
            3,
            "architecture: 'missing.json' is not allowed: it must be JSON, or a file",
        ),
        (("[[0], [9, 1]]", TEXTS[1]), 3, "nn_config.num_layers: 4 is not allowed: the architecture has 2 rows"),
        ((ARCHITECTURE, "{'num_layers': 4}"), 3, "nn_config.input_sizes: None is not allowed: it is missing"),
        ((), 2, "ARCHITECTURE"),
    ],
)
def test_a_mistake_is_one_line(run, arguments, code, message):
    found, out, err = run("show", *arguments)

    assert (found, out) == (code, "")
    assert err.count("\n") == 1
    assert message in err


def test_a_picture_must_be_an_svg(run):
    code, _, err = run("draw", *TEXTS, "-o", "picture.png")

    assert code == 2
    assert "'picture.png' is not allowed: it must end in .svg" in err


def test_no_network_is_computed_for_it():
    program = (
        "import sys; from katib_local.commands.cli import main; main(sys.argv[1:]); assert 'torch' not in sys.modules"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, "architecture", "show", "-"],
        input=json.dumps({"architecture": json.loads(ARCHITECTURE), "nn_config": NN_CONFIG}),
        env=os.environ | {"COLUMNS": "120"}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    assert "separable convolution" in done.stdout


def test_a_run_stands_for_its_best_trial(run, capsys):
    """Of an earlier version, which has left no link to it."""
    kept = Path(__file__).parents[2] / "data/0.1.0/runs/enas"
    assert main(["show", str(kept), "--json"]) == 0
    best = json.loads(capsys.readouterr().out)["best_trial"]
    code, shown, _ = run("show", kept)
    assert code == 0
    assert (0, shown, "") == run("show", kept / "trials" / best)


def test_a_trainer_takes_the_same_texts_files_and_folders(record, tmp_path, monkeypatch):
    files = tmp_path / "architecture.txt", tmp_path / "nn_config.txt"
    for file, text in zip(files, TEXTS, strict=True):
        file.write_text(text)
    expected = [json.loads(ARCHITECTURE), NN_CONFIG]
    for given in (TEXTS, map(str, files), (str(record), None), (str(record), str(record)), (ARCHITECTURE, str(record))):
        assert [assignment.decode(text) for text in loading.load(*given)] == expected
    assert [assignment.decode(text) for text in loading.load("trial", None, tmp_path)] == expected
    with pytest.raises(InvalidNetwork, match=r"architecture: 'nowhere' .* it must be JSON, or a file, a trial"):
        loading.load("nowhere", None)


def test_the_architecture_of_a_trainer_of_ones_own_is_shown_and_drawn(run, tmp_path):
    operations = {
        str(opt_id): {
            "opt_id": opt_id,
            "opt_type": "dense",
            "opt_params": {"units": 16 * (opt_id + 1), "activation": "relu"},
        }
        for opt_id in range(2)
    }
    nn_config = {"num_layers": 2, "input_sizes": [64], "output_sizes": [10], "embedding": operations}
    texts = "[[1], [0, 1]]", assignment.encode(nn_config)
    code, out, err = run("show", *texts)
    assert (code, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == "2 layers, 1 join; inputs of 64; 10 classes"
    assert "1 1 dense units 32, activation relu the input" in lines
    assert run("draw", *texts, "-o", tmp_path / "x.svg")[0] == 0
    assert "layer 2: dense units 16, activation relu, of layer 1, the input" in (tmp_path / "x.svg").read_text()
    trial = Trial(
        name="t",
        number=1,
        condition=TrialCondition.SUCCEEDED,
        assignments=dict(zip(("architecture", "nn_config"), texts, strict=True)),
        labels={},
    )
    assert "dense units 32" in str(pictures.draw(trial))
    # What is no architecture is still said as the trainer of ours says it.
    code, _, err = run("show", "[[7], [0, 1]]", texts[1])
    assert (code, "nn_config.input_sizes: [64] is not allowed" in err) == (3, True)


ARC = "0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1 1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1"
"""Cells of melodyguan/enas, as published."""
ROWS = [[int(number) for number in half.split()] for half in (ARC[:39], ARC[40:])]
V2 = "0 2 1 1 1 1 1 3 2 0 5 2 3 0 5 1"
TYPES = [("separable_convolution", "3"), ("separable_convolution", "5"), ("avg_pooling", "3"), ("max_pooling", "3")]


def of_cells(kind, num_nodes, sizes, operations):
    embedding = {str(i): {"opt_id": i, "opt_type": name, "opt_params": of} for i, (name, of) in enumerate(operations)}
    layers = {"num_layers": 8 if kind == "micro" else 1, **sizes}
    return assignment.encode({**layers, "search_for": kind, "num_nodes": num_nodes, "embedding": embedding})


MICRO = of_cells(
    "micro",
    5,
    {"input_sizes": [32, 32, 3], "output_sizes": [10]},
    [*((kind, {"filter_size": size}) for kind, size in TYPES), ("skip_connection", {})],
)
RECURRENT = of_cells(
    "recurrent",
    8,
    {"input_sizes": [99], "output_sizes": [99]},
    [(name, {}) for name in ("tanh", "relu", "sigmoid", "identity")],
)


def test_cells_are_shown_with_what_their_outputs_concatenate(run):
    for texts in ((str(ROWS), MICRO), (ARC, MICRO), (ARC,), (ARC, "--search-for", "micro")):
        code, out, _ = run("show", *texts)
        lines = [" ".join(line.split()) for line in out.splitlines()]
        assert code == 0
        assert "Reduction cell: 5 nodes, 10 edges, 1 skip connection" in lines
        assert "2 avg_pooling_3x3 of 0 separable_convolution_3x3 of 0" in lines
        assert "The reduction cell's output is the concatenation of its nodes 2, 4, 5, 6" in lines


def test_a_recurrent_cell_is_shown(run):
    for texts in ((V2,), (f"[[{V2.replace(' ', ', ')}]]", RECURRENT)):
        code, out, _ = run("show", *texts)
        assert code == 0
        assert "Recurrent cell: 8 nodes, 3 relu, 2 sigmoid, 2 tanh, 1 identity" in out


@pytest.mark.parametrize("numbers", [ARC, V2])
@pytest.mark.parametrize("form", ["json", "katib", "quark0"])
def test_cells_become_a_genotype_and_come_back(run, numbers, form, tmp_path):
    code, genotype, err = run("convert", numbers, "--to", form)
    assert (code, err) == (0, "")
    (tmp_path / "genotype").write_text(genotype)
    for source in (genotype.strip(), tmp_path / "genotype"):
        assert run("convert", source, "--to", "fixed_arc") == (0, numbers + "\n", "")


def test_layers_become_their_numbers_and_no_genotype(run):
    assert run("convert", *TEXTS, "--to", "fixed_arc") == (0, "0 2 1 1 0 1 3 1 0 1\n", "")
    code, out, err = run("convert", *TEXTS, "--to", "json")
    assert (code, out) == (3, "")
    assert "--to: 'json' is not allowed: an architecture of layers has no genotype" in err


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (("0 0 0 0 0 0 0 0",), "it may be micro or recurrent: --search-for says which"),
        (("0 9",), "as recurrent, genotype: architecture row 1, node 1, function: 9"),
        (("0 1", "--search-for", "micro"), "architecture: '2 numbers' is not allowed: it must be two cells"),
        ((str(ROWS), MICRO.replace("'num_nodes': 5", "'num_nodes': 4")), "row 1 (normal cell): '20 numbers'"),
        (("[[0, 0, 2, 0]]", RECURRENT.replace("8", "2")), "architecture row 1, node 2, source: 2 is not allowed"),
        ((str(ROWS), MICRO.replace("micro", "cells")), "nn_config.search_for: 'cells' is not allowed"),
    ],
)
def test_what_is_no_cell_is_one_line(run, texts, said):
    code, out, err = run("show", *texts)
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert said in err


def test_the_record_of_a_trial_of_cells_is_an_architecture_and_a_genotype(run, tmp_path, capsys):
    found = {"architecture": ROWS, "nn_config": json.loads(MICRO.replace("'", '"'))}
    (tmp_path / "architecture.json").write_text(json.dumps(found))
    assert run("convert", tmp_path, "--to", "fixed_arc") == (0, ARC + "\n", "")
    assert main(["genotype", "convert", str(tmp_path), "--to", "quark0"]) == 0
    assert capsys.readouterr().out == run("convert", ARC, "--to", "quark0")[1]


@pytest.mark.parametrize(
    ("texts", "boxes"),
    [((str(ROWS), MICRO), 2 * (2 + 5 + 10 + 1)), ((f"[[{V2.replace(' ', ', ')}]]", RECURRENT), 10)],
)
def test_cells_are_drawn_by_the_command_and_in_the_report(run, texts, boxes, tmp_path):
    assert run("draw", *texts, "-o", tmp_path / "cells.svg")[0] == 0
    drawn = ET.fromstring((tmp_path / "cells.svg").read_text())
    assert len(drawn.findall(f".//{SVG}g[@class='box']")) == boxes
    assignments = dict(zip(("architecture", "nn_config"), texts, strict=True))
    trial = Trial(name="t", number=1, assignments=assignments, labels={}, condition=TrialCondition.SUCCEEDED)
    assert str(pictures.draw(trial)).count('class="box"') == boxes
