import json
import logging
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import darts_trainer
from darts_genotype import forms, katib_form
from darts_genotype.genotype import num_skips
from darts_trainer.__main__ import main
from tests.warm_python import COLD, with_torch

PACKAGE = Path(darts_trainer.__file__).parent
SETTINGS = {"num_epochs": "2", "num_nodes": "2", "init_channels": "2", "stem_multiplier": "1", "batch_size": "8"}
SEARCH_SPACE = ["separable_convolution_3x3", "max_pooling_3x3", "skip_connection"]
LINE = re.compile(r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)) (?P<rest>.*)")
NAMES = [
    *("Train-Loss", "Train-Accuracy", "Validation-Loss", "Validation-Accuracy", "Normal-Skips", "Reduction-Skips"),
    *("Parameters", "MACs"),
]


def flags(settings=SETTINGS, search_space=SEARCH_SPACE, num_layers=3):
    """Flags as a manifest writes them, the literal double quotes included."""
    values = (json.dumps(value).replace('"', "'") for value in (settings, search_space, num_layers))
    names = ("algorithm-settings", "search-space", "num-layers")
    return [f'--{name}="{value}"' for name, value in zip(names, values, strict=True)]


def katibs_default_pattern(line):
    return dict(re.findall(r"([\w|-]+)\s*=\s*([+-]?\d*(?:\.\d+)?(?:[Ee][+-]?\d+)?)", line))


def katibs_genotypes(text):
    return re.findall(r"([\w-]+)=(Genotype.*)", text)


