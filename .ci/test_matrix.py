"""Run the tests with the oldest and the newest packages that are supported, and print a table.

    make test-matrix
    python .ci/test_matrix.py --ends oldest --groups services     # a part of it

The oldest are the lower bounds in pyproject.toml of what the rest depends on: gRPC, protobuf, TensorFlow and torch. The
newest, and all other packages, are what pip finds. Each group of tests has an environment of its own at each end; they
take several GB and many minutes, and stay in the folder for another time.
"""

import argparse
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
BOUNDED = (
    "grpcio",
    "grpcio-health-checking",
    "grpcio-reflection",
    "protobuf",
    "tensorflow",
    "tensorflow-cpu",
    "torch",
    "torchvision",
)
OF_THE_REPOSITORY = ("tests/packaging", "tests/website")
"""Run by its own tools, such as linters and those of the site, whatever the product depends on."""
SHOWN = ("grpcio", "protobuf", "tensorflow-cpu", "tensorflow", "torch")


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Tests that may share a process, and what they need."""

    extras: str
    tests: tuple[str, ...]


def groups() -> dict[str, Group]:
    """Read the groups off the Makefile."""
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    services, others = re.findall(r"^WITH_(?:TENSORFLOW|TORCH) := (.+)$", makefile, re.MULTILINE)
    # The services' tests start no trainer: they do without torch.
    return {
        "services": Group(extras="enas,test", tests=tuple(services.split())),
        "trainers": Group(
            extras="local,test", tests=tuple(one for one in others.split() if one not in OF_THE_REPOSITORY)
        ),
    }


def oldest() -> list[str]:
    """Return the lower bounds, as constraints for pip."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    found = {}
    for line in [line for lines in extras.values() for line in lines]:
        name, _, bound = line.partition(";")[0].partition(">=")
        if name in BOUNDED:
            found[name] = f"{name}=={bound.strip()}"
    assert set(found) == set(BOUNDED), found
    return sorted(found.values())


def installed(folder: Path, python: str, group: Group, constraints: Sequence[str]) -> Path:
    """Make an environment, unless it is there, and return its interpreter."""
    interpreter = folder / "bin/python"
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    file = folder / "constraints.txt"
    file.write_text("\n".join(constraints))
    pip = [interpreter, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--upgrade"]
    subprocess.run([*pip, "--constraint", file, "--editable", f"{ROOT}[{group.extras}]"], check=True)
    return interpreter


def versions(interpreter: Path) -> str:
    """Name the packages that the table shows."""
    done = subprocess.run([interpreter, "-m", "pip", "freeze"], check=True, capture_output=True, text=True)
    found = dict(line.replace("_", "-").split("==") for line in done.stdout.splitlines() if "==" in line)
    return ", ".join(f"{name} {found[name]}" for name in SHOWN if name in found)


def row(end: str, name: str, group: Group, interpreter: Path, log: Path, arguments: Sequence[str]) -> tuple[str, bool]:
    """Run a group's tests; return its line of the table, and whether all is well."""
    began = time.monotonic()
    with log.open("wb") as stream:
        command = [interpreter, "-m", "pytest", "-q", *arguments, *group.tests]
        code = subprocess.run(command, cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT, check=False).returncode
    *_, last = log.read_text(errors="replace").splitlines() or ["nothing printed"]
    counts = re.sub(r" in [\d.]+s.*", "", last.strip("= "))
    version = subprocess.run([interpreter, "--version"], check=True, capture_output=True, text=True).stdout.split()[1]
    minutes = (time.monotonic() - began) / 60
    cells = (end, name, version, versions(interpreter), counts, f"{minutes:.0f} min")
    return f"| {' | '.join(cells)} |", code == 0


def main() -> int:
    """Return 1 where a test fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ends", nargs="+", choices=("oldest", "newest"), default=["oldest", "newest"])
    parser.add_argument("--groups", nargs="+", choices=tuple(groups()), default=list(groups()))
    parser.add_argument("--oldest-python", default="python3.11", help="default %(default)s")
    parser.add_argument("--newest-python", default="python3.13", help="default %(default)s")
    parser.add_argument("--folder", type=Path, default=ROOT / ".matrix", help="of the environments and logs")
    parser.add_argument("--pytest", default="", help="arguments for pytest, in one text")
    options = parser.parse_args()
    print("| packages | tests | Python | versions | result | time |\n|---|---|---|---|---|---|", flush=True)
    is_well = True
    for end in options.ends:
        python, constraints = getattr(options, f"{end}_python"), oldest() if end == "oldest" else []
        for name in options.groups:
            group = groups()[name]
            interpreter = installed(options.folder / f"{end}-{name}", python, group, constraints)
            log = options.folder / f"{end}-{name}.log"
            line, passed = row(end, name, group, interpreter, log, options.pytest.split())
            print(line, flush=True)
            is_well &= passed
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
