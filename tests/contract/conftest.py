from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def katib_python() -> Path:
    """The interpreter of the environment that `make test` made for Katib's own client."""
    python = Path(__file__).parents[2] / ".venv-katib-client" / "bin" / "python"
    assert python.exists(), "run `make test`: it makes the environment of Katib's own client"
    return python
