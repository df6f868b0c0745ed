"""The Dockerfiles hold what the programs import; tests/images/ looks inside the images themselves."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = ("Dockerfile.darts", "Dockerfile.enas")
IMAGES = [
    *((file, stage) for file in FILES for stage in ("service", "trainer")),
    ("Dockerfile.dashboard", "dashboard"),
]
OURS = {path.parent.name for path in ROOT.glob("*/__init__.py")}


def stages(file: str) -> dict[str, list[str]]:
    """The instructions of each stage, continued lines joined, comments left out."""
    text = re.sub(r"\\\n\s*", " ", (ROOT / file).read_text())
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("FROM "):
            found[line.split()[-1]] = []
        if found and line and not line.startswith("#"):
            found[[*found][-1]].append(line)
    return found


def copied(file: str, stage: str) -> set[Path]:
    """Python files that a stage copies, relative to the root."""
    files: set[Path] = set()
    for line in stages(file)[stage]:
        if line.startswith("COPY ") and not line.startswith("COPY --from"):
            *sources, target = line.split()[1:]
            for source in sources:
                path = ROOT / source
                assert path.exists(), line
                assert target.rstrip("/") == (source if path.is_dir() else str(Path(source).parent)), line
                files |= {*path.rglob("*.py")} if path.is_dir() else {path}
    return {path.relative_to(ROOT) for path in files}


def imported(path: Path) -> set[Path]:
    """Our files that a file imports, packages' ``__init__`` included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            names |= {item.name for item in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, path
            assert node.module, path
            names |= {node.module, *(f"{node.module}.{item.name}" for item in node.names)}
    files: set[Path] = set()
    for name in names:
        parts = name.split(".")
        if parts[0] in OURS:
            files |= {Path(parts[0], "__init__.py"), Path(*parts).with_suffix(".py"), Path(*parts, "__init__.py")}
    return {file for file in files if (ROOT / file).is_file()}


def third_party(path: Path) -> set[str]:
    """Packages of others that a file imports, at its top or later."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            names |= {item.name.partition(".")[0] for item in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names - OURS - sys.stdlib_module_names


@pytest.mark.parametrize(("file", "stage"), IMAGES)
def test_what_is_copied_imports_nothing_of_ours_that_is_not(file: str, stage: str) -> None:
    files = copied(file, stage)
    assert len(files) > 5
    assert {one: imported(one) - files for one in files if imported(one) - files} == {}


def test_a_release_publishes_every_image() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    published = workflow["jobs"]["images"]["strategy"]["matrix"]["include"]
    assert {(one["file"], one["target"]) for one in published} == {*IMAGES}
    algorithm = {one["image"]: one["file"].removeprefix("Dockerfile.") for one in published}
    assert {name: of for name, of in algorithm.items() if not name.startswith(of)} == {}


def test_the_context_holds_what_is_copied_and_nothing_more() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("!")}
    sources = {
        source.partition("/")[0]
        for name in {file for file, _ in IMAGES}
        for lines in stages(name).values()
        for line in lines
        if line.startswith("COPY ") and not line.startswith("COPY --from")
        for source in line.split()[1:-1]
    }
    assert allowed == sources


def test_the_trainers_share_their_layers_up_to_torch() -> None:
    first, second = (
        [stages(file)[stage] for stage in ("requirements", "base")] + [stages(file)["trainer"][:4]] for file in FILES
    )
    assert first == second
    assert "torch torchvision" in first[-1][-1]


@pytest.mark.parametrize(("file", "stage"), IMAGES)
def test_no_address_is_written_down_and_nothing_runs_as_root(file: str, stage: str) -> None:
    text = (ROOT / file).read_text()
    assert "://" not in text
    assert ("ARG TORCH_INDEX\n" in text) is (file in FILES)
    assert [line for line in stages(file)[stage] if line.startswith("USER ")] == ["USER 65532:0"]


def test_every_package_of_an_image_is_pinned() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    pins = {
        line.partition("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().split()
    }
    asked = {
        re.split(r"[>=;\[ ]", line)[0].lower()
        for name in ("darts", "enas", "trainer", "latency", "onnx", "dashboard")
        for line in extras[name]
    } - {"katib-nas"}
    assert asked - pins == set()


@pytest.mark.parametrize(
    ("file", "stage", "names"),
    [
        ("Dockerfile.darts", "service", ["darts"]),
        ("Dockerfile.enas", "service", ["darts", "enas"]),
        ("Dockerfile.darts", "trainer", ["trainer", "onnx", "latency"]),
        ("Dockerfile.enas", "trainer", ["trainer", "onnx", "latency"]),
        ("Dockerfile.dashboard", "dashboard", ["dashboard"]),
    ],
)
def test_what_is_imported_is_installed(file: str, stage: str, names: list[str]) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    installed = {re.split(r"[>=;\[ ]", line)[0].lower() for name in names for line in extras[name]}
    # NumPy comes with TensorFlow, and four others with what the dashboard asks for.
    elsewhere = {"numpy", "anyio", "h11", "markupsafe", "urllib3", "_typeshed"}
    owners = packages_distributions()
    missing = {
        name: sorted(owners.get(name, []))
        for path in copied(file, stage)
        for name in third_party(path) - elsewhere
        if not {owner.lower().replace("_", "-") for owner in owners.get(name, [])} & installed
    }
    assert missing == {}
