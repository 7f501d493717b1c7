"""The ``virtcim`` command as the program runs it, but within the process of the tests.

A process of its own takes most of its time to import what is there already.
"""

from __future__ import annotations

import io
import os
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from unittest.mock import patch

from virtcim.cli import main

__all__ = ["virtcim"]


def virtcim(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it with those words and variables of the environment, and nothing to read."""
    output, errors = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    status: object = 0
    with patch.dict(os.environ, environment), redirect_stdout(output), redirect_stderr(errors):
        try:
            main([*words])
        except SystemExit as ended:
            status = ended.code or 0
    assert isinstance(status, int), status
    return subprocess.CompletedProcess(words, status, _written(output), _written(errors))


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    stream.seek(0)
    return stream.read()
