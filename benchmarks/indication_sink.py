"""A listener that only answers, and notes when each indication arrived.

As a program it prints its port, then, when its standard input ends, a JSON list of arrivals.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from exports import ANSWER, Export, ExportConnection

__all__ = ["Arrival", "Sink", "sink"]

_IDENTIFIER = re.compile(rb'NAME="IndicationIdentifier" TYPE="string"><VALUE>([^<]*)<')
_SOURCE = re.compile(rb'NAME="SourceInstanceModelPath" TYPE="string"><VALUE>([^<]*)<')
_TIME = re.compile(rb'NAME="IndicationTime" TYPE="datetime"><VALUE>([\d.]{21})\+000<')

_arrived: list[Arrival] = []


class Arrival(NamedTuple):
    """An indication: where it came, of what, when by ``time.monotonic``, and how old it was."""

    path: str
    source: str
    identifier: str
    at: float
    age_s: float


class Sink(NamedTuple):
    """A listener in a process of its own; ``arrived`` ends it."""

    port: int
    arrived: Callable[[], list[Arrival]]


@contextmanager
def sink() -> Iterator[Sink]:
    """Start one, until the block ends."""
    with subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        commands, output = process.stdin, process.stdout

        def arrived() -> list[Arrival]:
            commands.close()
            return [Arrival(*one) for one in json.loads(output.readline())]

        try:
            yield Sink(int(output.readline()), arrived)
        finally:
            process.kill()


class _Sink(ExportConnection):
    """One connection of the server."""

    def take(self, export: Export) -> None:
        now = time.monotonic()
        identifier = _text(_IDENTIFIER.search(export.body))
        source = _text(_SOURCE.search(export.body))
        age_s = _age_s(_TIME.search(export.body))
        self.transport.write(ANSWER)
        _arrived.append(Arrival(export.path, source, identifier, now, age_s))


def _text(found: re.Match[bytes] | None) -> str:
    return "" if found is None else found[1].decode()


def _age_s(found: re.Match[bytes] | None) -> float:
    """How long ago a time of UTC was."""
    if found is None:
        return 0.0
    told = datetime.strptime(f"{found[1].decode()}+0000", "%Y%m%d%H%M%S.%f%z")
    return time.time() - told.timestamp()


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Sink, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    print(json.dumps(_arrived), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve())
