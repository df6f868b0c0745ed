from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Networks of these tests are too small for a second thread, and threads of busy cores wait for each other.

    Not of the package: without an `__init__.py` pytest ends that with the session, and other packages would compare
    bits of one thread with those of processes that have two.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
