"""A connection in memory: what an application sends to a client who sends this."""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from virtcim.daemon.asgi import ASGIApp, Receive, Scope, Send
from virtcim.daemon.exchanges import guarded
from virtcim.daemon.http_connection import HttpConnection

__all__ = ["HEADERS", "POST", "SHORT", "Transport", "answers", "exchanged"]

POST = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
HEADERS = [(b"content-length", b"4")]
SHORT = {"type": "http.response.body", "body": b"good"}


class Transport(asyncio.Transport):
    """Keeps what is written, one element for each piece."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.has_closed = False
        self.connection: HttpConnection

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if data:
            self.pieces.append(bytes(data))

    def get_extra_info(self, name: str, default: object = None) -> Any:
        return {"sockname": ("127.0.0.1", 5988), "peername": ("127.0.0.1", 1)}.get(name, default)

    def pause_reading(self) -> None:
        """Nothing comes that was not given already."""

    def resume_reading(self) -> None:
        """As above."""

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.has_closed

    def close(self) -> None:
        self.has_closed = True


def answers(*messages: dict[str, Any]) -> ASGIApp:
    """An application that reads nothing and answers so."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        for one in messages or (SHORT,):
            await send(one)

    return app


def exchanged(app: ASGIApp, *received: bytes) -> Transport:
    """What an application sends over one connection that receives this."""

    async def run() -> Transport:
        config = uvicorn.Config(guarded(app), lifespan="off", log_config=None, access_log=False)
        config.load()
        state = ServerState()
        connection, transport = HttpConnection(config, state, {}), Transport()
        connection.connection_made(transport)
        transport.connection = connection
        for one in received:
            connection.data_received(one)
            await asyncio.sleep(0)
        while state.tasks:
            await asyncio.wait(tuple(state.tasks))
        return transport

    return asyncio.run(run())
