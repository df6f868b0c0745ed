"""The wheel and the source distribution: what is in them, and what runs where nothing else of ours is."""

import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Callable
from email.parser import Parser
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from tests.packaging import distributions

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = ("", "darts", "enas", "trainer", "dashboard", "local")
KATIB_NAS = "katib-nas"
PROGRAMS = {
    "darts_service": "darts",
    "enas_service": "enas",
    "dashboard": "dashboard",
    KATIB_NAS: "local",
    "darts_trainer": "trainer",
    "darts_trainer.retrain": "trainer",
    "darts_trainer.export": "trainer",
    "darts_trainer.predict": "trainer",
    "enas_trainer": "trainer",
    "enas_trainer.retrain": "trainer",
    "enas_trainer.export": "trainer",
}
"""All of them, and the extra that each needs; modules are run by ``python -m``."""

Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution and the wheel that was made of it."""
    folder = tmp_path_factory.mktemp("dist")
    source = tmp_path_factory.mktemp("source") / "katib-nas"
    # From a clone: what a build leaves behind does not come into this checkout, nor what lies here into the wheel.
    subprocess.run(["git", "clone", "--quiet", "--depth=1", f"file://{ROOT}", str(source)], check=True)
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(source)]
    finished = subprocess.run(build, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def call(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Call:
    """Run a command of an environment with the wheel and what an extra brings, in an empty folder."""
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, with_pip=False, symlinks=True)
    library = Path(sysconfig.get_path("purelib", vars={"base": str(environment)}))
    install = [sys.executable, "-m", "pip", "--python", str(environment), "install", "--quiet", "--no-deps", str(wheel)]
    subprocess.run(install, check=True)
    (metadata,) = library.glob("katib_nas-*.dist-info")
    others = tmp_path_factory.mktemp("others")
    for extra in EXTRAS:
        distributions.install(extra, Distribution.at(metadata), others / f"with-{extra}")
    cwd = tmp_path_factory.mktemp("elsewhere")

    def run(program: str, *arguments: str, extra: str = "local") -> subprocess.CompletedProcess[str]:
        brought = {"PYTHONPATH": str(others / f"with-{extra}"), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            [str(environment / "bin" / program), *arguments],
            cwd=cwd,
            env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "HOME": str(cwd), **brought},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def words(program: str) -> list[str]:
    """How a program begins to be called."""
    return [program] if program == KATIB_NAS else ["python", "-m", program]


def committed(*folders: str) -> set[str]:
    listed = subprocess.run(["git", "ls-files", *folders], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(listed.stdout.splitlines())


def test_the_wheel_holds_every_package_and_the_examples_and_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"benchmarks", "website"}
    examples = {f"katib_local/{name}" for name in committed("examples/*.yaml") if name.count("/") == 1}
    assert names == committed(*packages) | examples
    assert {f"{package}/py.typed" for package in packages} <= names


def test_the_source_distribution_holds_what_the_repository_does(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as source:
        names = {member.name.partition("/")[2] for member in source.getmembers() if member.isfile()}
    written = {"PKG-INFO", "setup.cfg"} | {name for name in names if name.startswith("katib_nas.egg-info/")}
    assert names - written == committed()


def test_metadata(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (folder,) = {name.partition("/")[0] for name in archive.namelist() if ".dist-info/" in name}
    fields = Parser().parsestr(archive.read(f"{folder}/METADATA").decode())
    assert (fields["Name"], fields["Version"]) == (PROJECT["name"], PROJECT["version"])
    assert fields["License-Expression"] == "Apache-2.0"
    assert archive.read(f"{folder}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    assert set(fields.get_all("Provides-Extra", [])) == set(PROJECT["optional-dependencies"])
    # Nothing is installed that nobody asked for.
    assert [line for line in fields.get_all("Requires-Dist", []) if "extra ==" not in line] == []


def test_what_is_imported_is_the_wheels(call: Call) -> None:
    code = "import katib_local, enas_service; print(katib_local.__file__, enas_service.__file__)"
    finished = call("python", "-c", code, extra="")
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.count("/environment") == 2


@pytest.mark.parametrize("extra", ["", "darts", "enas", "trainer", "dashboard"])
def test_a_program_names_the_extra_that_it_lacks(call: Call, extra: str) -> None:
    version = call("katib-nas", "--version", extra=extra)
    assert (version.returncode, version.stdout) == (0, f"katib-nas {PROJECT['version']}\n")
    for program, needed in PROGRAMS.items():
        if needed != extra and (extra, needed) != ("enas", "darts"):
            told = call(*words(program), extra=extra)
            assert (told.returncode, told.stderr.count("\n")) == (2, 1), told.stderr
            assert f"pip install 'katib-nas[{needed}]'" in told.stderr


@pytest.mark.parametrize(
    ("extra", "program"),
    [("darts", "darts_service"), ("enas", "enas_service"), ("dashboard", "dashboard")],
)
def test_a_program_runs_with_its_extra_alone(call: Call, extra: str, program: str) -> None:
    told = call(*words(program), "--help", extra=extra)
    assert (told.returncode, told.stderr) == (0, "")


def test_an_export_names_the_extra_that_it_lacks(call: Call) -> None:
    told = call(KATIB_NAS, "export", "none-yet", "--to", "mlflow", "--uri", "http://localhost:1")
    assert told.returncode == 2
    assert re.fullmatch(r"katib-nas: .*mlflow.* must be installed: pip install 'katib-nas\[mlflow\]'\n", told.stderr)


@pytest.mark.long("each program imports torch anew")
def test_every_command_helps(call: Call) -> None:
    commands = re.findall(r"^    ([a-z]+) ", call(KATIB_NAS, "--help").stdout, re.MULTILINE)
    assert {"run", "register", "export"} <= {*commands}
    for command in [*([*words(KATIB_NAS), name] for name in commands), *map(words, PROGRAMS)]:
        told = call(*command, "--help")
        assert (told.returncode, told.stderr) == (0, ""), command


@pytest.mark.parametrize(
    ("extra", "module"),
    [
        ("enas", "enas_service.suggester"),
        ("trainer", "darts_trainer.images.trial, darts_trainer.retraining.trial, enas_trainer.images.trial"),
        ("local", "katib_local.api"),
    ],
)
def test_an_extra_brings_what_is_imported(call: Call, extra: str, module: str) -> None:
    finished = call("python", "-c", f"import {module}", extra=extra)
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("example", ["enas-digits", "darts-digits"])
def test_both_services_answer(call: Call, example: str) -> None:
    finished = call("katib-nas", "validate", example)
    assert finished.returncode == 0, finished.stderr
    assert f"katib_local/examples/{example}.yaml is valid" in finished.stdout


def test_an_example_runs(call: Call) -> None:
    finished = call("katib-nas", "run", "darts-cpu", "--dataset", "digits", "--max-images", "100")
    assert finished.returncode == 0, finished.stderr
    assert "Best-Genotype: Genotype(" in finished.stdout
