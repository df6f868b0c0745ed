"""Runs inside an image, on its own: writes as JSON what is wrong with its contents, and nothing if all is well."""

import ast
import importlib
import importlib.metadata
import importlib.util
import json
import shutil
import sys
from pathlib import Path

ROOT = Path("/opt/katib-nas")
OPTIONAL = {"onnx", "onnxruntime", "onnxscript"}
"""What a program says itself that it misses: an extra of its own."""
INSTALLERS = {"pip", "setuptools", "wheel"}
"""They come with the base image."""


def modules() -> list[str]:
    files = [path.relative_to(ROOT).with_suffix("") for path in ROOT.rglob("*.py") if path.parent != ROOT]
    return sorted({".".join(part for part in path.parts if part != "__init__") for path in files})


def failed_imports() -> dict[str, str]:
    failed = {}
    for name in modules():
        try:
            importlib.import_module(name)
        except ImportError as error:
            failed[name] = str(error)
    return failed


def missing_for_later() -> dict[str, list[str]]:
    """Packages that a function would import, or that are only named, and are not there."""
    missing: dict[str, list[str]] = {}
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [item.name for item in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            for name in {name.partition(".")[0] for name in names} - OPTIONAL - {"_typeshed"}:
                if importlib.util.find_spec(name) is None:
                    missing.setdefault(name, []).append(str(path))
    return missing


def unpinned() -> list[str]:
    def plain(name: str) -> str:
        return name.lower().replace("_", "-")

    lines = (ROOT / "constraints.txt").read_text().split()
    pins = {(plain(name), version) for name, _, version in (line.partition("==") for line in lines)}
    installed = {
        (plain(one.metadata["Name"]), one.version.partition("+")[0]) for one in importlib.metadata.distributions()
    }
    return sorted(f"{name}=={version}" for name, version in installed - pins if name not in INSTALLERS)


def main() -> None:
    forbidden = [name for name in sys.argv[1:] if importlib.util.find_spec(name)]
    left = [name for name in ("cc", "gcc", "g++", "clang", "make") if shutil.which(name)]
    wrong = {
        "modules that cannot be imported": failed_imports(),
        "packages that are missing": missing_for_later(),
        "packages that are not pinned": unpinned(),
        "packages that do not belong here": forbidden,
        "compilers": left,
        "no modules at all": not modules(),
    }
    sys.stdout.write(json.dumps({what: found for what, found in wrong.items() if found}))


main()
