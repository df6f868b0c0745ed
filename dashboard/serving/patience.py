"""HTTP with clients that connect and say nothing, or not all of it: uvicorn would keep them for ever."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

_PATIENCE_S = 10.0
"""With a request that is not there."""


class ImpatientProtocol(H11Protocol):
    """A connection that is closed where no request has come whole for so long."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(transport)
        self._look_after(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._next_look.cancel()
        super().connection_lost(exc)

    def _look_after(self, latest: RequestResponseCycle | None) -> None:
        self._next_look = self.loop.call_later(_PATIENCE_S, self._look, latest)

    def _look(self, latest: RequestResponseCycle | None) -> None:
        """Close the connection if it waits for a request, and has had none since the last look."""
        if self.conn.their_state is h11.IDLE and self.cycle is latest:
            self.transport.close()
        else:
            self._look_after(self.cycle)
