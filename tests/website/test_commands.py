"""Every command of README and docs runs, or stands in `NOT_RUN` with a reason; there, at least its flags are read.

The commands of a page run one after the other in one folder, in which `PREPARED` puts what the page takes for granted.
`SMALLER` makes a search of minutes one of seconds.
"""

import gzip
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch.distributed import run as torchrun

from website import programs
from website.commands import Command, commands, of_page

ROOT = Path(__file__).parents[2]
COMMANDS = commands(ROOT)

NOT_RUN = {
    r"^make (run|test|lint|audit|format|docs|proto|images|test-images|bench)\b": "runs the tests, or builds images",
    r"^make hooks": "changes the hooks of this checkout",
    r"^(kubectl|kind|docker|minikube)\b|\bkind load\b": "needs a cluster or a container engine",
    r"katib-nas register": "needs a cluster; tests/katib_cluster has an API server of its own",
    r"^(\.venv/bin/)?katib-nas (validate|run) \S*(enas-|darts-digits)": "tests/end_to_end runs the examples",
    r"katib-nas validate examples/own": "what runs is valid",
    r"katib-nas run (examples/own-model|random\.yaml)": "tests/end_to_end/test_plain_parameters.py runs them",
    r"katib-nas (validate|run) my-experiment": "is of the reader's",
    r"katib-nas (train|export|list$)": "takes a run; tests/katib_local/commands/test_train.py has one",
    r"^serving/|^python3 -m venv": "takes a network and an environment; tests/peers serves and asks",
    r"^\. ": "each command here has a shell of its own",
    r"katib-nas run examples/darts-(volume|gpu|retrain-hpo)": "takes hours without a GPU, or a service of Katib's",
    r"katib-nas run examples/darts-(text|ptb)": "takes minutes, or a GPU; tests/darts_trainer/recurrent searches",
    r"katib-nas report": "tests/katib_local/report makes the reports of a run and of a cluster's Experiment",
    r"katib-nas dashboard": "serves until it is ended; tests/dashboard starts it",
    r"^torchrun": "takes GPUs; tests/*_trainer/test_data_parallel.py start it with two processes",
    r"python -m benchmarks": "what it measures is kept in benchmarks/results",
    r"^pip install": "takes a network",
    r"^tensorboard": "serves until it is ended; tests/trial_runtime/reporting/test_events.py reads what it shows",
    r"darts_trainer … |'num_epochs': 50|retrain --genotype output": "takes images of the reader's, or a GPU and a day",
    r"darts_trainer\.export": "takes half a minute; tests/darts_trainer/test_export.py exports",
}
"""What is found in a command, and why it is not run."""

SMALLER = {
    "--dataset digits --max-images 400": "--dataset fake:64",
    "'num_epochs': '4'": "'num_epochs': '2'",
    "--num_epochs 3": "--num_epochs 1 --max-images 64",
    "--num-epochs 5": "--num-epochs 1 --max-images 64",
    "--num-epochs 20": "--num-epochs 1",
    "runs/enas-digits-*": "runs/*",
    "show enas-digits-20261130-074754": "show",
    "Genotype(…)": "Genotype(normal=[('skip_connect', 0), ('sep_conv_3x3', 1)], normal_concat=[2], "
    "reduce=[('max_pool_3x3', 0), ('skip_connect', 1)], reduce_concat=[2])",
}
"""Texts of commands, and what takes their place here."""

STAND_INS = {
    # Debian's sqlite3 is not everywhere.
    "sqlite3": "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute(sys.argv[2]), sep='\\n')",
}
"""Programs in Python, for those that may not be here."""

WITH_TENSORFLOW = re.compile(r"benchmarks\.enas\.(search|budget|early_stopping)")
"""Programs that import it; it does not share a process with torchvision."""

MISSING = {
    "darts_trainer": ["--algorithm-settings={}", "--search-space=[]", "--num-layers=1"],
    "enas_trainer": ["--architecture=[]", "--nn_config={}"],
}
"""What the … of a command stands for: flags that the program needs."""


