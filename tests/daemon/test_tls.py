"""Certificates that are renewed while a daemon runs, and what TLS it takes."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.wire.serving import DEADLINE_S

_DAEMON = """
import logging, sys
from virtcim.daemon.run import parse_listen, run_daemon
from virtcim.wire import XmlRpcApplication

async def dispatch(method, params, client):
    return method

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
listen = parse_listen("https://127.0.0.1:0", cert_file="cert.pem", key_file="key.pem")
refresh = lambda: print("refreshed", flush=True)
sys.exit(run_daemon(lambda: XmlRpcApplication(dispatch), [listen], refresh=refresh))
"""


def _make_certificate(directory: Path, name: str) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", f"/CN={name}"),
            *("-keyout", "key.pem", "-out", "cert.pem"),
        ],
        cwd=directory,
        check=True,
        capture_output=True,
    )


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    _make_certificate(tmp_path, "first")
    process = subprocess.Popen(
        [sys.executable, "-c", _DAEMON],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    killer = threading.Timer(3 * DEADLINE_S, process.kill)
    killer.start()
    yield process
    with suppress(ProcessLookupError):
        process.kill()
    process.communicate()
    killer.cancel()


def _port(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline().rpartition(":")[2])


def _handshake(port: int, context: ssl.SSLContext | None = None) -> tuple[bytes, str, str]:
    """The certificate that is shown, the version and the cipher."""
    context = context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), DEADLINE_S) as raw,
        context.wrap_socket(raw) as connection,
    ):
        cipher, version = connection.cipher(), connection.version()
        assert cipher is not None
        assert version is not None
        return connection.getpeercert(binary_form=True) or b"", version, cipher[0]


def _hang_up(process: subprocess.Popen[str]) -> str:
    """Send SIGHUP, wait until all is read anew, and give what the log says of it."""
    process.send_signal(signal.SIGHUP)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "refreshed\n"
    return next(line for line in process.stderr if "certificate" in line)


def test_a_renewed_certificate_is_shown_after_a_hang_up(
    daemon: subprocess.Popen[str], tmp_path: Path
) -> None:
    port = _port(daemon)
    first, *_ = _handshake(port)
    _make_certificate(tmp_path, "second")
    assert _handshake(port)[0] == first
    assert "read the certificate cert.pem anew" in _hang_up(daemon)
    assert _handshake(port)[0] not in (first, b"")


@pytest.mark.parametrize("spoilt", ["cert.pem", "key.pem"])
def test_a_certificate_that_cannot_be_used_leaves_that_of_before(
    daemon: subprocess.Popen[str], tmp_path: Path, spoilt: str
) -> None:
    port = _port(daemon)
    first, *_ = _handshake(port)
    other = tmp_path / "other"
    other.mkdir()
    _make_certificate(other, "other")
    # Each is a good one; they do not belong together.
    (other / spoilt).replace(tmp_path / spoilt)
    said = _hang_up(daemon)
    assert said.startswith("ERROR")
    assert "those of before stay" in said
    assert _handshake(port)[0] == first


@pytest.mark.parametrize(
    ("ciphers", "accepted"),
    [
        ("ECDHE+AESGCM", True),
        ("ECDHE+CHACHA20", True),
        ("AES128-GCM-SHA256:AES256-SHA", False),
        ("ECDHE+AES+SHA", False),
    ],
)
def test_only_ciphers_with_forward_secrecy_and_authentication_are_taken(
    daemon: subprocess.Popen[str], ciphers: str, accepted: bool
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    port = _port(daemon)
    if accepted:
        _, version, cipher = _handshake(port, context)
        assert (version, cipher[:5]) == ("TLSv1.2", "ECDHE")
    else:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            _handshake(port, context)
