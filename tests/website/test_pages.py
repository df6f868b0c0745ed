"""The site: built without a warning, from files alone, and read without a network."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    finished = subprocess.run(build, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert not finished.stderr
    return folder


def test_each_file_has_a_page_at_its_own_path(site: Path) -> None:
    sources = [*ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/results/*.md")]
    assert sources
    for source in sources:
        path = source.relative_to(ROOT)
        page = path.parent if path.name == "README.md" else path.with_suffix("")
        assert (site / page / "index.html").is_file(), path


def test_links_lead_to_files_of_the_site(site: Path) -> None:
    links = 0
    for page in site.rglob("index.html"):
        for link in re.findall(r'(?:href|src)="([^"#?]+)', page.read_text()):
            if "://" not in link and not link.startswith("mailto:"):
                target = page.parent / link
                assert target.is_file() or (target / "index.html").is_file(), f"{page}: {link}"
                links += 1
    assert links > 1_000


def test_examples_that_pages_link_to_are_shown(site: Path) -> None:
    guide = (site / "docs/guides/cluster/index.html").read_text()
    assert "../../../examples/enas-digits.yaml/" in guide
    assert "enas-digits" in (site / "examples/enas-digits.yaml/index.html").read_text()


def test_docstrings_are_the_reference(site: Path) -> None:
    page = (site / "docs/reference/api/katib_suggestion/index.html").read_text()
    assert "Read name and value pairs into a settings class" in page
    assert "katib_suggestion.wire.api_pb2_grpc.add_" not in page


def test_a_reader_fetches_nothing_from_elsewhere(site: Path) -> None:
    fetched = re.compile(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"?(?:https?:)?//[^>]*>")
    for page in site.rglob("*.html"):
        assert not fetched.findall(page.read_text()), page
