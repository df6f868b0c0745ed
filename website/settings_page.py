"""``docs/reference/settings.md``: the algorithm settings of both searches, from their classes."""

import ast
import dataclasses
import inspect
from pathlib import Path

from darts_service.settings import DartsSettings, RecurrentSettings
from enas_service.settings import EnasSettings

PAGE = Path("docs/reference/settings.md")

_KATIB = {"controller_temperature": "5.0", "controller_learning_rate": "5e-5", "controller_train_steps": "50"}
"""Katib's defaults, where ours differ."""

_OF_KIND = {"num_nodes": "5 in micro, 8 in recurrent"}
"""Of ENAS, instead of a default that depends on other settings."""

_HEAD = """\
# Settings of an Experiment

`spec.algorithm.algorithmSettings`, as both services read them. Made from the code by `python -m website.reference`.
Names and meaning are Katib's, but for `search_for`, `num_nodes`, `budget` and `front` of ENAS; so are the defaults but
for three, which stand beside ours ([why](../decisions/0004-search-efficiency.md)), and the bounds but for some that are
narrower ([why](../decisions/0003-limits.md)). An unknown name is refused, with the nearest known one.

`suggestion_trial_dir` is known to every service, and Katib's own affair: it mounts the suggestion's volume into each
trial.
"""

_RECURRENT = """\
## darts, where the operations are activation functions

A search for a recurrent cell; the defaults are those of the paper's code. Katib has no such search: its names
are taken where it has any. `None` of `w_lr_min` stands for `w_lr`.
"""

Settings = type[EnasSettings] | type[DartsSettings] | type[RecurrentSettings]


def text() -> str:
    """Return the page."""
    return "\n".join(
        [
            _HEAD,
            "## enas\n",
            _table(EnasSettings),
            "## darts\n",
            _table(DartsSettings),
            _RECURRENT,
            _table(RecurrentSettings),
        ]
    )


def _table(settings: Settings) -> str:
    docstrings = _docstrings(settings)
    lines = ["| setting | default | allowed | what |", "|---|---|---|---|"]
    for field in dataclasses.fields(settings):
        default = f"{field.default}" + (f" (Katib: {_KATIB[field.name]})" if field.name in _KATIB else "")
        if settings is EnasSettings:
            default = _OF_KIND.get(field.name, default)
        allowed = field.metadata["reader"].allowed.removeprefix("it must be ")
        lines.append(f"| `{field.name}` | {default} | {allowed} | {docstrings[field.name]} |")
    return "\n".join(lines) + "\n"


def _docstrings(settings: Settings) -> dict[str, str]:
    """The text under each field."""
    (definition,) = ast.parse(inspect.getsource(settings)).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for field, after in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            assert isinstance(after, ast.Expr), field.target.id
            assert isinstance(after.value, ast.Constant), field.target.id
            found[field.target.id] = " ".join(str(after.value.value).replace("``", "`").split())
    return found
