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

__all__ = ["Arrival", "Sink", "sink"]

_BODY = (
    b'<?xml version="1.0" encoding="utf-8" ?><CIM CIMVERSION="2.0" DTDVERSION="2.0">'
    b'<MESSAGE ID="1" PROTOCOLVERSION="1.0"><SIMPLEEXPRSP>'
    b'<EXPMETHODRESPONSE NAME="ExportIndication"></EXPMETHODRESPONSE>'
    b"</SIMPLEEXPRSP></MESSAGE></CIM>"
)
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
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


class _Sink(asyncio.Protocol):
    """One connection of the server."""

    def __init__(self) -> None:
        self._held = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._held += data
        while (end := self._held.find(b"\r\n\r\n") + 4) >= 4:
            length = _LENGTH.search(self._held, 0, end)
            assert length is not None
            whole = end + int(length[1])
            if len(self._held) < whole:
                return
            now = time.monotonic()
            identifier = _text(_IDENTIFIER.search(self._held, end, whole))
            source = _text(_SOURCE.search(self._held, end, whole))
            age_s = _age_s(_TIME.search(self._held, end, whole))
            path = self._held.split(b" ", 2)[1].decode()
            self._held = self._held[whole:]
            assert self._transport is not None
            self._transport.write(_ANSWER)
            _arrived.append(Arrival(path, source, identifier, now, age_s))


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
