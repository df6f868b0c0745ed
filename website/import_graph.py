"""Which of our modules imports which, and a picture of it: by packages, and by the folders inside the largest of them.

``python -m website.import_graph`` draws the picture again.
"""

import ast
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from katib_local.drawing import svg
from katib_local.drawing.layered_layout import Box, Picture, lay_out

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs/contributing/import-graph.svg"

Graph = Mapping[str, frozenset[str]]

LARGE = ("katib_local", "enas_service", "darts_trainer", "enas_trainer", "trial_runtime", "katib_suggestion")
"""Packages whose folders are drawn, too."""

_JOBS = {
    "katib_suggestion": "Katib's side",
    "enas_service": "suggests",
    "darts_service": "suggests",
    "darts_genotype": "what was found",
    "cell_networks": "networks of cells",
    "trial_runtime": "data, devices",
    "darts_trainer": "trial",
    "enas_trainer": "trial",
    "katib_local": "katib-nas",
    "katib_cluster": "configuration",
    "dashboard": "pages that follow",
    "katib_local.commands": "katib-nas",
    "katib_local.drawing": "pictures",
    "katib_local.manifest": "what was asked",
    "katib_local.models": "trained, in use",
    "katib_local.objective": "a function as trial",
    "katib_local.record": "what is kept",
    "katib_local.report": "the page",
    "katib_local.running": "processes",
    "katib_local.showing": "what is said",
    "enas_service.model": "what trials teach",
    "enas_service.policies": "controllers",
    "enas_service.search": "what is proposed",
    "enas_service.spaces": "what is decided",
    "darts_trainer.images": "trial on pictures",
    "darts_trainer.recurrent": "trial on text",
    "darts_trainer.retraining": "what was found",
    "darts_trainer.search": "of any network",
    "darts_trainer.supernet": "of pictures",
    "enas_trainer.architecture": "what was asked",
    "enas_trainer.arguments": "command line",
    "enas_trainer.images": "trial on pictures",
    "enas_trainer.macro": "of layers",
    "enas_trainer.micro": "of two cells",
    "enas_trainer.recurrent": "trial on text",
    "enas_trainer.retraining": "what was found",
    "enas_trainer.sharing": "bank of weights",
    "trial_runtime.checkpointing": "going on",
    "trial_runtime.costs": "of a network",
    "trial_runtime.devices": "what computes",
    "trial_runtime.images": "data sets",
    "trial_runtime.processes": "of one trial",
    "trial_runtime.reporting": "lines, files",
    "trial_runtime.retraining": "what was found",
    "trial_runtime.text": "data sets",
    "trial_runtime.trained": "in use",
    "katib_suggestion.files": "paths, locks",
    "katib_suggestion.parsing": "texts to values",
    "katib_suggestion.serving": "the process",
    "katib_suggestion.wire": "messages",
}


def packages(root: Path = ROOT) -> list[str]:
    """The packages of the wheel, without those inside others."""
    names: list[str] = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    return [name for name in names if "." not in name]


def imports(root: Path, names: Iterable[str]) -> Graph:
    """What each module imports at any place in it, by full names: our modules as files, others by their package.

    Args:
        root: folder of the packages.
        names: our packages.
    """
    files = {_module(path, root): path for name in names for path in sorted((root / name).rglob("*.py"))}
    return {module: frozenset(_imported(path, files)) for module, path in files.items()}


def reached(graph: Graph, start: str) -> frozenset[str]:
    """All that comes with a module: what it imports, what that imports, and so on."""
    seen: set[str] = set()
    ahead = [start]
    while ahead:
        new = graph.get(ahead.pop(), frozenset()) - seen
        seen |= new
        ahead += new
    return frozenset(seen)


def package(module: str) -> str:
    """The package that a module lies in."""
    return module.partition(".")[0]


def folder(module: str) -> str:
    """The folder inside a package that a module lies in; one at the top of its package is by itself."""
    return ".".join(module.split(".")[:2])


def rooms(graph: Graph, large: str) -> dict[str, str]:
    """Where each module of a package lies: in a folder inside it, above these folders, between them, or below them.

    Above are the modules at the top of the package that import a folder, by way of whatever; one of these that a folder
    imports lies between, in a room of its own. Below are the others. What is between or below has its names.
    """
    ours = [module for module in graph if package(module) == large]
    folders = {folder(module) for module in ours if module.count(".") > 1}
    top = {module for module in ours if folder(module) not in folders}
    below = {module for module in top - {large} if not {folder(name) for name in reached(graph, module)} & folders}
    known = {name for module in ours if module not in top for name in reached(graph, module)}
    held = {**{module: [module] for module in (top - below) & known}, **dict.fromkeys(below, sorted(below))}
    named = {
        module: f"{large}: {', '.join(name.removeprefix(f'{large}.') for name in names)}"
        for module, names in held.items()
    }
    return {module: named.get(module, large if module in top else folder(module)) for module in ours}


def arrows(graph: Graph, room: Callable[[str], str | None] = package) -> dict[str, frozenset[str]]:
    """Which rooms the modules of each room import.

    Args:
        graph: of the modules.
        room: of a module; None for one that does not count.
    """
    found: dict[str, set[str]] = {}
    for module, imported in graph.items():
        if (here := room(module)) is not None:
            there = {room(name) for name in imported & graph.keys()}
            found.setdefault(here, set()).update(
                name for name in there if name not in (here, None) and name is not None
            )
    return {name: frozenset(found[name]) for name in sorted(found)}


def draw(graph: Graph) -> str:
    """Return the text of an SVG file."""
    whole = arrows(graph)
    pictures = {"An arrow leads from a package to one that it imports": _picture(whole)}
    words = _words(whole)
    for large in LARGE:
        inside = arrows(graph, rooms(graph, large).get)
        if not inside[large]:  # nothing is above the folders
            del inside[large]
        pictures[f"Inside {large}"] = _picture(inside)
        words += _words(inside)
    return svg.page(pictures, title="The packages and their imports", description=". ".join(words) + ".")


def _picture(imported: Mapping[str, frozenset[str]]) -> Picture:
    order = list(imported)
    boxes = [
        Box(lines=_lines(name), kind="node" if found else "output", title=words)
        for (name, found), words in zip(imported.items(), _words(imported), strict=True)
    ]
    return lay_out(
        boxes, [(order.index(name), order.index(other)) for name in order for other in sorted(imported[name])]
    )


def _lines(name: str) -> tuple[str, ...]:
    """A room and what it is for, or what it holds."""
    _, _, inside = name.partition(".")
    named, _, held = name.partition(": ")
    return (named, held) if held else (inside or name, _JOBS[name])


def _words(imported: Mapping[str, frozenset[str]]) -> list[str]:
    return [f"{name} imports {', '.join(sorted(found)) or 'none of the others'}" for name, found in imported.items()]


def _module(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(path: Path, files: Mapping[str, Path]) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {_nearest(alias.name, files) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {_nearest(f"{node.module}.{alias.name}", files) for alias in node.names}
    return found


def _nearest(name: str, files: Mapping[str, Path]) -> str:
    """The file that an imported name lies in, or the name's package where that is not ours."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        if ".".join(parts[:length]) in files:
            return ".".join(parts[:length])
    return parts[0]


if __name__ == "__main__":
    PICTURE.write_text(draw(imports(ROOT, packages())))
