"""What the client knows when something goes wrong on the way."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.wire.serving import (
    DEADLINE_S,
    answer,
    http_answer,
    read_message,
    read_request,
    scripted,
    serving,
)
from virtcim.errormap import ErrorCode, Fault, HypervisorError, translate
from virtcim.wire import (
    ClientInfo,
    EndpointUrl,
    Limits,
    RemoteFault,
    TlsOptions,
    Transport,
    XmlRpcApplication,
    encode_fault,
    encode_response,
    parse_endpoint_url,
)
from virtcim.wire.unix_backend import NetworkBackend

LOST = ErrorCode.ERR_COMMUNICATION_NOT_ESTABLISHED
UNVERIFIED = ErrorCode.ERR_UNABLE_TO_VERIFY_STATE


def _url(port: int) -> EndpointUrl:
    return parse_endpoint_url(f"xapi+http://127.0.0.1:{port}")


@contextmanager
def _transport(port: int, **options: object) -> Iterator[Transport]:
    transport = Transport(_url(port), **options)
    try:
        yield transport
    finally:
        transport.close()


def _fault_of(transport: Transport, method: str = "VM.get_all_records") -> Fault:
    with pytest.raises(HypervisorError) as raised:
        transport.call(method, [])
    return raised.value.fault


async def _echo(method: str, params: list[object], client: ClientInfo) -> object:
    return [method, params, client.is_unix, client.is_tls]


def test_a_call_over_tcp_is_answered() -> None:
    with serving(XmlRpcApplication(_echo)) as port, _transport(port) as transport:
        assert transport.call("a.b", ["x", {"y": 1}]) == ["a.b", ["x", {"y": 1}], False, False]


def test_a_call_over_a_unix_socket_is_answered(tmp_path: Path) -> None:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(tmp_path / "s"))
    sock.listen()
    transport = Transport(parse_endpoint_url(f"xapi+unix://{tmp_path}/s"))
    with serving(XmlRpcApplication(_echo), sock):
        assert transport.call("a.b", []) == ["a.b", [], True, False]
        transport.close()


def test_connections_are_kept() -> None:
    clients: list[int] = []

    async def remember(method: str, params: list[object], client: ClientInfo) -> object:
        return ""

    app = XmlRpcApplication(remember)

    async def counting(scope: dict[str, object], receive: object, send: object) -> None:
        clients.append(scope["client"][1])
        await app(scope, receive, send)

    with serving(counting) as port, _transport(port) as transport:
        for _ in range(5):
            transport.call("a.b", [])
    assert len(clients) == 5
    assert len(set(clients)) == 1


def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serving(XmlRpcApplication(_echo)) as port, _transport(port) as transport:
        assert transport.call("a.b", [])[0] == "a.b"


def test_many_threads_share_one_transport() -> None:
    results: list[object] = []

    def work(transport: Transport, number: int) -> None:
        results.extend(transport.call("a.b", [number])[1] for _ in range(10))

    with serving(XmlRpcApplication(_echo)) as port, _transport(port) as transport:
        threads = [threading.Thread(target=work, args=(transport, n)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE_S)
    assert sorted(results) == sorted([[n] for n in range(8)] * 10)


def test_a_fault_of_the_server_is_no_transport_failure() -> None:
    with (
        scripted(answer(encode_fault(3, "nope"))) as port,
        _transport(port) as transport,
        pytest.raises(RemoteFault) as raised,
    ):
        transport.call("xend.domain.pause", ["nope"])
    assert (raised.value.code, raised.value.string) == (3, "nope")


def test_a_closed_port_is_a_refused_connection() -> None:
    # Bound, and so nobody else's, but not listening.
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with _transport(port) as transport:
            fault = _fault_of(transport, "VM.start")
    assert fault.code == "ECONNREFUSED"
    assert fault.arguments[0] == "connect"
    assert fault.text.startswith(f"xapi+http://127.0.0.1:{port}: ")
    assert not fault.sent
    assert translate(fault).code is LOST


def test_a_missing_unix_socket_says_so(tmp_path: Path) -> None:
    transport = Transport(parse_endpoint_url(f"xapi+unix://{tmp_path}/none"))
    fault = _fault_of(transport, "VM.start")
    transport.close()
    assert (fault.code, fault.arguments[0], fault.sent) == ("ENOENT", "connect", False)
    assert f"{tmp_path}/none" in fault.text


def test_a_connection_that_is_made_while_all_are_closed_is_closed_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Late(NetworkBackend):
        """Connects when everything has been closed already."""

        def connect_tcp(self, *arguments: Any, **options: Any) -> Any:
            transport.close()
            return super().connect_tcp(*arguments, **options)

    ended: list[bytes] = []

    def see_the_end(conn: socket.socket) -> None:
        conn.settimeout(DEADLINE_S)
        ended.append(conn.recv(1))

    monkeypatch.setattr("virtcim.wire.transport.NetworkBackend", Late)
    with scripted(see_the_end) as port:
        transport = Transport(parse_endpoint_url(f"xapi+http://127.0.0.1:{port}"))
        fault = _fault_of(transport, "VM.start")
    assert (fault.arguments[0], fault.sent) == ("connect", False)
    assert "the connection was closed by us" in fault.text
    assert ended == [b""]


def test_an_unresolvable_name_is_an_unknown_host() -> None:
    transport = Transport(parse_endpoint_url("xapi+http://does-not-exist.invalid"))
    fault = _fault_of(transport)
    transport.close()
    assert fault.arguments[:2] == ("connect", "gaierror")
    assert translate(fault).code is ErrorCode.ERR_HOST_NOT_FOUND


def test_a_server_that_accepts_nothing_times_out() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        # Fill the queue of pending connections; further ones are not answered.
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        with _transport(port, connect_timeout_s=0.3) as transport:
            fault = _fault_of(transport, "VM.start")
        for sock in waiting:
            sock.close()
    assert (fault.arguments[:2], fault.sent) == (("connect", "TimeoutError"), False)
    assert translate(fault).code is LOST


@pytest.mark.parametrize(("method", "code"), [("VM.start", UNVERIFIED), ("VM.get_record", LOST)])
def test_a_silent_server_times_out_after_sending(method: str, code: ErrorCode) -> None:
    released = threading.Event()

    def hang(conn: socket.socket) -> None:
        read_request(conn)
        released.wait(DEADLINE_S)

    with scripted(hang) as port, _transport(port, read_timeout_s=0.3) as transport:
        fault = _fault_of(transport, method)
        released.set()
    assert fault.arguments[:2] == ("after_send", "TimeoutError")
    assert translate(fault).code is code


@pytest.mark.parametrize(("method", "code"), [("VM.start", UNVERIFIED), ("VM.get_record", LOST)])
def test_a_connection_closed_without_reply_is_known_to_be_after_sending(
    method: str, code: ErrorCode
) -> None:
    with scripted(read_request) as port, _transport(port) as transport:
        fault = _fault_of(transport, method)
    assert fault.arguments[0] == "after_send"
    assert translate(fault).code is code


def test_a_reset_after_sending_has_its_errno() -> None:
    def reset(conn: socket.socket) -> None:
        read_request(conn)
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with scripted(reset) as port, _transport(port) as transport:
        fault = _fault_of(transport, "VM.start")
    assert (fault.code, fault.arguments[0], fault.sent) == ("ECONNRESET", "after_send", True)


def test_a_reply_cut_short_is_known_to_be_after_sending() -> None:
    def cut(conn: socket.socket) -> None:
        read_request(conn)
        conn.sendall(http_answer(encode_response("x" * 1000))[:500])

    with scripted(cut) as port, _transport(port) as transport:
        fault = _fault_of(transport, "VM.destroy")
    assert fault.arguments[0] == "after_send"
    assert translate(fault).code is UNVERIFIED


@pytest.mark.parametrize(
    ("body", "exception"),
    [
        (b"", "TruncatedMessage"),
        (b"<methodResponse><params>", "TruncatedMessage"),
        (b"hello", "NotXml"),
        (b"<html><body>It works!</body></html>", "NotXmlRpc"),
        (encode_response("x" * 5000), "MessageTooLarge"),
    ],
)
def test_an_answer_that_is_no_xml_rpc_is_recognised(body: bytes, exception: str) -> None:
    with (
        scripted(answer(body)) as port,
        _transport(port, limits=Limits(max_bytes=3000)) as transport,
    ):
        fault = _fault_of(transport)
    assert fault.arguments[1] == exception
    assert fault.arguments[3] == "200"


def test_an_endless_answer_is_not_read_to_its_end() -> None:
    left = threading.Event()

    def flood(conn: socket.socket) -> None:
        read_request(conn)
        conn.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        start = b"<methodResponse><params><param><value>"
        conn.sendall(b"%x\r\n%s\r\n" % (len(start), start))
        try:
            while True:
                conn.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        except ConnectionError:
            left.set()

    with (
        scripted(flood) as port,
        _transport(port, limits=Limits(max_bytes=2**20)) as transport,
    ):
        assert _fault_of(transport).arguments[1] == "MessageTooLarge"
        assert left.wait(DEADLINE_S)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("401 Unauthorized", ErrorCode.ERR_UNACCEPTED_CREDENTIALS),
        ("403 Forbidden", ErrorCode.ERR_ACCESS_DENIED),
        ("404 Not Found", None),
        ("302 Found", None),
        ("500 Internal Server Error", None),
        ("503 Service Unavailable", None),
    ],
)
def test_an_http_error_keeps_status_and_page(status: str, code: ErrorCode | None) -> None:
    page = answer(b"<html>front end</html>", status=status, kind="text/html")
    with scripted(page) as port, _transport(port) as transport:
        fault = _fault_of(transport)
    assert fault.code == f"HTTP_{status[:3]}"
    assert fault.arguments[3:] == (status[:3], status[4:], "text/html")
    assert "front end" in fault.text
    if code is not None:
        assert translate(fault).code is code


def test_a_compressed_answer_is_refused() -> None:
    def compressed(conn: socket.socket) -> None:
        head, _ = read_message(conn)
        assert b"accept-encoding: identity" in head
        conn.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b"
        )

    with scripted(compressed) as port, _transport(port) as transport:
        assert _fault_of(transport).arguments[0] == "after_send"


def test_a_value_that_cannot_be_sent_fails_before_sending() -> None:
    with _transport(9) as transport, pytest.raises(HypervisorError) as raised:
        transport.call("VM.create", [{"memory": 2**40}])
    fault = raised.value.fault
    assert (fault.arguments[0], fault.sent) == ("before_send", False)
    assert "params[0].memory" in fault.text
    assert translate(fault).code is ErrorCode.ERR_BAD_PARAMETER


def test_a_new_connection_that_is_lost_is_not_tried_again() -> None:
    with scripted(read_request) as port, _transport(port) as transport:
        assert _fault_of(transport, "VM.get_record").arguments[0] == "after_send"


class _Stale:
    """A server that closes a kept connection exactly when the second request comes."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []

    def first(self, conn: socket.socket) -> None:
        self.requests.append(read_request(conn))
        conn.sendall(http_answer(encode_response("first")))
        self.requests.append(read_request(conn))

    def second(self, conn: socket.socket) -> None:
        self.requests.append(read_request(conn))
        conn.sendall(http_answer(encode_response("second")))


