"""No public name changes without a line in CHANGELOG, and the listing finds what is public."""

import subprocess
import sys
from pathlib import Path

import pytest

from website import name_changes, public_names

pytestmark = pytest.mark.timeout(300)  # the listing runs each trainer once

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def listing() -> list[str]:
    """Of the code, in a process of its own: it imports torch and runs programs."""
    command = [sys.executable, "-m", "website.public_names"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()


def test_what_has_changed_is_told(listing: list[str]) -> None:
    kept = name_changes.latest(ROOT)
    release = kept.parent.name
    changes = name_changes.unmentioned(
        kept.read_text().splitlines(), listing, (ROOT / "CHANGELOG.md").read_text(), release
    )
    why = f"public names differ from those of {release}: put them back, or name them in CHANGELOG.md, in backquotes,"
    why += f" above the heading of {release} (CONTRIBUTING.md, Public names):"
    assert not changes, "\n".join([why, *changes])


@pytest.mark.parametrize(
    "line",
    [
        "command: katib-nas genotype: convert",
        "flag: katib-nas run: --resume: default False, no value",
        "flag: darts_trainer.retrain: --num-epochs: default 600",
        "flag: darts_trainer: --order: default 2, one of 1 2",
        "variable: enas_trainer: KATIB_NAS_SHARED_WEIGHTS",
        "setting: darts: num_nodes: default 4",
        "metric: services: katib_nas_calls_total: counter",
        "trial metric: enas_trainer: Validation-Accuracy",
        "trial metric: darts_trainer: Best-Genotype",
        "exit code: katib-nas: 130",
        "exit code: trainers: 143: terminated",
        "field: genotype.json: normal",
        "field: katib-nas show --json: trials[].condition",
        "column: epochs.csv: validation_accuracy",
        "python: katib_local.api: load: (path=None, *, runs_dir=PosixPath('runs'))",
        "python: katib_local.result: Run.best: value",
        "script: darts_trainer: run_trial.py",
    ],
)
def test_each_kind_is_listed(line: str, listing: list[str]) -> None:
    """Of the code that is, so a line here goes when its name does."""
    assert line in listing


def test_the_pages_imports_are_found() -> None:
    assert {"katib_local.api", "darts_trainer.predictor", "trial_runtime.datasets"} <= {*public_names.imported(ROOT)}


@pytest.mark.parametrize("file", sorted(ROOT.glob(name_changes.LISTINGS)))
def test_a_listing_names_no_machine(file: Path) -> None:
    text = file.read_text()
    assert str(ROOT) not in text
    assert str(Path.home()) not in text


BEFORE = [
    "command: katib-nas: show",
    "flag: katib-nas show: --json: default False",
    "flag: darts_trainer: --order: default 2",
    "field: genotype.json: epochs[].time",
    "python: katib_local.api: load: (path=None)",
]
CHANGELOG = "# Changelog\n\n{}\n## 1.2.0\n\n- `--order`, `time`, `load`, `show`, `--new`, `old.json`, `a.module`\n"


def unmentioned(now: list[str], told: str = "") -> list[str]:
    return name_changes.unmentioned(BEFORE, now, CHANGELOG.format(told), "1.2.0")


def test_nothing_changed() -> None:
    assert unmentioned(BEFORE[::-1]) == []


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        ("flag: darts_trainer: --order: default 2", "`--order 1`"),
        ("field: genotype.json: epochs[].time", "`time` of `epochs`"),
        ("python: katib_local.api: load: (path=None)", "`katib_local.api.load`"),
        ("command: katib-nas: show", "`katib-nas show`"),
    ],
)
def test_what_is_gone_must_be_named(gone: str, told: str) -> None:
    now = [line for line in BEFORE if line != gone]
    assert unmentioned(now) == [f"- {gone}"]
    assert unmentioned(now, told.replace("`", "")) == [f"- {gone}"]
    assert unmentioned(now, told) == []


def test_another_default_is_a_change() -> None:
    now = [line.replace("default 2", "default 1") for line in BEFORE]
    changes = ["+ flag: darts_trainer: --order: default 1", "- flag: darts_trainer: --order: default 2"]
    assert unmentioned(now) == changes
    assert unmentioned(now, "`--order-of`, `darts_trainer`") == changes
    assert unmentioned(now, "`--order`") == []


@pytest.mark.parametrize(
    ("new", "told", "told_too_little"),
    [
        ("flag: darts_trainer: --new: default 2", "`--new`", "`darts_trainer`"),
        ("field: genotype.json: epochs[].new", "`genotype.json`", "`json`"),
        ("python: katib_local.api: new: ()", "`katib_local.api`", "`katib_local`"),
        ("field: other.json: epochs[].new", "`other.json`", ""),
        ("flag: katib-nas new: --first: default 2", "`katib-nas new`", "`new`"),
    ],
)
def test_what_is_new_must_be_named_or_what_it_is_in(new: str, told: str, told_too_little: str) -> None:
    assert unmentioned([*BEFORE, new], told_too_little) == [f"+ {new}"]
    assert unmentioned([*BEFORE, new], told) == []


def test_a_changelog_without_the_release_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no heading ## 3\.0\.0"):
        name_changes.unmentioned([], [], CHANGELOG, "3.0.0")


def test_the_latest_release_is_compared_with(tmp_path: Path) -> None:
    for version in ("0.9.0", "0.10.0", "0.2.11"):
        (tmp_path / "tests/data" / version).mkdir(parents=True)
        (tmp_path / "tests/data" / version / "public-names.txt").touch()
    assert name_changes.latest(tmp_path).parent.name == "0.10.0"
