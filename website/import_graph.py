"""Which of our modules imports which, and a picture of it by packages.

``python -m website.import_graph`` draws the picture again.
"""

import ast
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from katib_local.drawing import svg
from katib_local.drawing.layered_layout import Box, lay_out

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs/contributing/import-graph.svg"

Graph = Mapping[str, frozenset[str]]

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


def arrows(graph: Graph) -> dict[str, frozenset[str]]:
    """Which of our packages each of them imports."""
    ours = {module.partition(".")[0] for module in graph}
    return {
        package: frozenset(
            name
            for module, found in graph.items()
            if module.partition(".")[0] == package
            for name in {other.partition(".")[0] for other in found} & ours - {package}
        )
        for package in sorted(ours)
    }


def draw(packages_to_imports: Mapping[str, frozenset[str]]) -> str:
    """Return the text of an SVG file of what :func:`arrows` found."""
    order = list(packages_to_imports)
    boxes = [
        Box(
            lines=(name, _JOBS[name]),
            kind="node" if found else "output",
            title=f"{name} imports {', '.join(sorted(found)) or 'none of the others'}",
        )
        for name, found in packages_to_imports.items()
    ]
    edges = [(order.index(name), order.index(other)) for name in order for other in sorted(packages_to_imports[name])]
    return svg.page(
        {"An arrow leads from a package to one that it imports": lay_out(boxes, edges)},
        title="The packages and their imports",
        description=". ".join(box.title for box in boxes) + ".",
    )


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
    PICTURE.write_text(draw(arrows(imports(ROOT, packages()))))
