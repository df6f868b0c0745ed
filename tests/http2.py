"""A client of HTTP/2 that does what no good client does, frame by frame (RFC 9113)."""

import socket
import struct
from collections.abc import Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GO_AWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
_ACK, _END_STREAM, _END_HEADERS = 1, 1, 4
CANCEL = 8


class Connection:
    """A connection to a gRPC server without encryption.

    Args:
        port: of this machine.
        window: how many bytes of a reply this side says it takes.
    """

    def __init__(self, port: int, window: int = 65_535) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self._next = 1
        self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, window)))

    def call(self, method: str, *, timeout: str = "60S") -> int:
        """Open a call, and send nothing of its body; return the stream's number."""
        stream, self._next = self._next, self._next + 2
        fields = {
            ":method": "POST", ":scheme": "http", ":path": method, ":authority": "test",
            "te": "trailers", "content-type": "application/grpc", "grpc-timeout": timeout,
        }  # fmt: skip
        block = b"".join(b"\x00" + _text(name) + _text(value) for name, value in fields.items())
        self.socket.sendall(frame(HEADERS, _END_HEADERS, stream, block))
        return stream

    def send(self, stream: int, part: bytes, *, is_last: bool = False) -> None:
        """Send a part of a body."""
        self.socket.sendall(frame(DATA, _END_STREAM if is_last else 0, stream, part))

    def reset(self, stream: int) -> None:
        """Give a call up."""
        self.socket.sendall(frame(RESET, 0, stream, struct.pack(">I", CANCEL)))

    def ping(self) -> None:
        """Ask whether the other side is there."""
        self.socket.sendall(frame(PING, 0, 0, bytes(8)))

    def frames(self, timeout_s: float) -> Iterator[tuple[int, int, int, bytes]]:
        """Yield what comes, until the other side closes the connection: kind, flags, stream and payload of each.

        Raises:
            TimeoutError: nothing comes for so long.
        """
        self.socket.settimeout(timeout_s)
        try:
            while len(header := self.socket.recv(9, socket.MSG_WAITALL)) == 9:
                length, kind, flags, stream = struct.unpack(">IBBI", b"\0" + header)
                yield kind, flags, stream, self.socket.recv(length, socket.MSG_WAITALL) if length else b""
        except ConnectionError:
            pass

    def is_closed(self, timeout_s: float, *, answers_pings: bool = False) -> bool:
        """Read what comes; tell whether the other side closes the connection, or is silent for so long."""
        try:
            for kind, flags, _, payload in self.frames(timeout_s):
                if answers_pings and kind == PING and not flags & _ACK:
                    self.socket.sendall(frame(PING, _ACK, 0, payload))
        except TimeoutError:
            return False
        except ConnectionError:
            pass
        return True

    def close(self) -> None:
        """End it."""
        self.socket.close()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def message(content: bytes) -> bytes:
    """A message as gRPC frames it."""
    return b"\0" + struct.pack(">I", len(content)) + content


def _text(text: str) -> bytes:
    """A string of HPACK, not compressed, of fewer than 127 bytes."""
    return bytes([len(text)]) + text.encode()