def test_a_read_is_repeated_when_a_kept_connection_turns_out_closed() -> None:
    server = _Stale()
    with scripted(server.first, server.second) as port, _transport(port) as transport:
        assert transport.call("VM.get_record", []) == "first"
        assert transport.call("VM.get_record", []) == "second"
    assert len(server.requests) == 3


def test_a_state_change_is_never_repeated() -> None:
    server = _Stale()
    with scripted(server.first) as port, _transport(port) as transport:
        transport.call("VM.get_record", [])
        # A second connection would be one that the server does not expect.
        fault = _fault_of(transport, "VM.start")
    assert len(server.requests) == 2
    assert fault.sent
    assert translate(fault).code is UNVERIFIED


def test_a_state_change_is_sent_anew_over_a_connection_that_was_closed_before() -> None:
    def once(conn: socket.socket) -> None:
        read_request(conn)
        conn.sendall(http_answer(encode_response("")))

    with scripted(once, once) as port, _transport(port) as transport:
        transport.call("VM.get_record", [])
        # The first connection is closed by now or will be: httpcore looks before it sends.
        deadline = time.monotonic() + DEADLINE_S
        while not _is_closed(transport) and time.monotonic() < deadline:
            threading.Event().wait(0.005)
        assert transport.call("VM.start", []) == ""


