"""The lower bounds in pyproject.toml hold for the generated code, and are bounds that tests can be run with."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def floor(name: str) -> str:
    (found,) = (line.removeprefix(f"{name}>=") for line in EXTRAS["darts"] if line.startswith(f"{name}>="))
    return found


def generated_for(pattern: str) -> str:
    """A version that the generated code names."""
    code = "".join(path.read_text() for path in sorted((ROOT / "katib_suggestion/wire").glob("api_pb2*.py")))
    (found,) = re.findall(pattern, code)
    return str(found)


@pytest.mark.parametrize("package", ["grpcio", "grpcio-health-checking", "grpcio-reflection"])
def test_grpcio_is_allowed_from_the_version_that_the_generated_code_asks_for(package: str) -> None:
    asked = generated_for(r"GRPC_GENERATED_VERSION = '(.+)'")
    assert floor(package) == asked
    assert f"grpcio-tools=={asked}\n" in (ROOT / "proto/generator.txt").read_text()


def test_generated_code_is_within_what_protobuf_promises_to_run() -> None:
    """A release runs code that was generated for it or an older one, of its major version or the one before."""
    asked = version(generated_for(r"# Protobuf Python Version: (.+)"))
    assert version(floor("protobuf")) >= asked
    (newest,) = re.findall(r"^protobuf==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert version(newest)[0] - asked[0] <= 1


@pytest.mark.parametrize("extra", ["darts", "enas", "trainer", "dashboard", "local", "onnx", "latency", "test"])
def test_every_package_has_one_lower_bound_and_no_other(extra: str) -> None:
    """So that the oldest versions can be read off, and no newer one is kept away."""
    for line in EXTRAS[extra]:
        assert re.fullmatch(r"[A-Za-z0-9-]+>=[0-9.]+(; .+)?|katib-nas\[[a-z,]+\]", line), line