@pytest.fixture(autouse=True)
def no_data_from_the_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("KATIB_NAS_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def search(tmp_path, capsys):
    def run(*others, **changes):
        code = main([*flags(**changes), "--dataset", "fake:40", "--output-dir", str(tmp_path / "out"), *others])
        return code, *capsys.readouterr()

    return run


def test_a_line_of_metrics_an_epoch_and_the_genotype_at_the_end(search, tmp_path):
    code, out, _ = search("--seed", "3")
    assert code == 0
    *epochs, last = [LINE.fullmatch(line)["rest"] for line in out.splitlines()]
    assert [list(katibs_default_pattern(line)) for line in epochs] == [NAMES, NAMES]
    assert all(value for line in epochs for value in katibs_default_pattern(line).values())
    ((name, text),) = katibs_genotypes(last)
    assert name == "Best-Genotype"
    assert katib_form.write(forms.read(text)) == text
    found = forms.read((tmp_path / "out/genotype.json").read_text())
    record = json.loads((tmp_path / "out/genotype.json").read_text())
    assert (record["genotype"], record["epoch"], record["seed"], record["order"]) == (text, 2, 3, 2)
    assert found == forms.read(text)
    skips = {"Normal-Skips": num_skips(found.normal), "Reduction-Skips": num_skips(found.reduce)}
    assert record["metrics"].items() >= skips.items()


def test_the_record_tells_what_is_needed_to_repeat_the_search(search, tmp_path):
    _, out, _ = search("--seed", "3", "--order", "1", "--max-images", "30")
    record = json.loads((tmp_path / "out/genotype.json").read_text())
    assert record["settings"]["num_epochs"] == 2
    assert (record["search_space"], record["num_layers"], record["dataset"]) == (SEARCH_SPACE, 3, "fake:40")
    assert (record["order"], record["max_images"], record["batch_size"]) == (1, 30, 8)
    assert (record["variants"]["alpha_warmup_epochs"], record["stopped"]) == (0, None)
    assert {"python", "torch", "katib-nas"} <= record["versions"].keys()
    assert [epoch["epoch"] for epoch in record["epochs"]] == [1, 2]
    last_line = katibs_default_pattern(out.splitlines()[-2])
    assert {name: f"{value:.6g}" for name, value in record["metrics"].items()} == last_line


@pytest.mark.fault(19)
def test_the_same_seed_gives_the_same_search(search):
    def without_times(out):
        return [LINE.fullmatch(line)["rest"] for line in out.splitlines()]

    first, again, other = (without_times(search("--seed", seed, "--fresh")[1]) for seed in ("5", "5", "6"))
    assert first == again
    assert first != other


def test_an_unseeded_search_records_its_seed(search, tmp_path):
    search()
    assert json.loads((tmp_path / "out/genotype.json").read_text())["seed"] >= 0


@pytest.mark.fault(19)
def test_the_genotype_is_the_last_epochs_even_with_accuracy_zero(tmp_path, capsys):
    """Each image of a class of its own: no half tells of the other's, so the validation accuracy is 0 throughout."""
    numpy = pytest.importorskip("numpy")
    file = tmp_path / "each.npz"
    numpy.savez(file, x=numpy.arange(8 * 16 * 16).reshape(8, 16, 16, 1).astype("uint8"), y=numpy.arange(8))
    code = main([*flags(), "--dataset", f"npz:{file}", "--output-dir", str(tmp_path), "--seed", "0"])
    *epochs, last = capsys.readouterr().out.splitlines()
    assert code == 0
    assert [katibs_default_pattern(line)["Validation-Accuracy"] for line in epochs] == ["0", "0"]
    assert katibs_genotypes(last)


def test_a_search_stops_at_its_skips_but_not_while_the_weights_warm_up(search, caplog, tmp_path):
    """With alphas that stand still, the genotype is that of the first alphas: of eight edges, some are skips."""
    settings = SETTINGS | {"num_epochs": "3", "num_nodes": "4", "init_channels": "1", "alpha_lr": "0"}
    space = ["max_pooling_3x3", "skip_connection"]
    flags = ["--stop-at-skips", "1", "--order", "1", "--seed", "0", "--fresh"]
    for warmup_epochs in (0, 1):
        changes = {"settings": settings, "search_space": space, "num_layers": 1}
        with caplog.at_level(logging.INFO):
            code, out, _ = search(*flags, f"--alpha-warmup-epochs={warmup_epochs}", **changes)
        *epochs, last = out.splitlines()
        assert code == 0
        assert len(epochs) == warmup_epochs + 1
        assert f"stopped after epoch {warmup_epochs + 1} of 3: the normal cell has " in caplog.text
        assert katibs_genotypes(last)
        record = json.loads((tmp_path / "out/genotype.json").read_text())
        assert (record["epoch"], record["variants"]["stop_at_skips"]) == (warmup_epochs + 1, 1)
        assert record["stopped"].startswith("the normal cell has ")


@pytest.mark.parametrize(("shape", "size"), [((27, 33), []), ((5, 7, 3), []), ((9, 8, 3), ["--image-size", "13x10"])])
def test_images_of_any_size_and_one_or_three_channels_are_searched_on(tmp_path, capsys, shape, size):
    x = np.random.default_rng(0).integers(256, size=(24, *shape), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", x=x, y=np.arange(24) % 3)
    search_space = [*SEARCH_SPACE, "dilated_convolution_5x5", "avg_pooling_3x3"]
    arguments = flags(settings=SETTINGS | {"num_epochs": "1"}, search_space=search_space)
    options = ["--cutout", "5", "--flip", "off", "--train-portion", "0.75", *size]
    code = main([*arguments, "--dataset", f"npz:{tmp_path / 'images.npz'}", "--output-dir", str(tmp_path), *options])
    assert (code, len(katibs_genotypes(capsys.readouterr().out))) == (0, 1)
    record = json.loads((tmp_path / "genotype.json").read_text())
    assert (record["cutout"], record["flip"], record["train_portion"]) == (5, False, 0.75)
    assert record["image_size"] == ([13, 10] if size else None)
    assert record["batch_size"] == 6  # a quarter of the images is for the alphas


def test_a_folder_of_pictures_is_searched_on_and_a_broken_one_is_named(tmp_path, capsys):
    for index in range(12):
        folder = tmp_path / "pets" / ("cat" if index % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (10 + index, 12), (20 * index, 0, 90)).save(folder / f"{index}.png")
    options = ["--dataset", "imagefolder:pets", "--data-dir", str(tmp_path), "--image-size", "8", "--fresh"]
    arguments = [*flags(settings=SETTINGS | {"num_epochs": "1"}), *options, "--output-dir", str(tmp_path / "out")]
    assert main(arguments) == 0
    assert katibs_genotypes(capsys.readouterr().out)
    (tmp_path / "pets" / "cat" / "7.png").write_bytes(b"broken")
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith(f"error: image: '{tmp_path}/pets/cat/7.png' is not allowed: it must be an")


@pytest.mark.parametrize("flag", ["--partial-channels=2", "--auxiliary-skip", "--stop-when-stable=1"])
def test_each_variant_searches_to_the_end(search, tmp_path, flag):
    space = [*SEARCH_SPACE, "dilated_convolution_3x3"]
    code, out, _ = search(flag, "--order", "1", "--seed", "0", search_space=space)
    assert code == 0
    assert katibs_genotypes(out)
    name, _, value = flag.removeprefix("--").replace("-", "_").partition("=")
    record = json.loads((tmp_path / "out/genotype.json").read_text())
    assert record["variants"][name] == (int(value) if value else True)


@pytest.mark.fault(16)
def test_no_batch_size_is_the_largest_that_fits_and_leaves_no_trace(search, tmp_path):
    """Of 200 images, 12 leave the 8 steps that an epoch keeps; the search is that with the batch given."""
    found = []
    for batch_size in (None, "8"):
        settings = SETTINGS | {"batch_size": batch_size, "num_nodes": "1"}
        code, out, _ = search("--dataset", "fake:200", "--seed", "1", "--fresh", settings=settings, num_layers=1)
        assert code == 0
        found.append([LINE.fullmatch(line)["rest"] for line in out.splitlines()])
        assert json.loads((tmp_path / "out/genotype.json").read_text())["batch_size"] == 8
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("changes", "others", "code", "message"),
    [
        ({"settings": {"w_lrr": "1"}}, [], 2, "did you mean w_lr"),
        ({"search_space": ["warp_3x3"]}, [], 2, "--search-space: 'warp_3x3' is not allowed"),
        ({"num_layers": 0}, [], 2, "--num-layers: 0 is not allowed"),
        ({}, ["--dataset", "mnist1"], 2, "'mnist1'"),
        ({}, ["--device", "tpu"], 2, "'tpu'"),
        ({"settings": SETTINGS | {"w_lr": "1e30", "w_grad_clip": "0"}}, ["--order", "1"], 4, "error: epoch 1, "),
        ({"settings": {"w_lr": "1e39"}}, [], 2, "w_lr: '1e39' is not allowed: it must be a number >= 0 and <= 1e+30"),
        ({"settings": {"w_weight_decay": "1e300"}}, [], 2, "it must be a number >= 0 and <= 1e+30"),
    ],
)
def test_what_is_wrong_is_one_line_and_an_exit_code(search, tmp_path, changes, others, code, message):
    found, out, err = search(*others, **changes)
    *_, last = err.splitlines()
    assert found == code
    assert out == ""
    assert last.startswith("error: ")
    assert message in last
    assert "Traceback" not in err
    assert not (tmp_path / "out/genotype.json").exists()


def test_an_output_folder_that_cannot_be_written_is_noticed_before_the_first_epoch(search, tmp_path):
    (tmp_path / "out").write_text("")

    code, out, err = search()

    assert (code, out) == (3, "")
    assert err.splitlines()[-1].startswith("error: ")
    assert "out" in err.splitlines()[-1]


def test_a_batch_that_batch_norm_cannot_normalise_is_refused(tmp_path, capsys):
    numpy = pytest.importorskip("numpy")
    file = tmp_path / "tiny.npz"
    numpy.savez(file, x=numpy.zeros((6, 4, 4, 1), "uint8"), y=numpy.arange(6) % 2)
    options = ["--dataset", f"npz:{file}", "--output-dir", str(tmp_path / "out")]
    assert main([*flags(settings=SETTINGS | {"batch_size": "1"}), *options]) == 2
    assert "batch_size: 1 is not allowed: images of 4x4" in capsys.readouterr().err


def run(*command, cwd, python=with_torch):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = python.run(*command, "--dataset", "fake:12", "--seed", "1", cwd=cwd, env=environment)
    assert done.returncode == 0, done.stderr
    return done


KATIBS_CPU_EXAMPLE = flags(
    settings={"num_epochs": "1", "num_nodes": "1", "init_channels": "1", "stem_multiplier": "1"},
    search_space=["max_pooling_3x3"],
    num_layers=1,
)


def test_the_published_command_runs_katibs_cpu_example_from_any_folder(tmp_path):
    done = run(PACKAGE / "run_trial.py", *KATIBS_CPU_EXAMPLE, cwd=tmp_path, python=COLD)
    ((name, text),) = katibs_genotypes(done.stdout)
    found = forms.read(text)
    assert name == "Best-Genotype"
    assert sorted(found.normal[0]) == [("max_pooling_3x3", 0), ("max_pooling_3x3", 1)]
    assert (found.num_nodes, found.reduce) == (1, ())
    assert json.loads((tmp_path / "output/genotype.json").read_text())["genotype"] == text
    # The collector reads standard error as well: no metric may appear there.
    assert not any(f"{name}=" in done.stderr for name in [*NAMES, "Best-Genotype"])
    assert "\r" not in done.stderr


def test_the_published_command_runs_in_a_checkout_that_is_not_the_installed_one(tmp_path):
    checkout, elsewhere = tmp_path / "checkout", tmp_path / "elsewhere"
    elsewhere.mkdir()
    ours = ("cell_networks", "darts_genotype", "darts_service", "darts_trainer", "katib_suggestion", "trial_runtime")
    for package in ours:
        shutil.copytree(PACKAGE.parent / package, checkout / package)
    config = checkout / "darts_trainer/search_arguments.py"
    # A mark by which the copy is told from the installed package.
    config.write_text(config.read_text().replace("choices=(1, 2), default=2", "choices=(1, 2), default=1"))
    run(checkout / "darts_trainer/run_trial.py", *KATIBS_CPU_EXAMPLE, cwd=elsewhere)
    assert json.loads((elsewhere / "output/genotype.json").read_text())["order"] == 1


def test_the_module_runs(tmp_path):
    done = run("-m", "darts_trainer", *KATIBS_CPU_EXAMPLE, "--output-dir", str(tmp_path), cwd=tmp_path)
    assert len(katibs_genotypes(done.stdout)) == 1
