"""docs/malformed-requests.md says how wrong requests are answered, and so they are."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.cimserver.serving import Served, intrinsic, message, served
from tests.providers.simulated_endpoint import SimulatedEndpoint
from virtcim.cim.records import StatusCode
from virtcim.cimserver import CimServer, Limits
from virtcim.daemon.asgi import Receive, Scope, Send
from virtcim.daemon.exchanges import guarded
from virtcim.daemon.http_connection import HttpConnection
from virtcim.daemon.incidents import incident
from virtcim.mof import Schema
from virtcim.providers import Providers

_PAGE = Path(__file__).parents[2] / "docs" / "malformed-requests.md"
_LOGIN = "Basic " + base64.b64encode(b"ann:right").decode()
_USUAL = {
    "Host": "x",
    "Authorization": _LOGIN,
    "Content-Type": 'application/xml; charset="utf-8"',
    "CIMOperation": "MethodCall",
    "CIMProtocolVersion": "1.0",
    "CIMMethod": "EnumerateClassNames",
    "CIMObject": "root/virt",
}
_MESSAGE = intrinsic("EnumerateClassNames").encode()
_CHUNKED = {"Transfer-Encoding": "chunked"}


@dataclass(frozen=True, kw_only=True)
class _Request:
    """A request that is right but for what is said here; without ``length`` it states none."""

    method: str = "POST"
    version: str = "1.1"
    body: bytes = _MESSAGE
    headers: Mapping[str, str | None] | None = None
    twice: str = ""
    has_length: bool = True

    @property
    def octets(self) -> bytes:
        sent = {**_USUAL, **(self.headers or {})}
        if self.has_length:
            sent.setdefault("Content-Length", str(len(self.body)))
        lines = [f"{name}: {value}" for name, value in sent.items() if value is not None]
        if self.twice:
            lines.append(self.twice)
        head = "\r\n".join((f"{self.method} /cimom HTTP/{self.version}", *lines, "", ""))
        return head.encode() + self.body


def _with(length: bool = True, body: bytes = _MESSAGE, **headers: str | None) -> _Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return _Request(headers=named, has_length=length, body=body)


def _saying(body: bytes | str, **headers: str | None) -> _Request:
    return _with(body=body if isinstance(body, bytes) else body.encode(), **headers)


_REQUESTS = {
    "a method that HTTP does not know": _Request(method="BREW"),
    "GET": _Request(method="GET"),
    "PUT": _Request(method="PUT"),
    "OPTIONS": _Request(method="OPTIONS"),
    "M-POST without Man": _Request(method="M-POST"),
    "HTTP/1.1 without Host": _with(Host=None),
    "neither Content-Length nor Transfer-Encoding": _with(length=False),
    "two different Content-Length": _Request(twice="Content-Length: 4"),
    "Content-Length that is no number": _with(Content_Length="0x4"),
    "Content-Length with a minus": _with(Content_Length="-4"),
    "Content-Length and Transfer-Encoding: chunked": _with(**_CHUNKED),
    "Transfer-Encoding: gzip": _with(length=False, Transfer_Encoding="gzip"),
    "a chunk whose size is no number": _with(length=False, body=b"x\r\n\r\n", **_CHUNKED),
    "a chunk that is longer than it says": _with(
        length=False, body=b"1\r\nxyz\r\n0\r\n\r\n", **_CHUNKED
    ),
    "a head of more than 64 kB": _with(X_Odd=66_000 * "x"),
    "a message that is too large": _with(Content_Length="99999999"),
    "no Authorization": _with(Authorization=None),
    "Authorization that is no base64": _with(Authorization="Basic !!!"),
    "Authorization without a colon": _with(Authorization="Basic YW5u"),
    "Authorization of another scheme": _with(Authorization="Bearer x"),
    "no CIMOperation": _with(CIMOperation=None),
    "CIMOperation with another value": _with(CIMOperation="Nonsense"),
    "CIMBatch": _with(CIMBatch=""),
    "CIMProtocolVersion 2.0, and 1.0 in the message": _with(CIMProtocolVersion="2.0"),
    "version 2.0 of the protocol in both": _saying(
        _MESSAGE.replace(b'PROTOCOLVERSION="1.0"', b'PROTOCOLVERSION="2.0"'),
        CIMProtocolVersion="2.0",
    ),
    "CIMMethod that names another operation": _with(CIMMethod="GetClass"),
    "CIMObject that names another namespace": _with(CIMObject="root/interop"),
    "Content-Type of another format": _with(Content_Type="application/json"),
    "no Content-Type": _with(Content_Type=None),
    "another charset": _with(Content_Type="application/xml; charset=utf-16"),
    "Content-Encoding: gzip": _with(Content_Encoding="gzip"),
    "no message": _saying(b""),
    "no XML": _saying("no xml"),
    "XML that is cut off": _saying(_MESSAGE[:-20]),
    "octets that are not UTF-8": _saying(_MESSAGE.replace(b"root", b"\xff\xfe")),
    "a document type declaration": _saying('<!DOCTYPE CIM SYSTEM "file:///etc/passwd"><CIM/>'),
    "XML of something else": _saying("<html/>"),
    "too many elements": _saying(message("<A/>" * 1200)),
    "CIMVERSION 3.0": _saying(_MESSAGE.replace(b'CIMVERSION="2.0"', b'CIMVERSION="3.0"')),
    "DTDVERSION 1.0": _saying(_MESSAGE.replace(b'DTDVERSION="2.0"', b'DTDVERSION="1.0"')),
    "MULTIREQ without CIMBatch": _saying(message("<SIMPLEREQ/><SIMPLEREQ/>", request="MULTIREQ")),
    "an operation that there is not": _saying(intrinsic("Nonsense"), CIMMethod="Nonsense"),
}


@cache
def _documented() -> dict[str, str]:
    """What the page says of us, by the request."""
    rows = [
        line.strip("|").split("|") for line in _PAGE.read_text().splitlines() if line[:2] == "| "
    ]
    return {row[0].strip(): row[-1].strip() for row in rows if len(row) == 5}


@pytest.fixture(scope="module")
def running(schema: Schema) -> Iterator[Served]:
    providers = Providers([SimulatedEndpoint(0)], schema, incident=incident)
    server = CimServer(
        providers,
        schema,
        authenticate=lambda user, password: (user, password) == ("ann", "right"),
        limits=Limits(request_elements=1000),
    )
    exchange = guarded(server)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await (exchange if scope["type"] == "http" else server)(scope, receive, send)

    try:
        with served(serve, http=HttpConnection) as running:
            yield running
    finally:
        providers.close()


def _answered(running: Served, request: _Request) -> str:
    """The status, CIMError and CIM status of the answer, as the page writes them."""
    with running.connect() as sock:
        sock.sendall(request.octets)
        received = b""
        while b"\r\n\r\n" not in received or _is_incomplete(received):
            part = sock.recv(65536)
            if not part:
                break
            received += part
    head, _, body = received.decode("latin-1").partition("\r\n\r\n")
    status = head.split(" ", 2)[1]
    told = re.findall(r"(?im)^CIMError: (\S+)", head)
    told += [_NAMES[int(code)] for code in re.findall(r'<ERROR CODE="(\d+)"', body)]
    return " ".join((status, *(f"`{one}`" for one in told)))


_NAMES = {
    code: f"CIM_ERR_{name}" for name, code in vars(StatusCode).items() if isinstance(code, int)
}


def _is_incomplete(received: bytes) -> bool:
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    return length is None or len(body) < int(length[1])


def test_the_page_has_each_request_once() -> None:
    assert _documented().keys() == {"request", *_REQUESTS}


@pytest.mark.parametrize("name", _REQUESTS)
def test_a_wrong_request_is_answered_as_the_page_says(running: Served, name: str) -> None:
    assert _answered(running, _REQUESTS[name]) == _documented()[name]


def test_the_right_request_is_answered(running: Served) -> None:
    assert _answered(running, _Request()) == "200"


def test_a_head_that_is_too_long_is_told_so_also_where_it_comes_in_pieces(running: Served) -> None:
    with running.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nX: " + 70_000 * b"x")
        assert sock.recv(65536).startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
