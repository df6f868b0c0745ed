import importlib.metadata
import os
from collections.abc import Callable, Iterator

import pytest
import torch


@pytest.fixture(autouse=True, scope="module")
def as_it_was() -> Iterator[None]:
    """One thread, as when the files were written, and no data of the environment's choice."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("KATIB_NAS_")]:
            patch.delenv(name)
        yield
    torch.set_num_threads(threads)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run ``katib-nas`` in this process, and return what it prints."""
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="katib-nas")
    main = script.load()

    def run(*arguments: object) -> str:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return captured.out

    return run
