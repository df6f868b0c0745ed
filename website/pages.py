"""What the site is made of: the Markdown files of the repository, at the paths that they have there.

So a link between two files leads to the same place on the site as in a checkout. Two kinds of pages are added: the
reference of each package, from its docstrings, and each other file that a page links to, such as an example.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

SOURCES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "website/style.css", "benchmarks/results/*.md", "docs/**/*")
SUFFIXES = {".md", ".svg", ".png", ".css"}
API = PurePosixPath("docs/reference/api")

_LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(?=[)#])")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace what mkdocs found in ``docs_dir`` by our sources; the theme's files stay."""
    root = Path(config.config_file_path).parent
    sources = [
        File(path.relative_to(root).as_posix(), str(root), config.site_dir, config.use_directory_urls)
        for pattern in SOURCES
        for path in sorted(root.glob(pattern))
        if path.suffix in SUFFIXES
    ]
    references = [
        File.generated(config, f"{API / package}.md", content=_reference(root, package)) for package in _packages(root)
    ]
    linked = sorted(
        {path for file in sources if file.is_documentation_page() for path in _linked(file.content_string, file, root)}
    )
    texts = [
        File.generated(config, f"{path}.md", content=_text(root / path, path), inclusion=InclusionLevel.NOT_IN_NAV)
        for path in linked
    ]
    theme = [file for file in files if file.src_dir != config.docs_dir]
    return Files([*sources, *references, *texts, *theme])


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to files that are no pages to the pages that show them."""
    root = Path(config.config_file_path).parent
    linked = {str(path) for path in _linked(markdown, page.file, root)}

    def shown(match: re.Match[str]) -> str:
        return f"{match[1]}.md" if _target(match[1], page.file) in linked else match[1]

    return _LINK.sub(shown, markdown)


def _linked(markdown: str, file: File, root: Path) -> Iterator[str]:
    for link in _LINK.findall(markdown):
        target = _target(link, file)
        if PurePosixPath(target).suffix not in SUFFIXES and (root / target).is_file():
            yield target


def _target(link: str, file: File) -> str:
    parts: list[str] = []
    for part in (PurePosixPath(file.src_uri).parent / link).parts:
        if part != "..":
            parts.append(part)
        elif parts:
            parts.pop()
    return "/".join(parts)


def _packages(root: Path) -> list[str]:
    packages: list[str] = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    return [name for name in packages if "." not in name]


def _reference(root: Path, package: str) -> str:
    modules = [
        ".".join(path.relative_to(root).with_suffix("").parts)
        for path in sorted((root / package).rglob("*.py"))
        if not path.stem.startswith(("__", "api_pb2"))
    ]
    return f"# {package}\n\n" + "\n".join(f"::: {module}\n" for module in modules)


def _text(path: Path, name: str) -> str:
    return f"# {name}\n\n````{path.suffix.removeprefix('.')}\n{path.read_text()}\n````\n"
