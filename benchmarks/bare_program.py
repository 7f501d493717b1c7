"""The least that an ASGI program can do: it reads a request, and sends a reply that it has.

    bare_program.py REPLIES

REPLIES is a pickled list of bytes; the six digits of the message's ID say which one is wanted. It
runs on uvicorn as `virtcim serve` does, and prints ``ready URL``.
"""

from __future__ import annotations

import asyncio
import pickle
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import uvicorn

_ID, _DIGITS = b'<MESSAGE ID="', 6
_Message = MutableMapping[str, Any]


class _Program:
    """Answers with one of ``replies``."""

    def __init__(self, replies: list[bytes]) -> None:
        self._replies = replies

    async def __call__(
        self,
        _scope: _Message,
        receive: Callable[[], Awaitable[_Message]],
        send: Callable[[_Message], Awaitable[None]],
    ) -> None:
        """Serve one request, which comes whole or in pieces."""
        begun = await receive()
        message = begun
        while message.get("more_body"):
            message = await receive()
        _, _, numbered = begun["body"].partition(_ID)
        reply = self._replies[int(numbered[:_DIGITS])]
        headers = [
            (b"cimoperation", b"MethodResponse"),
            (b"content-type", b'application/xml; charset="utf-8"'),
            (b"content-length", str(len(reply)).encode("ascii")),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": reply})


def main() -> None:
    """Serve until somebody ends it."""
    replies = pickle.loads(Path(sys.argv[1]).read_bytes())
    config = uvicorn.Config(
        _Program(replies),
        lifespan="off",
        http="h11",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    # asyncio sends without delay only on sockets that know their protocol.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(128)
        print(f"ready http://127.0.0.1:{sock.getsockname()[1]}", flush=True)
        asyncio.run(uvicorn.Server(config).serve(sockets=[sock]))


if __name__ == "__main__":
    main()
