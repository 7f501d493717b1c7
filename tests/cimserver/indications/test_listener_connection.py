"""Listeners that are slow, odd or hostile."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cimserver.indications.exported import ACCEPTED, refused
from tests.cimserver.indications.listening import RawListener, answer, listening
from tests.cimserver.indications.parties import written
from virtcim.cim.cimxml.exports import ANSWER_LIMITS, export_request
from virtcim.cimserver.indications.delivery.connection import (
    DeliveryError,
    ListenerConnection,
    Timeouts,
)
from virtcim.cimserver.indications.delivery.tls import ListenerTls

REQUEST = export_request(
    written("1"), message_id="1", filter_name="virtcim:f", context="c", number=1
)
PATIENT = Timeouts(connect_s=60.0, attempt_s=60.0)
# Whoever is waited for in vain is waited for as long as this.
HASTY = Timeouts(connect_s=0.3, attempt_s=0.3)


@pytest.fixture
def listener() -> Iterator[RawListener]:
    with listening() as listener:
        yield listener


def connected(
    url: str, timeouts: Timeouts = PATIENT, tls: ListenerTls | None = None
) -> ListenerConnection:
    return ListenerConnection(url, tls or ListenerTls(), timeouts)


def refusal(connection: ListenerConnection) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        connection.send(REQUEST)
    connection.close()
    return caught.value


def test_a_request_says_what_it_is_and_the_connection_is_kept(listener: RawListener) -> None:
    connection = connected(listener.url)
    connection.send(REQUEST)
    connection.send(REQUEST)
    connection.close()
    head = listener.heads[0].decode()
    assert head.startswith("POST /wbem HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{listener.port}\r\n" in head
    assert 'Content-Type: application/xml; charset="utf-8"\r\n' in head
    assert "CIMExport: MethodRequest\r\nCIMExportMethod: ExportIndication\r\n" in head
    assert "Authorization" not in head
    assert listener.texts == ["1", "1"]
    assert listener.connections == 1


def test_no_proxy_of_the_environment_is_asked(
    listener: RawListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    connection = connected(listener.url)
    connection.send(REQUEST)
    connection.close()
    assert listener.connections == 1


def test_a_listener_that_closes_each_connection_gets_the_next_by_another(
    listener: RawListener,
) -> None:
    listener.behave = lambda *_: answer(ACCEPTED, "200 OK", "Connection: close")
    connection = connected(listener.url)
    for _ in range(3):
        connection.send(REQUEST)
    connection.close()
    assert listener.connections == 3


def test_a_connection_that_was_closed_meanwhile_is_made_again_at_once(
    listener: RawListener,
) -> None:
    """It is closed when the next request has come, so that nobody could have known."""
    requests: list[bytes] = []

    def behave(_: socket.socket, request: bytes) -> bytes | None:
        requests.append(request)
        return None if len(requests) == 2 else answer()

    listener.behave = behave
    connection = connected(listener.url)
    connection.send(REQUEST)
    connection.send(REQUEST)
    connection.close()
    assert len(requests) == 3
    assert listener.connections == 2


@pytest.mark.parametrize(
    ("status_code", "is_refusal"),
    # Its queue may be full, or it stops; while it will never understand what it does not support.
    [(1, False), (2, False), (27, False), (28, False), (4, True), (7, True), (13, True)],
)
def test_the_error_of_a_listener_is_told(
    listener: RawListener, status_code: int, is_refusal: bool
) -> None:
    listener.behave = lambda *_: answer(refused(status_code, "the queue&#10;is full"))
    error = refusal(connected(listener.url))
    assert str(error) == f"the listener answers with CIM status {status_code}: the queue is full"
    assert error.is_refusal is is_refusal


@pytest.mark.parametrize(
    ("status", "is_refusal"),
    [
        ("400 Bad Request", True),
        ("401 Unauthorized", False),
        ("404 Not Found", False),
        ("413 Too Large", True),
        ("500 Error", False),
        ("503 Later", False),
        ("204 No Content", False),
    ],
)
def test_an_http_error_is_told(listener: RawListener, status: str, is_refusal: bool) -> None:
    listener.behave = lambda *_: answer(b"", status, "CIMError: request-not-valid")
    error = refusal(connected(listener.url))
    assert f"HTTP status {status[:3]} and CIMError request-not-valid" in str(error)
    assert error.is_refusal is is_refusal


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Elsewhere", "308 For Good"])
def test_redirections_are_not_followed(listener: RawListener, status: str) -> None:
    with listening() as elsewhere:
        listener.behave = lambda *_: answer(b"", status, f"Location: {elsewhere.url}")
        error = refusal(connected(listener.url))
        assert "redirections are not followed" in str(error)
        assert elsewhere.connections == 0


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (answer(b"OK"), "something else than an export response"),
        (answer(b""), "something else than an export response"),
        (answer(b"<html></html>"), "something else than an export response"),
        (answer(b"x" * (ANSWER_LIMITS.size_bytes + 1)), "more than 65536 bytes"),
        (answer(ACCEPTED, "200 OK", "Content-Encoding: gzip"), "a compressed message"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", ""),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, ""),
    ],
)
def test_what_is_no_answer_is_a_failure(listener: RawListener, reply: bytes, reason: str) -> None:
    listener.behave = lambda connection, _: connection.sendall(reply)  # type: ignore[return-value]
    error = refusal(connected(listener.url))
    assert reason in str(error)
    assert not error.is_refusal
    assert len(str(error)) < 400


def test_an_answer_without_end_is_given_up(listener: RawListener) -> None:
    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b" " * 65536)

    listener.behave = behave
    assert "more than 65536 bytes" in str(refusal(connected(listener.url)))


def test_a_listener_that_hangs_is_given_up(listener: RawListener) -> None:
    done = threading.Event()
    listener.behave = lambda *_: done.wait(60.0) and None
    error = refusal(connected(listener.url, HASTY))
    done.set()
    assert str(error) == "the listener has not answered within 0.3 s"


def test_a_listener_that_answers_a_byte_at_a_time_is_given_up(listener: RawListener) -> None:
    done = threading.Event()

    def behave(connection: socket.socket, _: bytes) -> None:
        for each in answer() * 1000:
            if done.wait(0.05):
                return
            connection.sendall(bytes([each]))

    listener.behave = behave
    error = refusal(connected(listener.url, HASTY))
    done.set()
    assert str(error) == "the listener has not answered within 0.3 s"


def test_a_listener_that_takes_no_byte_is_given_up() -> None:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        url = f"http://127.0.0.1:{sock.getsockname()[1]}/"
        connection = connected(url, HASTY)
        with pytest.raises(DeliveryError, match="within"):
            connection.send(REQUEST + b" " * 50_000_000)
        connection.close()


def test_a_listener_that_resets_the_connection_is_a_failure(listener: RawListener) -> None:
    def behave(connection: socket.socket, _: bytes) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    listener.behave = behave
    assert "reset" in str(refusal(connected(listener.url)))


def test_nobody_there_is_a_failure() -> None:
    with listening() as listener:
        url = listener.url
    error = refusal(connected(url))
    assert str(error) == "[Errno 111] Connection refused"
    assert not error.is_refusal


def test_waiting_for_a_listener_can_be_cut_short(listener: RawListener) -> None:
    done = threading.Event()
    listener.behave = lambda *_: done.wait(60.0) and None
    connection = connected(listener.url)
    cutter = threading.Thread(target=lambda: (listener.wait_for_requests(1), connection.abort()))
    cutter.start()
    refusal(connection)
    cutter.join()
    done.set()
    # Nor does it connect again.
    refusal(connection)
    assert len(listener.heads) == 1


@pytest.mark.parametrize("url", ["", "ftp://h/", "listener", "http://", "http://h:port/"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no URL"):
        connected(url)


class Authority:
    """A certificate for 127.0.0.1 that nobody trusts but its own file."""

    def __init__(self, directory: Path) -> None:
        self.certificate = directory / "cert.pem"
        key = directory / "key.pem"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"),
                *("ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=listener"),
                *("-addext", "subjectAltName=IP:127.0.0.1"),
                *("-keyout", key, "-out", self.certificate),
            ],
            check=True,
            capture_output=True,
        )
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificate, key)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def secure_listener(authority: Authority) -> Iterator[RawListener]:
    with listening(tls=authority.context) as listener:
        yield listener


def test_a_listener_is_verified_by_the_file_that_is_given(
    secure_listener: RawListener, authority: Authority
) -> None:
    tls = ListenerTls(ca_file=str(authority.certificate))
    connection = connected(secure_listener.url, tls=tls)
    connection.send(REQUEST)
    connection.send(REQUEST)
    connection.close()
    assert secure_listener.connections == 1


def test_authorities_are_read_anew(
    secure_listener: RawListener,
    authority: Authority,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = tmp_path / "authorities.pem"
    other = tmp_path / "other"
    other.mkdir()
    file.write_bytes(Authority(other).certificate.read_bytes())
    tls = ListenerTls(ca_file=str(file))
    connection = connected(secure_listener.url, tls=tls)
    assert "certificate verify failed" in str(refusal(connection))
    file.write_bytes(authority.certificate.read_bytes())
    tls.refresh()
    connection.send(REQUEST)
    file.write_text("nothing")
    tls.refresh()
    assert "authorities.pem" in caplog.text
    connection.close()
    connection.send(REQUEST)
    connection.close()
    assert secure_listener.texts == ["1", "1"]


def test_a_listener_that_cannot_be_verified_gets_nothing(secure_listener: RawListener) -> None:
    error = refusal(connected(secure_listener.url))
    assert "certificate verify failed" in str(error)
    assert not error.is_refusal
    assert secure_listener.heads == []


def test_a_listener_with_another_name_gets_nothing(
    secure_listener: RawListener, authority: Authority
) -> None:
    tls = ListenerTls(ca_file=str(authority.certificate))
    url = secure_listener.url.replace("127.0.0.1", "localhost")
    assert "certificate verify failed" in str(refusal(connected(url, tls=tls)))


@pytest.mark.parametrize("named", ["127.0.0.1", "127.0.0.1:{port}"])
def test_a_listener_may_be_named_that_is_not_verified(
    secure_listener: RawListener, named: str
) -> None:
    tls = ListenerTls(unverified=[named.format(port=secure_listener.port)])
    connection = connected(secure_listener.url, tls=tls)
    connection.send(REQUEST)
    connection.close()
    assert secure_listener.texts == ["1"]


def test_no_other_listener_is_believed(secure_listener: RawListener) -> None:
    tls = ListenerTls(unverified=["127.0.0.1:1", "localhost", "127.0.0.10"])
    assert "certificate verify failed" in str(refusal(connected(secure_listener.url, tls=tls)))


def test_a_listener_that_does_not_speak_tls_gets_nothing(listener: RawListener) -> None:
    url = listener.url.replace("http:", "https:")
    assert refusal(connected(url, HASTY))
    assert listener.got == []


def test_a_file_of_authorities_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nothing\.pem"):
        ListenerTls(ca_file=str(tmp_path / "nothing.pem"))