def prepare_data(folder: Path) -> None:
    (folder / "data/FashionMNIST/raw").mkdir(parents=True)
    (folder / "data/FashionMNIST/raw/train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(b"labels"))


def prepare_genotype(folder: Path) -> None:
    cells = "normal=[[('skip_connection',0),('max_pooling_3x3',1)]],normal_concat=range(2,3),"
    cells += "reduce=[[('skip_connection',1),('max_pooling_3x3',0)]],reduce_concat=range(2,3)"
    (folder / "trial.log").write_text(f"2026-06-01T12:00:00Z Best-Genotype=Genotype({cells})\n")
    (folder / "output").mkdir()
    convert = [*program("katib-nas"), "genotype", "convert", "--to", "json", "trial.log"]
    converted = subprocess.run(convert, cwd=folder, check=True, capture_output=True, text=True).stdout
    (folder / "output/genotype.json").write_text(converted)


def prepare_architecture(folder: Path) -> None:
    artifacts = folder / "runs/first/trials/enas-digits-0001/artifacts"
    artifacts.mkdir(parents=True)
    params = {"filter_size": "3", "num_filter": "8", "stride": "1"}
    embedding = {"0": {"opt_id": 0, "opt_type": "convolution", "opt_params": params}}
    config = {"num_layers": 1, "input_sizes": [32, 32, 1], "output_sizes": [10], "embedding": embedding}
    (artifacts / "architecture.json").write_text(json.dumps({"architecture": [[0]], "nn_config": config}))


def prepare_images(folder: Path) -> None:
    generator = np.random.default_rng(0)
    images = generator.integers(256, size=(64, 32, 32, 3), dtype=np.uint8)
    np.savez(folder / "my-images.npz", x=images, y=np.arange(64) % 10)


def prepare_picture(folder: Path) -> None:
    Image.new("RGB", (40, 40), (200, 30, 90)).save(folder / "picture.png")


def prepare_quickstart(folder: Path) -> None:
    prepare_architecture(folder)
    artifacts = folder / "runs/pictures/trials/darts-digits-0001/artifacts"
    artifacts.mkdir(parents=True)
    cells = "[[['skip_connection',0],['separable_convolution_3x3',1]]]".replace("'", '"')
    genotype = f'{{"version": 1, "normal": {cells}, "normal_concat": [2], "reduce": {cells}, "reduce_concat": [2]}}'
    (artifacts / "genotype.json").write_text(genotype)
    for label, name in enumerate(("cat", "dog")):
        (folder / "pictures" / name).mkdir(parents=True)
        for number in range(1, 21):
            Image.new("RGB", (16, 16), (200 * label, 9 * number, 90)).save(folder / "pictures" / name / f"{number}.jpg")


PREPARED: dict[str, Callable[[Path], None]] = {
    "docs/guides/data.md": prepare_data,
    "docs/guides/genotypes.md": prepare_genotype,
    "docs/guides/local-runner.md": prepare_images,
    "docs/guides/retraining.md": prepare_picture,
    "docs/quickstart.md": prepare_quickstart,
}


def program(name: str) -> list[str]:
    return [str(Path(sys.executable).with_name(name))]


def reason(command: Command) -> str | None:
    return next((why for pattern, why in NOT_RUN.items() if re.search(pattern, command.text)), None)


RUN = [command for command in COMMANDS if reason(command) is None]
UNRUN = [command for command in COMMANDS if reason(command) is not None]


@pytest.mark.timeout(300)  # all commands of a page, each a program of its own
@pytest.mark.parametrize("page", sorted({command.page for command in RUN}))
def test_the_commands_of_a_page_run(page: str, tmp_path: Path) -> None:
    work, stand_ins = tmp_path / "work", tmp_path / "bin"
    work.mkdir()
    stand_ins.mkdir()
    for name, text in STAND_INS.items():
        (stand_ins / name).write_text(f"#!{sys.executable}\n{text}\n")
        (stand_ins / name).chmod(0o755)
    for name in ("examples", "manifests", "website", ".venv"):
        (work / name).symlink_to(ROOT / name)
    PREPARED.get(page, lambda folder: None)(work)
    environment = os.environ | {
        "PATH": os.pathsep.join([str(stand_ins), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "OMP_NUM_THREADS": "1",
    }
    for command in RUN:
        if command.page == page:
            ran = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", smaller(command.text)],
                cwd=work,
                env=environment,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
            assert "&& echo" not in command.text or ran.stdout == command.text.rpartition("echo ")[2] + "\n"


@pytest.mark.parametrize(
    "command",
    [command for command in UNRUN if not WITH_TENSORFLOW.search(command.text)],
    ids=lambda command: f"{command.page}:{command.line}",
)
def test_the_flags_of_a_command_that_is_not_run_are_read(command: Command) -> None:
    for words in simple_commands(command.text):
        check(words)


def test_the_flags_of_programs_with_tensorflow_are_read() -> None:
    texts = [command.text for command in UNRUN if WITH_TENSORFLOW.search(command.text)]
    lines = [json.dumps(invoked(words)) for text in texts for words in simple_commands(text)]
    reader = [sys.executable, "-m", "website.programs"]
    ran = subprocess.run(reader, cwd=ROOT, input="\n".join(lines), capture_output=True, text=True, check=False)
    assert len(lines) >= 5
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("texts", [NOT_RUN, SMALLER], ids=["NOT_RUN", "SMALLER"])
def test_each_row_is_of_use(texts: dict[str, str]) -> None:
    for text in texts:
        pattern = text if texts is NOT_RUN else re.escape(text)
        assert any(re.search(pattern, command.text) for command in COMMANDS), text


@pytest.mark.parametrize("page", PREPARED)
def test_each_page_that_is_prepared_runs(page: str) -> None:
    assert any(command.page == page for command in RUN)


def test_a_flag_that_is_not_there_is_noticed() -> None:
    with pytest.raises(ValueError, match="refuses"):
        check(["katib-nas", "run", "examples/enas-cpu.yaml", "--parallell", "2"])
    with pytest.raises(ValueError, match="refuses"):
        check(["torchrun", "--nproc-per-node", "2", "-m", "darts_trainer", "--order", "3"])
    with pytest.raises(AssertionError):
        check(["kubectl", "apply", "-f", "examples/enas.yaml"])


def test_commands_are_found() -> None:
    text = "```sh\none \\\n  --flag   # why\nfor x in a; do\n  two\ndone\n```\n"
    text += "```console\n$ three\nits output\n$ four\n```\n"
    found = [command.text for command in of_page(text, "page")]
    assert found == ["one \\\n  --flag   # why", "for x in a; do\n  two\ndone", "three", "four"]


def smaller(text: str) -> str:
    for old, new in SMALLER.items():
        text = text.replace(old, new)
    return text


def simple_commands(text: str) -> Iterator[list[str]]:
    """A command line at its operators; variables before a command, and ``timeout``, are left out."""
    lexer = shlex.shlex(text.replace("\\\n", " "), posix=True, punctuation_chars=";&|<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set(";&|<>"):
            while words and (re.fullmatch(r"[A-Z_]+=\S*", words[0]) or words[0] in ("do", "done")):
                del words[0]
            if words and words[0] != "for":
                yield words
            words = []
        else:
            words.append(word)


def check(words: Sequence[str]) -> None:
    """Read the flags of a simple command as far as that goes without running it."""
    name, rest = words[0].removeprefix(".venv/bin/"), words[1:]
    if name in ("torchrun", "python", programs.KATIB_NAS):
        program_name, *argv = invoked(words)
        programs.parse(program_name, argv)
    elif name.startswith("serving/bin/") or name == "python3":
        assert all((ROOT / word).is_file() for word in rest if word.endswith(".py"))
    elif name == "make":
        subprocess.run(["make", "--dry-run", *rest], cwd=ROOT, check=True, capture_output=True)
    elif name == "kubectl":
        files = [value for flag, value in pairwise(rest) if flag in ("-f", "-k")]
        assert all((ROOT / file).exists() for file in files if not file.startswith("github.com/")), files
    else:
        assert name in ("pip", "tensorboard", "kind", "docker", "minikube", ".", "echo"), words


def invoked(words: Sequence[str]) -> list[str]:
    """The program of ours that a simple command starts, by its module's name, and its arguments."""
    name, rest = words[0].removeprefix(".venv/bin/"), [word for word in words[1:] if word != "…"]
    if name == programs.KATIB_NAS:
        return [name, *rest]
    if name == "torchrun":
        parsed = torchrun.get_args_parser().parse_args(rest)
        rest = ["-m"] * parsed.module + [parsed.training_script, *parsed.training_script_args]
    if rest[0] == "-m":
        del rest[0]
    module = rest[0].removesuffix(".py").replace("/", ".")
    return [module, *rest[1:], *(MISSING.get(module, []) if "…" in words else [])]
