"""``virtcim errormap translate``: records from standard input, their answers to standard output."""

from __future__ import annotations

import gc
import os
import sys

from virtcim.cli.output import OutputError, write
from virtcim.errormap.streaming.lines import translate_stream

__all__ = ["translate_input"]

_CHUNK = 256 * 1024


def translate_input() -> int:
    """Answer every line of standard input; give the exit status.

    A reader that has gone away ends the command quietly.
    """
    if sys.stdin is None:
        return _failed("standard input is closed")
    # Translating leaves no cycles behind, whatever the lines hold; looking for them takes time.
    gc.disable()
    descriptor = sys.stdin.fileno()
    try:
        translate_stream(lambda: os.read(descriptor, _CHUNK), write)
    except OutputError as error:
        return _failed(error.reason, error.status) if error.reason else error.status
    finally:
        gc.enable()
    return 0


def _failed(reason: str, status: int = 2) -> int:
    sys.stderr.write(f"virtcim errormap: {reason}\n")
    return status
