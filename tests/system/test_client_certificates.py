"""Whom a verified client certificate names is logged in: at both daemons, over real TLS."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import xmlrpc.client
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pywbem
import requests
from daemons import Daemon

from tests.certificates import Authority
from tests.system.waiting import wait_for
from virtcim.daemon.roles import parse_rights
from virtcim.daemon.users_file import User, change_users

_TIMEOUT_S = 120.0
_COMMANDS = {
    "toolstack": ("toolstack", "--libvirt", "test:///default"),
    "serve": ("serve", "--hypervisor", "xapi+unix:///nonexistent/toolstack.sock"),
}

StartDaemon = Callable[..., Daemon]


@pytest.fixture(autouse=True)
def no_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    """requests would verify by it whatever it is told."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "trusted")


@pytest.fixture
def users(short_path: Path) -> Path:
    path = short_path / "users"

    def add(users: dict[str, User]) -> None:
        for name, roles in (("ann", "read@*"), ("root", "administer@*"), ("ann@example.org", "")):
            users[name] = User(name=name, password=None, rights=parse_rights(roles))

    change_users(path, add)
    return path


@pytest.fixture
def start(
    start_daemon: StartDaemon, short_path: Path, users: Path, authority: Authority
) -> Callable[..., Daemon]:
    certificate, key = authority.issue("server", "/CN=localhost")

    def run(command: str, *options: str) -> Daemon:
        return start_daemon(
            *(*_COMMANDS[command], "--listen", "https://127.0.0.1:0"),
            *("--tls-cert", certificate, "--tls-key", key, "--tls-client-ca", authority.ca),
            *("--users", str(users), "--audit", str(short_path / f"{command}.audit")),
            *("--state", str(short_path / command), *options),
        )

    return run


def _connect(daemon: Daemon, shown: tuple[str, str] | None) -> pywbem.WBEMConnection:
    x509 = None if shown is None else {"cert_file": shown[0], "key_file": shown[1]}
    return pywbem.WBEMConnection(
        daemon.url, None, "root/virt", x509=x509, no_verification=True, timeout=60
    )


def _status(daemon: Daemon, shown: tuple[str, str] | None, **options: Any) -> int:
    """The HTTP status for a request without a body that CIM knows."""
    answer = requests.post(
        daemon.url, data=b"", cert=shown, verify=False, timeout=_TIMEOUT_S, **options
    )
    return answer.status_code


def _call(daemon: Daemon, shown: tuple[str, str] | None, method: str, *params: str) -> Any:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if shown is not None:
        context.load_cert_chain(*shown)
    with xmlrpc.client.ServerProxy(daemon.url, context=context) as proxy:
        answer: Any = getattr(proxy, method)(*params)
    return answer.get("Value", answer.get("ErrorDescription"))


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_the_cim_server_lets_in_whom_the_certificate_names(
    start: Callable[..., Daemon], authority: Authority, short_path: Path
) -> None:
    server = start("serve")
    ann = authority.issue("ann", "/O=virtcim/CN=ann")
    with _connect(server, ann) as connection:
        assert "CIM_System" in connection.EnumerateClassNames(DeepInheritance=True)
        with pytest.raises(pywbem.CIMError, match="the user 'ann' has the role read"):
            connection.InvokeMethod("DefineSystem", "VirtCIM_VirtualSystemManagementService")
    # Without one a password is asked for, and one of an unknown user is refused.
    with _connect(server, None) as connection, pytest.raises(pywbem.AuthError):
        connection.EnumerateClassNames()
    eve = authority.issue("eve", "/CN=eve")
    assert _status(server, eve) == 403
    # A password does not help it.
    assert _status(server, eve, auth=("ann", "x")) == 403
    lines = [json.loads(line) for line in (short_path / "serve.audit").read_text().splitlines()]
    assert [(one["operation"], one["user"], one["outcome"], one.get("by")) for one in lines] == [
        ("login", "ann", "done", "certificate"),
        ("DefineSystem", "ann", "refused", None),
        ("login", "eve", "refused", None),
        ("login", "eve", "refused", None),
    ]


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_a_name_in_the_certificate_is_the_user(
    start: Callable[..., Daemon], authority: Authority
) -> None:
    server = start("serve")
    for subject, extensions, status in (
        ("/CN=ann", "", 415),  # let in, and nothing was asked
        ("/O=x", "subjectAltName=email:ann@example.org,DNS:ann", 415),
        ("/O=x", "subjectAltName=DNS:ann", 415),
        ("/O=x", "subjectAltName=DNS:ann,DNS:root", 403),
        ("/CN=ann/CN=root", "", 403),
        ("/CN=nobody", "subjectAltName=DNS:ann", 403),
        ("/O=x", "", 403),
    ):
        shown = authority.issue("one", subject, extensions)
        assert _status(server, shown) == status, (subject, extensions)


