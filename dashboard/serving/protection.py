"""What a browser is told, so that nothing of what others have written does anything."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors {ancestors}"
)
"""No script runs but ours. Plotly's brings a style sheet in itself, which depends on its version."""


class Protected:
    """Adds to every answer the headers that keep a page to itself.

    Args:
        app: what answers.
        is_framed: whether pages of the same address may show ours in a frame; no others may.
    """

    def __init__(self, app: ASGIApp, *, is_framed: bool) -> None:
        self._app = app
        self._headers = {
            "content-security-policy": _POLICY.format(ancestors="'self'" if is_framed else "'none'"),
            "x-content-type-options": "nosniff",
            "referrer-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "cross-origin-opener-policy": "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                # What somebody may see, nobody else shall find in a cache.
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)
