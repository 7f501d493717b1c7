"""A listener that only answers, and notes when each indication arrived.

    indication_sink.py

Prints its port, then, when its standard input ends, a JSON list of [identifier, monotonic time].
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time

_BODY = (
    b'<?xml version="1.0" encoding="utf-8" ?><CIM CIMVERSION="2.0" DTDVERSION="2.0">'
    b'<MESSAGE ID="1" PROTOCOLVERSION="1.0"><SIMPLEEXPRSP>'
    b'<EXPMETHODRESPONSE NAME="ExportIndication"></EXPMETHODRESPONSE>'
    b"</SIMPLEEXPRSP></MESSAGE></CIM>"
)
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_IDENTIFIER = re.compile(rb'NAME="IndicationIdentifier" TYPE="string"><VALUE>([^<]*)<')

_arrived: list[tuple[str, float]] = []


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
            identifier = _IDENTIFIER.search(self._held, end, whole)
            self._held = self._held[whole:]
            assert self._transport is not None
            self._transport.write(_ANSWER)
            _arrived.append((identifier[1].decode() if identifier else "", now))


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Sink, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    print(json.dumps(_arrived), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve())