def _is_closed(transport: Transport) -> bool:
    sockets = list(transport._sockets)
    try:
        return all(sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"" for sock in sockets)
    except BlockingIOError:
        return False
    except OSError:  # our side has seen it already
        return True


def test_closing_ends_calls_that_wait() -> None:
    received = threading.Event()

    def hang(conn: socket.socket) -> None:
        read_request(conn)
        received.set()
        assert conn.recv(1) == b""

    with scripted(hang) as port:
        transport = Transport(_url(port))
        faults: list[Fault] = []
        thread = threading.Thread(target=lambda: faults.append(_fault_of(transport)))
        thread.start()
        assert received.wait(DEADLINE_S)
        transport.close()
        thread.join(DEADLINE_S)
        assert not thread.is_alive()
        assert len(faults) == 1
        assert _fault_of(transport).arguments[0] == "connect"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", directory / "key.pem", "-out", directory / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )
    return directory


@contextmanager
def _tls_server(certificate: Path) -> Iterator[int]:
    files = {
        "ssl_certfile": str(certificate / "cert.pem"),
        "ssl_keyfile": str(certificate / "key.pem"),
    }
    with serving(XmlRpcApplication(_echo), **files) as port:
        yield port


def test_a_trusted_certificate_is_accepted(certificate: Path) -> None:
    with _tls_server(certificate) as port:
        url = parse_endpoint_url(f"xapi+https://localhost:{port}")
        transport = Transport(url, tls=TlsOptions(ca_file=str(certificate / "cert.pem")))
        assert transport.call("a.b", []) == ["a.b", [], False, True]
        transport.close()


