"""A CimServer on a real socket, run by uvicorn in a thread of the test."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pywbem
import uvicorn

from virtcim.cimserver import CimServer
from virtcim.daemon.asgi import ASGIApp

__all__ = ["Answer", "Served", "intrinsic", "message", "method", "served"]

DEADLINE_S = 60.0
NAMESPACE_PATH = (
    '<LOCALNAMESPACEPATH><NAMESPACE NAME="root"/><NAMESPACE NAME="virt"/></LOCALNAMESPACEPATH>'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Where a server is, and the clients to ask it with."""

    port: int
    user: str = ""
    password: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def pywbem(self, **options: Any) -> pywbem.WBEMConnection:
        credentials = (self.user, self.password) if self.user else None
        return pywbem.WBEMConnection(
            self.url, credentials, default_namespace="root/virt", timeout=int(DEADLINE_S), **options
        )

    def wbemcli(self, command: str, path: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        login = f"{self.user}:{self.password}@" if self.user else ""
        url = f"http://{login}127.0.0.1:{self.port}/root/virt:{path}"
        return subprocess.run(
            ["wbemcli", command, url, *arguments],
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )

    def post(self, body: bytes | str, **headers: str) -> httpx.Response:
        """Post a message with the usual headers; a keyword replaces one, "" leaves it out."""
        sent = {"Content-Type": "application/xml; charset=utf-8", "CIMOperation": "MethodCall"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        method = sent.pop("method", "POST")
        sent = {name: value for name, value in sent.items() if value}
        with httpx.Client(verify=False, trust_env=False, timeout=DEADLINE_S) as client:
            return client.request(method, self.url + "/cimom", content=body, headers=sent)

    def ask(self, body: str) -> Answer:
        response = self.post(body)
        assert response.status_code == 200, response.text
        return Answer(response.text)

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        """A connection from an address of this machine."""
        address = ("127.0.0.1", self.port)
        return socket.create_connection(address, DEADLINE_S, source_address=(source, 0))


@dataclass(frozen=True, slots=True)
class Answer:
    """A response message."""

    text: str

    @property
    def status(self) -> int:
        """The CIM status code, 0 for success."""
        found = re.search(r'<ERROR CODE="(\d+)"', self.text)
        return int(found[1]) if found else 0

    @property
    def description(self) -> str:
        found = re.search(r'DESCRIPTION="([^"]*)"', self.text)
        return found[1] if found else ""


def message(content: str, *, request: str = "SIMPLEREQ") -> str:
    """A whole request message around ``content``."""
    return (
        '<?xml version="1.0" encoding="utf-8"?><CIM CIMVERSION="2.0" DTDVERSION="2.0">'
        f'<MESSAGE ID="1" PROTOCOLVERSION="1.0"><{request}>{content}</{request}></MESSAGE></CIM>'
    )


def intrinsic(name: str, *, namespace: str = NAMESPACE_PATH, **parameters: str) -> str:
    """An intrinsic call; the parameters are XML."""
    given = "".join(
        f'<IPARAMVALUE NAME="{key}">{value}</IPARAMVALUE>' for key, value in parameters.items()
    )
    return message(f'<IMETHODCALL NAME="{name}">{namespace}{given}</IMETHODCALL>')


def method(name: str, target: str, **parameters: str) -> str:
    """A method call; the target is an INSTANCENAME or CLASSNAME, the parameters are XML."""
    given = "".join(
        f'<PARAMVALUE NAME="{key}">{value}</PARAMVALUE>' for key, value in parameters.items()
    )
    place = "LOCALCLASSPATH" if target.startswith("<CLASSNAME") else "LOCALINSTANCEPATH"
    path = f"<{place}>{NAMESPACE_PATH}{target}</{place}>"
    return message(f'<METHODCALL NAME="{name}">{path}{given}</METHODCALL>')


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.accepting.set()


@contextmanager
def served(
    server: CimServer | ASGIApp, *, user: str = "", password: str = "", **options: Any
) -> Iterator[Served]:
    """Serve until the block ends; further options are uvicorn's."""
    # asyncio sends without delay only on sockets that know their protocol.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    running = _Server(
        uvicorn.Config(
            server, lifespan="on", log_config=None, timeout_graceful_shutdown=3, **options
        )
    )
    thread = threading.Thread(target=running.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    try:
        assert running.accepting.wait(DEADLINE_S)
        yield Served(port=sock.getsockname()[1], user=user, password=password)
    finally:
        running.should_exit = True
        thread.join(DEADLINE_S)
        sock.close()
        assert not thread.is_alive()