def _is_refused(daemon: Daemon, shown: tuple[str, str] | None) -> bool:
    """Whether TLS itself ends the connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if shown is not None:
        context.load_cert_chain(*shown)
    address = ("127.0.0.1", int(daemon.url.rpartition(":")[2]))
    try:
        with (
            socket.create_connection(address, _TIMEOUT_S) as raw,
            context.wrap_socket(raw) as connection,
        ):
            connection.sendall(b"OPTIONS / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return not connection.recv(100).startswith(b"HTTP/1.1 200")
    except (ssl.SSLError, ConnectionError):
        return True


@pytest.mark.parametrize("mode", ["optional", "required"])
def test_a_certificate_of_another_authority_is_refused(
    start: Callable[..., Daemon], authority: Authority, tmp_path: Path, mode: str
) -> None:
    server = start("serve", "--tls-client-cert", mode)
    other = Authority(tmp_path, "other")
    assert not _is_refused(server, authority.issue("ann", "/CN=ann"))
    assert _is_refused(server, other.issue("ann", "/CN=ann"))
    # A server's own certificate is none of a client.
    only_server = authority.issue("web", "/CN=ann", "extendedKeyUsage=serverAuth")
    assert _is_refused(server, only_server)
    assert _is_refused(server, None) is (mode == "required")


def test_the_toolstack_opens_a_session_for_whom_the_certificate_names(
    start: Callable[..., Daemon], authority: Authority, users: Path
) -> None:
    toolstack = start("toolstack")
    ann, eve = authority.issue("ann", "/CN=ann"), authority.issue("eve", "/CN=eve")
    login = "session.login_with_password"
    for name in ("", "ann"):
        session = _call(toolstack, ann, login, name, "")
        record = _call(toolstack, ann, "session.get_record", session, session)
        assert record["auth_user_name"] == "ann"
    [vm] = _call(toolstack, ann, "VM.get_all", session)
    refused = _call(toolstack, ann, "VM.hard_shutdown", session, vm)
    assert refused[:2] == ["RBAC_PERMISSION_DENIED", "vm.hard_shutdown"]
    for shown, name in ((ann, "root"), (eve, "eve"), (eve, ""), (None, "ann")):
        refused = _call(toolstack, shown, login, name, "")
        assert refused[:2] == ["SESSION_AUTHENTICATION_FAILED", name]
    change_users(users, lambda known: known.pop("ann"))
    assert _call(toolstack, ann, "VM.get_all", session)[0] == "SESSION_INVALID"
    assert _call(toolstack, ann, login, "", "")[0] == "SESSION_AUTHENTICATION_FAILED"


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_a_user_who_was_removed_is_out_with_his_certificate_and_connection(
    start: Callable[..., Daemon], authority: Authority, users: Path
) -> None:
    server = start("serve")
    with _connect(server, authority.issue("ann", "/CN=ann")) as connection:
        connection.EnumerateClassNames()
        change_users(users, lambda known: known.pop("ann"))
        with pytest.raises(pywbem.HTTPError) as caught:
            connection.EnumerateClassNames()
    assert caught.value.status == 403


def test_another_authority_counts_after_a_hang_up(
    start: Callable[..., Daemon], authority: Authority, tmp_path: Path
) -> None:
    trusted = tmp_path / "trusted.pem"
    trusted.write_text(Path(authority.ca).read_text())
    server = start("serve", "--tls-client-ca", str(trusted))
    other = Authority(tmp_path, "other")
    ann, bob = authority.issue("ann", "/CN=ann"), other.issue("ann", "/CN=ann")
    assert (_is_refused(server, ann), _is_refused(server, bob)) == (False, True)
    trusted.write_text(Path(other.ca).read_text())
    os.kill(server.pid, signal.SIGHUP)
    wait_for(server.log.read_text, lambda said: "anew" in said, "the certificates to be read")
    # The one of before is trusted no more.
    assert (_is_refused(server, ann), _is_refused(server, bob)) == (True, False)
    trusted.write_text("nonsense")
    os.kill(server.pid, signal.SIGHUP)
    wait_for(server.log.read_text, lambda said: "those of before stay" in said, "the refusal")
    assert (_is_refused(server, ann), _is_refused(server, bob)) == (True, False)


class _Open:
    """A connection of a client that shows a certificate."""

    def __init__(self, daemon: Daemon, shown: tuple[str, str]) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.load_cert_chain(*shown)
        address = ("127.0.0.1", int(daemon.url.rpartition(":")[2]))
        self.socket = context.wrap_socket(socket.create_connection(address, _TIMEOUT_S))

    def ask(self) -> bytes:
        """How the answer to a request begins; nothing where the connection was closed."""
        with contextlib.suppress(OSError):
            self.socket.sendall(b"OPTIONS / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return self.socket.recv(65536)[:12]
        return b""


def _hang_up(daemon: Daemon, expected: str) -> None:
    before = daemon.log.read_text()
    os.kill(daemon.pid, signal.SIGHUP)
    wait_for(
        daemon.log.read_text,
        lambda said: expected in said.removeprefix(before),
        f"the log to say {expected}",
    )


def test_a_revoked_certificate_is_refused_also_on_its_open_connection(
    start: Callable[..., Daemon], authority: Authority, tmp_path: Path
) -> None:
    ann, root = authority.issue("ann", "/CN=ann"), authority.issue("root", "/CN=root")
    file = tmp_path / "revoked.pem"

    def put(*revoked: str, dates: tuple[str, str] | None = None) -> None:
        file.write_text(Path(authority.revocations("list", *revoked, dates=dates)).read_text())

    put()
    server = start("serve", "--tls-client-crl", str(file))
    opened = _Open(server, ann)
    assert opened.ask() == b"HTTP/1.1 200"
    put(ann[0])
    _hang_up(server, "anew")
    assert opened.ask() == b""
    opened.socket.close()
    assert (_is_refused(server, ann), _is_refused(server, root)) == (True, False)
    assert "from 127.0.0.1 is refused: certificate revoked" in server.log.read_text()
    # A list that is out of date is not taken: the one before stays, and stays in force.
    put(dates=("20260101000000Z", "20260102000000Z"))
    _hang_up(server, "has been out of date since 2026-01-02 00:00 UTC")
    assert "those of before stay" in server.log.read_text()
    assert (_is_refused(server, ann), _is_refused(server, root)) == (True, False)
