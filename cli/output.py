"""Writing to standard output, which may have gone away or be full."""

from __future__ import annotations

import os
import sys

__all__ = ["OutputError", "write"]

_NOBODY_READS = 141


class OutputError(Exception):
    """Standard output took no more: the ``status`` to exit with; no ``reason`` if nobody reads."""

    def __init__(self, status: int, reason: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def write(text: str) -> None:
    """Write and flush. Raises OutputError."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        # Python would complain once more when it flushes standard output at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise OutputError(_NOBODY_READS) from error
        raise OutputError(2, f"standard output cannot be written: {error}") from error