@pytest.mark.parametrize(
    ("host", "options"),
    [
        ("localhost", TlsOptions()),
        ("127.0.0.1", TlsOptions(ca_file="cert.pem")),
    ],
)
def test_an_untrusted_or_foreign_certificate_is_refused_before_sending(
    certificate: Path, host: str, options: TlsOptions
) -> None:
    ca_file = str(certificate / options.ca_file) if options.ca_file else ""
    with _tls_server(certificate) as port:
        url = parse_endpoint_url(f"xapi+https://{host}:{port}")
        transport = Transport(url, tls=TlsOptions(ca_file=ca_file))
        fault = _fault_of(transport, "VM.start")
        transport.close()
    assert fault.arguments[:2] == ("tls", "SSLCertVerificationError")
    assert not fault.sent
    assert translate(fault).code is LOST


def test_a_pinned_certificate_may_be_used_without_a_matching_name(certificate: Path) -> None:
    options = TlsOptions(ca_file=str(certificate / "cert.pem"), check_hostname=False)
    with _tls_server(certificate) as port:
        transport = Transport(parse_endpoint_url(f"xapi+https://127.0.0.1:{port}"), tls=options)
        assert transport.call("a.b", [])[0] == "a.b"
        transport.close()


def test_plain_http_to_a_tls_port_and_the_reverse_are_failures(certificate: Path) -> None:
    with _tls_server(certificate) as port, _transport(port) as transport:
        assert translate(_fault_of(transport)).code is LOST
    with serving(XmlRpcApplication(_echo)) as port:
        transport = Transport(parse_endpoint_url(f"xapi+https://127.0.0.1:{port}"))
        fault = _fault_of(transport)
        transport.close()
    assert fault.arguments[0] == "tls"


@pytest.mark.parametrize("name", ["ca.pem", "missing.pem"])
def test_an_unusable_authority_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(ValueError, match=name):
        TlsOptions(ca_file=str(tmp_path / name)).context()
