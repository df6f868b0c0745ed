"""What an extra brings, out of what the environment of the tests has."""

from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement


def install(extra: str, ours: Distribution, folder: Path) -> None:
    """Make the packages of an extra importable from a folder, and no other, by links to where they are installed.

    Args:
        extra: of ours; an empty text for none.
        ours: the metadata that say what an extra asks for.
        folder: goes onto the path of an interpreter.
    """
    folder.mkdir()
    for other in _asked(ours, frozenset({extra}), {}).values():
        installed = Path(str(other.locate_file("")))
        for place in {_own(installed, file.parts) for file in other.files or () if ".." not in file.parts}:
            (folder / place).parent.mkdir(exist_ok=True)
            if not (folder / place).exists():
                (folder / place).symlink_to(installed / place)


def _asked(of: Distribution, extras: frozenset[str], found: dict[str, Distribution]) -> dict[str, Distribution]:
    """Add what a distribution with some of its extras asks for, and what that asks for in turn."""
    for line in of.requires or ():
        requirement = Requirement(line)
        if requirement.marker and not any(requirement.marker.evaluate({"extra": extra}) for extra in extras or {""}):
            continue
        if requirement.name == of.name:
            _asked(of, frozenset(requirement.extras), found)
        elif requirement.name not in found or requirement.extras:
            found[requirement.name] = distribution(requirement.name)
            _asked(found[requirement.name], frozenset({"", *requirement.extras}), found)
    return found


def _own(installed: Path, parts: tuple[str, ...]) -> Path:
    """Return what leads to a file and is to be linked: the folder of one package, or what is below a shared one."""
    is_one_packages = parts[0].endswith((".dist-info", ".libs")) or (installed / parts[0] / "__init__.py").exists()
    return Path(*parts[: 1 if is_one_packages else 2])
