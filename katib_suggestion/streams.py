"""Standard output in whatever encoding it has. Standard library only: every program begins with this."""

import io
import sys


def take_any_text() -> None:
    """Let standard output replace what its encoding lacks by ``?``, where Python would end the program.

    Standard error does so by itself. The encoding is not always UTF-8: ``LANG=C``, ``PYTHONIOENCODING``, a pipe on
    another system.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def write_document(text: str) -> None:
    """Write to standard output what another program reads: in UTF-8, whatever the encoding of the stream is."""
    sys.stdout.flush()
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:  # a stream that somebody put in its place, and that takes text
        sys.stdout.write(text)
    else:
        # Half of a surrogate pair stands for a byte of a file's name; so written, it is one of JSON's escapes.
        buffer.write(text.encode(errors="backslashreplace"))
        buffer.flush()
