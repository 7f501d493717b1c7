"""Whatever is thrown at the daemons, they answer in kind and serve the next client."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.system.stack import Stack, running_stack, xenapi_session

_TIMEOUT_S = 120.0
_MIB = 1 << 20

_CIM_HEADERS = (
    b"CIMOperation: MethodCall\r\nCIMMethod: EnumerateInstances\r\nCIMObject: root/virt\r\n"
)
_XML = b'<?xml version="1.0" encoding="utf-8"?>'
_BOMB = (
    b'<!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(
        b'<!ENTITY %c "%s">' % (98 + level, b"&%c;" % (97 + level) * 10) for level in range(9)
    )
    + b"]>"
)
_EXTERNAL = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>'


def _cim_call(parameters: bytes = b"", *, method: bytes = b"EnumerateInstances") -> bytes:
    return (
        b'<CIM CIMVERSION="2.0" DTDVERSION="2.0"><MESSAGE ID="1" PROTOCOLVERSION="1.0">'
        b'<SIMPLEREQ><IMETHODCALL NAME="' + method + b'"><LOCALNAMESPACEPATH>'
        b'<NAMESPACE NAME="root"/><NAMESPACE NAME="virt"/></LOCALNAMESPACEPATH>'
        + parameters
        + b"</IMETHODCALL></SIMPLEREQ></MESSAGE></CIM>"
    )


def _class_parameter(name: bytes) -> bytes:
    return b'<IPARAMVALUE NAME="ClassName"><CLASSNAME NAME="' + name + b'"/></IPARAMVALUE>'


def _xml_rpc_call(method: bytes = b"VM.get_all", parameters: bytes = b"") -> bytes:
    return (
        b"<methodCall><methodName>"
        + method
        + b"</methodName><params>"
        + parameters
        + b"</params></methodCall>"
    )


_GOOD_CIM = _XML + _cim_call(_class_parameter(b"VirtCIM_ComputerSystem"))
_DEPTH = 100_000

#: Bodies by what is wrong with them: for the CIM server and for the toolstack.
_BODIES: dict[str, tuple[bytes, bytes]] = {
    "empty": (b"", b""),
    "not XML": (b"\x00\x01\x02 what?", b"\x00\x01\x02 what?"),
    "truncated": (_GOOD_CIM[:-40], _xml_rpc_call()[:-20]),
    "not UTF-8": (
        _XML + _cim_call(_class_parameter(b"\xff\xfe\xfd")),
        _xml_rpc_call(b"\xff\xfe\xfd"),
    ),
    "entity bomb": (
        _XML + _BOMB + _cim_call(_class_parameter(b"&j;")),
        _XML + _BOMB + _xml_rpc_call(b"&j;"),
    ),
    "external entity": (
        _XML + _EXTERNAL + _cim_call(_class_parameter(b"&a;")),
        _XML + _EXTERNAL + _xml_rpc_call(b"&a;"),
    ),
    "deeply nested": (
        _XML + b"<CIM>" * _DEPTH + b"</CIM>" * _DEPTH,
        b"<methodCall><methodName>VM.get_all</methodName><params><param>"
        + b"<value><array><data>" * _DEPTH
        + b"</data></array></value>" * _DEPTH
        + b"</param></params></methodCall>",
    ),
    "another document": (b"<html/>", b"<html/>"),
    "wrong types": (
        _XML
        + _cim_call(
            b'<IPARAMVALUE NAME="ClassName"><VALUE.ARRAY><VALUE>7</VALUE></VALUE.ARRAY>'
            b"</IPARAMVALUE>"
        ),
        _xml_rpc_call(
            b"VM.get_all",
            b"<param><value><struct><member><name>a</name>"
            b"<value><int>1</int></value></member></struct></value></param>",
        ),
    ),
    "unknown method": (
        _XML + _cim_call(method=b"MakeCoffee"),
        _xml_rpc_call(b"VM.make_coffee"),
    ),
    "huge": (
        _XML + _cim_call(_class_parameter(b"x" * (80 * _MIB))),
        _xml_rpc_call(b"x" * (80 * _MIB)),
    ),
    "number too large": (
        _XML + _cim_call(_class_parameter(b"1" * 5000)),
        _xml_rpc_call(
            b"VM.get_all", b"<param><value><int>" + b"9" * 5000 + b"</int></value></param>"
        ),
    ),
}


@pytest.fixture(scope="module")
def victim(stack_directory: Path) -> Iterator[Stack]:
    """Daemons over the test driver, for this module alone."""
    with running_stack("test:///default", stack_directory) as running:
        yield running


Connect = Callable[[], socket.socket]


@pytest.fixture(params=["CIM server", "toolstack"])
def connect(request: pytest.FixtureRequest, victim: Stack) -> Connect:
    """Opens a connection to one of the daemons."""

    def to_server() -> socket.socket:
        url = urlsplit(victim.server.url)
        assert url.hostname is not None
        return socket.create_connection((url.hostname, url.port or 0), timeout=_TIMEOUT_S)

    def to_toolstack() -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_TIMEOUT_S)
        connection.connect(str(victim.toolstack_socket))
        return connection

    return to_server if request.param == "CIM server" else to_toolstack


@pytest.fixture(autouse=True)
def both_serve_on(victim: Stack) -> Iterator[None]:
    """After every test the same processes answer good requests."""
    pids = victim.server.pid, victim.toolstack.pid
    yield
    with victim.connect() as cim:
        assert [one["ElementName"] for one in cim.EnumerateInstances("VirtCIM_ComputerSystem")] == [
            "test"
        ]
    with xenapi_session(victim.toolstack_socket) as session:
        assert len(session.xenapi.VM.get_all()) == 1
    assert pids == (victim.server.pid, victim.toolstack.pid)


def post(connect: Connect, body: bytes, *, content_type: bytes = b"text/xml") -> tuple[int, bytes]:
    """Send a request as it comes, and read the answer: status and all the rest."""
    head = (
        b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: "
        + content_type
        + b"; charset=utf-8\r\n"
        + _CIM_HEADERS
        + b"Content-Length: %d\r\n\r\n" % len(body)
    )
    with connect() as connection:
        # It may have heard enough before the end; its answer may still be there to read.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(head + body)
        answer = read_all(connection)
    status, _, rest = answer.partition(b"\r\n")
    assert status.startswith(b"HTTP/1.1 "), answer[:200]
    return int(status.split()[1]), rest


def read_all(connection: socket.socket) -> bytes:
    answer = b""
    with suppress(ConnectionResetError):
        while chunk := connection.recv(1 << 16):
            answer += chunk
    return answer


@pytest.mark.parametrize("wrong", _BODIES)
def test_a_bad_body_gets_a_proper_answer_without_a_traceback(
    connect: Connect, request: pytest.FixtureRequest, wrong: str
) -> None:
    is_toolstack = request.node.callspec.params["connect"] == "toolstack"
    status, rest = post(connect, _BODIES[wrong][is_toolstack])
    assert status in (200, 400, 413), rest[:500]
    assert b"Traceback" not in rest
    if status == 200:
        refusal = (b"<fault>", b"ErrorDescription") if is_toolstack else (b"<ERROR CODE=",)
        assert any(mark in rest for mark in refusal), rest[:500]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\r\n\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"DELETE /cimom HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: minus one\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n",
        b"POST / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500,
        b"POST / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * (1 << 20) + b"\r\n\r\n",
    ],
    ids=[
        "blank lines",
        "get",
        "delete",
        "length no number",
        "chunks no number",
        "version",
        "TLS to a plain port",
        "huge header",
    ],
)
def test_what_is_no_proper_request_is_refused(connect: Connect, request_bytes: bytes) -> None:
    with connect() as connection:
        with suppress(OSError):  # It may have closed already.
            connection.sendall(request_bytes)
            connection.shutdown(socket.SHUT_WR)
        answer = read_all(connection)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))
    assert b"Traceback" not in answer


def test_clients_that_leave_in_the_middle_are_forgotten(connect: Connect) -> None:
    for sent in (b"POST", b"POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n<half", b""):
        with connect() as connection:
            connection.sendall(sent)


def test_many_idle_connections_do_not_keep_others_out(connect: Connect) -> None:
    connections = [connect() for _ in range(200)]
    try:
        status, _ = post(connect, b"<html/>")
        assert status in (200, 400)
    finally:
        for connection in connections:
            connection.close()
