"""The requests that a CIM server sends to a listener, out of the bytes of a connection.

DSP0200 "CIMExport".
"""

from __future__ import annotations

import asyncio
import re
from typing import NamedTuple

__all__ = ["ANSWER", "Export", "ExportConnection"]

_BODY = (
    b'<?xml version="1.0" encoding="utf-8" ?><CIM CIMVERSION="2.0" DTDVERSION="2.0">'
    b'<MESSAGE ID="1" PROTOCOLVERSION="1.0"><SIMPLEEXPRSP>'
    b'<EXPMETHODRESPONSE NAME="ExportIndication"></EXPMETHODRESPONSE>'
    b"</SIMPLEEXPRSP></MESSAGE></CIM>"
)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Export(NamedTuple):
    """One request: where it came, and its body."""

    path: str
    body: bytes


class ExportConnection(asyncio.Protocol):
    """One connection of a server; ``take`` is told of each request and sees to its answer."""

    def __init__(self) -> None:
        self._held = b""
        self._transport: asyncio.WriteTransport | None = None

    @property
    def transport(self) -> asyncio.WriteTransport:
        """The connection, once it is made."""
        assert self._transport is not None
        return self._transport

    def take(self, export: Export) -> None:
        """A request is complete."""
        raise NotImplementedError

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio at the beginning."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Called by asyncio with what has arrived."""
        self._held += data
        while (end := self._held.find(b"\r\n\r\n") + 4) >= 4:
            length = _LENGTH.search(self._held, 0, end)
            assert length is not None
            whole = end + int(length[1])
            if len(self._held) < whole:
                return
            export = Export(self._held.split(b" ", 2)[1].decode(), self._held[end:whole])
            self._held = self._held[whole:]
            self.take(export)
