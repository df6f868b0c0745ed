"""One text of plain choices, ``--choices``, as the two texts of a trial.

Where a search knows plain parameters only, each choice of an architecture is one of them, and a trial's command puts
them into an object of JSON. Their names say which kind of architecture it is: `macro.choices`, `micro.choices`,
`recurrent.choices`.
"""

from enas_trainer.architecture import fields
from enas_trainer.macro import choices as macro
from enas_trainer.micro import choices as micro
from enas_trainer.recurrent import choices as recurrent


def read(text: str) -> tuple[str, str]:
    """Return ``architecture`` and ``nn_config`` of the same network.

    Args:
        text: JSON in single quotes or in double ones.

    Raises:
        InvalidNetwork: it is no JSON; a choice is missing, or none of what there is; or nothing reads it.
    """
    chosen = fields.any_mapping(fields.parse(text, "choices"), "choices")
    if micro.FIRST in chosen:
        return micro.read(chosen)
    if recurrent.FIRST in chosen:
        return recurrent.read(chosen)
    return macro.read(chosen)
