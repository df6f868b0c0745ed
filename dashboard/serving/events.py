"""Server-sent events: they tell a page which version of what it shows is the newest."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from starlette.concurrency import run_in_threadpool

REST_S = 2.0
"""Between two looks."""

_ENDS_WITHIN_S = 0.25
"""Once the server is to end."""

_SAID_AGAIN_S = 15.0
"""A version is said again after a while: a page that came too early takes it over then, and no proxy hangs up."""


async def stream(
    look: Callable[[], str], errors: tuple[type[Exception], ...], is_ending: Callable[[], bool]
) -> AsyncIterator[str]:
    """Go on telling, until whoever listens hangs up or may not see it any more, or the server ends.

    Args:
        look: returns the version; it may block, and it checks that who listens still may see it.
        errors: of it that end the stream, with their text as the last event.
        is_ending: whether the server is.
    """
    told = ""
    rounds_quiet = 0
    while True:
        try:
            version = await run_in_threadpool(look)
        except errors as error:
            yield f"event: refused\ndata: {' '.join(str(error).split())}\n\n"
            return
        rounds_quiet += 1
        if version != told or rounds_quiet * REST_S >= _SAID_AGAIN_S:
            yield f"data: {version}\n\n"
            told, rounds_quiet = version, 0
        deadline_s = time.monotonic() + REST_S
        while time.monotonic() < deadline_s:
            await asyncio.sleep(_ENDS_WITHIN_S)
            if is_ending():
                return
