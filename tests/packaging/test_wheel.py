"""The wheel, in an environment that has nothing else of ours."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    source = tmp_path_factory.mktemp("source") / "katib-nas"
    # From a clone: what a build leaves behind does not come into this checkout, nor what lies here into the wheel.
    subprocess.run(["git", "clone", "--quiet", "--depth=1", f"file://{ROOT}", str(source)], check=True)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    finished = subprocess.run(build, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def call(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Call:
    """Run a command of an environment with the wheel, in an empty folder."""
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, with_pip=False, symlinks=True)
    library = Path(sysconfig.get_path("purelib", vars={"base": str(environment)}))
    install = [sys.executable, "-m", "pip", "--python", str(environment), "install", "--quiet", "--no-deps", str(wheel)]
    subprocess.run(install, check=True)
    # What others wrote comes from the environment of the tests. Its own .pth files are not read: nothing of ours does.
    (library / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    cwd = tmp_path_factory.mktemp("elsewhere")

    def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(environment / "bin" / program), *arguments],
            cwd=cwd,
            env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "HOME": str(cwd)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def test_it_holds_every_package_and_the_examples_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"benchmarks", "website"}
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == packages
    examples = {f"katib_local/examples/{path.name}" for path in (ROOT / "examples").glob("*.yaml")}
    assert examples <= {*names}
    assert {f"{package}/py.typed" for package in packages} <= {*names}


def test_what_is_imported_is_the_wheels(call: Call) -> None:
    finished = call(
        "python", "-c", "import katib_local, enas_service; print(katib_local.__file__, enas_service.__file__)"
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.count("/environment") == 2


@pytest.mark.parametrize("example", ["enas-digits", "darts-digits"])
def test_both_services_answer(call: Call, example: str) -> None:
    finished = call("katib-nas", "validate", example)
    assert finished.returncode == 0, finished.stderr
    assert f"katib_local/examples/{example}.yaml is valid" in finished.stdout


def test_an_example_runs(call: Call) -> None:
    finished = call("katib-nas", "run", "darts-cpu", "--dataset", "digits", "--max-images", "100")
    assert finished.returncode == 0, finished.stderr
    assert "Best-Genotype: Genotype(" in finished.stdout
