"""The server side against clients that are wrong, careless or hostile, over real sockets."""

from __future__ import annotations

import asyncio
import http.client
import logging
import socket
import threading
import xmlrpc.client
from collections.abc import Iterator

import pytest

from tests.wire.serving import DEADLINE_S, exchange, serving
from virtcim.daemon.incidents import incident
from virtcim.wire import (
    ClientInfo,
    Limits,
    RemoteFault,
    XmlRpcApplication,
    encode_call,
)

MAX_BYTES = 100_000


class _Service:
    def __init__(self) -> None:
        self.calls: list[tuple[str, list[object]]] = []
        self.gone = threading.Event()
        self.waiting = threading.Event()

    async def dispatch(self, method: str, params: list[object], client: ClientInfo) -> object:
        self.calls.append((method, params))
        match method:
            case "refuse":
                raise RemoteFault(7, "refused: \x07")
            case "break":
                raise KeyError("the secret inside")
            case "unencodable":
                return object()
            case "wait":
                self.waiting.set()
                await asyncio.wait_for(client.disconnected.wait(), DEADLINE_S)
                self.gone.set()
        return params


@pytest.fixture
def service() -> _Service:
    return _Service()


@pytest.fixture
def port(service: _Service) -> Iterator[int]:
    app = XmlRpcApplication(service.dispatch, limits=Limits(max_bytes=MAX_BYTES), incident=incident)
    with serving(app) as port:
        yield port


def _post(
    port: int, body: bytes, *, path: str = "/", method: str = "POST", **headers: str
) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    try:
        sent = {"Content-Type": "text/xml"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        connection.request(method, path, body, sent)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/", "/RPC2"])
def test_the_standard_librarys_client_is_served(port: int, path: str) -> None:
    with xmlrpc.client.ServerProxy(f"http://127.0.0.1:{port}{path}", allow_none=True) as proxy:
        assert proxy.echo(1, "\u20ac", None, {"a": [True, 1.5]}) == [
            *(1, "\u20ac", None, {"a": [True, 1.5]}),
        ]


def test_a_refusal_is_a_fault(port: int) -> None:
    with (
        xmlrpc.client.ServerProxy(f"http://127.0.0.1:{port}") as proxy,
        pytest.raises(xmlrpc.client.Fault) as raised,
    ):
        proxy.refuse()
    assert (raised.value.faultCode, raised.value.faultString) == (7, "refused: \ufffd")


@pytest.mark.parametrize("method", ["break", "unencodable"])
def test_an_unexpected_error_shows_only_an_incident_that_the_log_explains(
    port: int, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    with caplog.at_level(logging.ERROR):
        status, text = _post(port, encode_call(method, []))
    assert status == 200
    assert f"the call {method} failed unexpectedly; the log has more under incident " in text
    assert "secret" not in text
    assert "Traceback" not in text
    number = text.partition("incident ")[2][:8]
    assert f"incident {number}: the call {method} failed unexpectedly" in caplog.text
    assert "Traceback" in caplog.text


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"method": "GET"}, 405, "only POST"),
        ({"method": "PUT"}, 405, "only POST"),
        ({"path": "/other"}, 404, "not found"),
        ({"path": "/../etc/passwd"}, 404, "not found"),
        ({"Content_Type": "application/json"}, 415, "text/xml"),
        ({"Content_Encoding": "gzip"}, 415, "compressed"),
    ],
)
def test_what_is_no_xml_rpc_post_gets_its_http_status(
    port: int, service: _Service, change: dict[str, str], status: int, said: str
) -> None:
    got, text = _post(port, encode_call("echo", []), **change)
    assert (got, text.count("\n")) == (status, 1)
    assert said in text
    assert not service.calls


def test_a_content_type_with_charset_or_none_is_accepted(port: int) -> None:
    assert _post(port, encode_call("a", []), Content_Type="Text/XML; charset=utf-8")[0] == 200
    body = encode_call("a", [])
    head = f"POST / HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n"
    assert b" 200 " in exchange(port, head.encode() + body)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b"{}", "not XML"),
        (b"<methodCall>", "ends before"),
        (encode_call("a", ["x"])[:60], "ends before"),
        (b"<methodResponse/>", "expected <methodCall>"),
        (b"<methodCall><methodName>a</methodName><oops/></methodCall>", "<oops>"),
        (b"<methodCall>\xc3\x28</methodCall>", "not UTF-8"),
        ("<methodCall/>".encode("utf-16"), "not UTF-8"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><methodCall/>', "declarations are refused"),
        (b"<a>" * 10_000, "expected <methodCall>"),
    ],
)
def test_malformed_xml_rpc_is_a_bad_request_with_one_line(
    port: int, service: _Service, body: bytes, said: str
) -> None:
    status, text = _post(port, body)
    assert status == 400
    assert text.startswith("malformed XML-RPC: ")
    assert said in text
    assert text.count("\n") == 1
    assert not service.calls


def test_a_deeply_nested_call_is_too_large(port: int) -> None:
    body = b"<methodCall><methodName>a</methodName><params><param>"
    status, text = _post(port, body + b"<value><array><data>" * 1000)
    assert (status, text) == (413, "elements nested deeper than 200\n")


def test_a_chunked_body_is_limited_while_it_is_read(port: int, service: _Service) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    start = b"<methodCall><methodName>a</methodName><params><param><value>"
    chunks = b"%x\r\n%s\r\n" % (len(start), start) + b"2710\r\n%s\r\n" % (b"x" * 10_000) * 1000
    received = exchange(port, head + chunks)
    assert not received or b" 413 " in received.splitlines()[0]
    assert not service.calls


@pytest.mark.parametrize("noise", [b"\x16\x03\x01\x02\x00\x01\x00", b"\x00" * 100 + b"\r\n\r\n"])
def test_what_is_no_http_is_answered_or_closed_and_the_next_client_is_served(
    port: int, noise: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as conn:
        conn.sendall(noise)
        conn.shutdown(socket.SHUT_WR)
        while conn.recv(65536):
            pass
    assert _post(port, encode_call("a", []))[0] == 200


def test_a_waiting_call_learns_that_its_client_went_away(port: int, service: _Service) -> None:
    body = encode_call("wait", [])
    head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as conn:
        conn.sendall(head.encode() + body)
        assert service.waiting.wait(DEADLINE_S)
    assert service.gone.wait(DEADLINE_S)


def test_a_call_that_does_not_end_is_cut_off_when_the_server_stops(
    caplog: pytest.LogCaptureFixture,
) -> None:
    began = threading.Event()
    answers: list[tuple[int, str]] = []

    async def dispatch(method: str, params: list[object], client: ClientInfo) -> object:
        began.set()
        await asyncio.sleep(DEADLINE_S)
        return ""

    with serving(XmlRpcApplication(dispatch)) as port:
        thread = threading.Thread(
            target=lambda: answers.append(_post(port, encode_call("stuck", [])))
        )
        thread.start()
        assert began.wait(DEADLINE_S)
    thread.join(DEADLINE_S)
    assert answers == [(500, "the server stopped before the call ended\n")]
    assert "the call stuck was cut off" in caplog.text
    assert "Traceback" not in caplog.text


def test_the_client_is_described_to_the_service() -> None:
    seen: list[ClientInfo] = []

    async def dispatch(method: str, params: list[object], client: ClientInfo) -> object:
        seen.append(client)
        return ""

    with serving(XmlRpcApplication(dispatch)) as port:
        _post(port, encode_call("a", []))
    assert [(client.address, client.is_unix, client.is_tls) for client in seen] == [
        ("127.0.0.1", False, False)
    ]
