"""What users type, import and keep, a line each: ``python -m website.public_names`` prints the lines.

A line is ``kind: owner: name``, and often ``: details``, such as ``flag: katib-nas show: --runs-dir: default runs``.
Each release keeps its lines in ``tests/data/VERSION/public-names.txt``; `website.name_changes` compares.
"""

import argparse
import ast
import dataclasses
import importlib
import importlib.util
import inspect
import json
import pkgutil
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from darts_service.settings import DartsSettings
from enas_service.settings import EnasSettings
from website import commands, flags_page, programs, public_files, reference

HELD = (
    "darts_genotype",
    "katib_local.api",
    "katib_local.result",
    "darts_trainer.predictor",
    "darts_trainer.retrain",
    "darts_trainer.export",
    "darts_trainer.predict",
    "enas_trainer.predictor",
    "enas_trainer.retrain",
    "enas_trainer.export",
    "trial_runtime.datasets",
)
"""Modules that keep name and place, whether or not a page imports them; of a package all its modules."""

SCRIPTS = ("darts_trainer/run_trial.py", "enas_trainer/RunTrial.py")
"""Files that the commands of Katib's own manifests name."""

_NOTEBOOK = "examples/notebook.ipynb"
_CODE = re.compile(r"^( *)```python\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_EXIT_CODE = re.compile(r"^ +(\d+)  ", re.MULTILINE)
_DEFAULT = re.compile(r"default:? ([^)]*)")
_VARIABLE = re.compile(r"\$(KATIB_NAS_\w+)")
_METRIC = re.compile(r"^\| `(\w+)` \| (\w+) \|", re.MULTILINE)


def listing(root: Path) -> list[str]:
    """Return all lines, sorted.

    Args:
        root: of the repository.
    """
    found = {
        *_command_lines(),
        *_settings("enas", EnasSettings),
        *_settings("darts", DartsSettings),
        *(f"metric: services: {name}: {kind}" for name, kind in _METRIC.findall(reference.text("metrics_page"))),
        *_exit_codes_of_trainers(),
        *(line for name in (*HELD, *imported(root)) for module in _modules(name) for line in _python(module)),
        *(f"script: {Path(name).parent}: {Path(name).name}" for name in SCRIPTS if (root / name).is_file()),
        *public_files.lines(root),
    }
    return sorted(found)


def imported(root: Path) -> list[str]:
    """Return the modules of ours that the pages' Python and the notebook import."""
    texts = [
        textwrap.dedent(block[2])
        for pattern in commands.PAGES
        for page in sorted(root.glob(pattern))
        for block in _CODE.finditer(page.read_text())
    ]
    cells = json.loads((root / _NOTEBOOK).read_text())["cells"]
    texts += ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    ours = {path.parent.name for path in root.glob("*/__init__.py")}
    return sorted({name for text in texts for name in _imports(text) if name.partition(".")[0] in ours})


def _imports(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if _is_module(inner) else node.module


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # what it would be in is no package
        return False


def _modules(name: str) -> Iterator[ModuleType]:
    module = importlib.import_module(name)
    yield module
    for inner in pkgutil.iter_modules(getattr(module, "__path__", ())):
        yield from _modules(f"{name}.{inner.name}")


def _python(module: ModuleType) -> Iterator[str]:
    """The public names that a module defines, or lists in ``__all__``."""
    package, _, last = module.__name__.rpartition(".")
    yield f"python: {package or 'import'}: {last}: module"
    assert module.__file__ is not None
    for name in getattr(module, "__all__", None) or _defined(Path(module.__file__).read_text()):
        value = getattr(module, name)
        yield f"python: {module.__name__}: {name}: {_described(value)}"
        if inspect.isclass(value):
            yield from (f"python: {module.__name__}: {name}.{inner}" for inner in _members(value))


def _defined(source: str) -> Iterator[str]:
    """Names of classes, functions and constants that a module's text gives at its top."""
    for node in ast.parse(source).body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                names = [name]
            case ast.Assign(targets=targets):
                names = [target.id for target in targets if isinstance(target, ast.Name)]
            case ast.AnnAssign(target=ast.Name(id=name)):
                names = [name]
            case _:
                names = []
        yield from (name for name in names if not name.startswith("_") and name != "logger")


def _members(kind: type) -> Iterator[str]:
    for name in sorted({*vars(kind), *inspect.get_annotations(kind)}):
        if not name.startswith("_"):
            yield f"{name}: {_described(vars(kind).get(name))}"


def _described(value: Any) -> str:
    """A function with its parameters and their defaults; of anything else, what it is."""
    if inspect.isclass(value):
        return "class"
    if not inspect.isfunction(value):
        return "value"
    signature = inspect.signature(value)
    bare = [one.replace(annotation=inspect.Parameter.empty) for one in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def _command_lines() -> Iterator[str]:
    parsers = list(flags_page.commands(programs.KATIB_NAS, programs.parser_of(programs.KATIB_NAS)))
    parsers += [(module, programs.parser_of(module)) for module in flags_page.MODULES]
    for program, parser in parsers:
        before, _, command = program.rpartition(" ")
        yield f"command: {before or 'python -m'}: {command}"
        for action in parser._actions:
            if not isinstance(action, argparse._HelpAction):
                yield from (f"flag: {program}: {name}: {_accepted(action)}" for name in _names(action))
                yield from (f"variable: {program}: {name}" for name in _VARIABLE.findall(action.help or ""))
        yield from (f"exit code: {programs.KATIB_NAS}: {code}" for code in _EXIT_CODE.findall(parser.epilog or ""))


def _names(action: argparse.Action) -> list[str]:
    return list(action.option_strings) or [str(action.metavar or action.dest)]


def _accepted(action: argparse.Action) -> str:
    default = str(action.default)
    if action.default is None and (told := _DEFAULT.search(action.help or "")):
        default = told[1]  # of a value that the program works out
    parts = ["required" if action.required else f"default {default}"]
    if action.choices:
        parts.append(f"one of {' '.join(map(str, action.choices))}")
    if action.nargs == 0:
        parts.append("no value")
    return ", ".join(parts)


def _settings(algorithm: str, settings: type[EnasSettings] | type[DartsSettings]) -> Iterator[str]:
    for field in dataclasses.fields(settings):
        yield f"setting: {algorithm}: {field.name}: default {field.default}"


def _exit_codes_of_trainers() -> Iterator[str]:
    from trial_runtime import program  # torch, which the other pages do without

    for name, code in vars(program).items():
        if name.startswith("EXIT_"):
            yield f"exit code: trainers: {code}: {name.removeprefix('EXIT_').lower().replace('_', ' ')}"


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in listing(reference.ROOT))
