"""The figures are those of the figures' texts: of a table, and of a command beside them."""

import shlex
from pathlib import Path

from enas_trainer.macro import config
from katib_local.drawing import architectures
from website import regret_figure
from website.commands import of_page

CONCEPTS = Path(__file__).parents[2] / "docs/concepts"


def test_regret_is_that_of_the_benchmarks_table() -> None:
    drawn = regret_figure.draw(regret_figure.TABLE.read_text())
    assert regret_figure.PICTURE.read_text() == drawn, "run: python -m website.regret_figure"


def test_the_architecture_is_that_of_its_page() -> None:
    (command,) = of_page((CONCEPTS / "architectures.md").read_text(), "architectures.md")
    architecture, network = config.read(*shlex.split(command.text.replace("\\\n", " "))[-2:])
    assert (CONCEPTS / "architecture.svg").read_text() == architectures.draw(architecture, network)
