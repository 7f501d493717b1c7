"""Who is let in by the real daemons changes while they run, and nobody else's browser is."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import pywbem
import requests
import XenAPI
from daemons import Daemon

from tests.system.waiting import wait_for
from virtcim.daemon.users import FIRST_USER
from virtcim.wire import Transport, parse_endpoint_url

_TIMEOUT_S = 120.0
_COMMANDS = {
    "toolstack": ("toolstack", "--libvirt", "test:///default"),
    "serve": ("serve", "--hypervisor", "xapi+unix:///nonexistent/toolstack.sock"),
}

StartDaemon = Callable[..., Daemon]


@pytest.fixture
def start(short_path: Path, start_daemon: StartDaemon) -> Callable[..., Daemon]:
    def run(command: str, *options: str) -> Daemon:
        return start_daemon(
            *(*_COMMANDS[command], "--listen", "http://127.0.0.1:0"),
            *("--state", str(short_path / command), *options),
        )

    return run


def password_of(users: Path) -> str:
    return users.with_name("users.password").read_text().strip()


def is_let_in(cim: pywbem.WBEMConnection) -> bool:
    try:
        cim.EnumerateClassNames()
    except pywbem.AuthError:
        return False
    return True


def test_a_removed_user_is_out_at_once(start: Callable[..., Daemon], short_path: Path) -> None:
    users = short_path / "serve" / "users"
    server, toolstack = start("serve"), start("toolstack", "--users", str(users))
    user = (FIRST_USER, password_of(users))
    session = XenAPI.Session(toolstack.url)
    session.login_with_password(*user, "1.0", "test")
    with pywbem.WBEMConnection(server.url, user, "root/virt") as cim:
        assert is_let_in(cim)
        users.write_text(users.read_text().replace(FIRST_USER, "other"))
        assert not is_let_in(cim)
        with pytest.raises(XenAPI.Failure) as caught:
            session.xenapi.VM.get_all()
        assert caught.value.details[0] == "SESSION_AUTHENTICATION_FAILED"
        users.write_text(users.read_text().replace("other", FIRST_USER))
        assert is_let_in(cim)
    session("close")()


def test_a_broken_users_file_leaves_the_last_good_one_in_force(
    start: Callable[..., Daemon], short_path: Path
) -> None:
    server = start("serve")
    users = short_path / "serve" / "users"
    with (
        pywbem.WBEMConnection(server.url, (FIRST_USER, password_of(users)), "root/virt") as right,
        pywbem.WBEMConnection(server.url, (FIRST_USER, "wrong"), "root/virt") as wrong,
    ):
        users.write_text("nonsense\n")
        for _ in range(3):
            assert is_let_in(right)
            assert not is_let_in(wrong)
    assert server.log.read_text().count("the users of before stay as they were") == 1


@pytest.mark.parametrize("command", _COMMANDS)
def test_a_hang_up_reads_the_users_anew_and_ends_nothing(
    start: Callable[..., Daemon], short_path: Path, command: str
) -> None:
    daemon = start(command)
    users = short_path / command / "users"
    users.write_text(users.read_text() * 2)
    os.kill(daemon.pid, signal.SIGHUP)
    wait_for(
        daemon.log.read_text,
        lambda said: f"read the users file {users}, which has changed" in said,
        "the users file to be read",
    )
    assert requests.post(daemon.url, data=b"", timeout=_TIMEOUT_S).status_code < 500


def test_the_audit_file_is_begun_anew_after_a_hang_up(
    start: Callable[..., Daemon], short_path: Path
) -> None:
    audit, old = short_path / "audit", short_path / "audit.1"
    toolstack = start("toolstack", "--audit", str(audit), "--log-level", "info")
    session = XenAPI.Session(toolstack.url)
    password = password_of(short_path / "toolstack" / "users")
    session.login_with_password(FIRST_USER, password, "1.0", "test")
    [vm] = session.xenapi.VM.get_all()
    session.xenapi.VM.pause(vm)
    audit.rename(old)
    os.kill(toolstack.pid, signal.SIGHUP)
    wait_for(audit.exists, bool, "the new file")
    session.xenapi.VM.unpause(vm)
    session("close")()
    for path, before, operation in ((old, ["login"], "VM.pause"), (audit, [], "VM.unpause")):
        *logins, line = [json.loads(one) for one in path.read_text().splitlines()]
        assert [one["operation"] for one in logins] == before
        assert (line["operation"], line["user"], line["outcome"]) == (
            operation,
            FIRST_USER,
            "done",
        )
        assert line["request"]
        assert path.stat().st_mode & 0o777 == 0o600
    assert "virtcim.audit" not in toolstack.log.read_text()


def test_the_audit_log_names_the_account_of_whoever_comes_by_the_unix_socket(
    start_daemon: StartDaemon, short_path: Path
) -> None:
    audit, socket_path = short_path / "audit", short_path / "toolstack.sock"
    start_daemon(
        *(*_COMMANDS["toolstack"], "--listen", f"unix:{socket_path}", "--audit", str(audit)),
        *("--state", str(short_path / "toolstack")),
    )
    transport = Transport(parse_endpoint_url(f"xapi+unix://{socket_path}"))
    login = ("whoever", "", "1.0", "test")
    session = transport.call("session.login_with_password", login)["Value"]
    [vm] = transport.call("VM.get_all", (session,))["Value"]
    assert transport.call("VM.pause", (session, vm))["Status"] == "Success"
    transport.close()
    login, line = [json.loads(one) for one in audit.read_text().splitlines()]
    assert (login["operation"], login["by"]) == ("login", "trust")
    for one in (login, line):
        assert (one["user"], one["peer"]) == ("whoever", f"unix:{os.geteuid()}")


@pytest.mark.parametrize("command", _COMMANDS)
def test_without_authentication_a_page_of_another_site_is_refused(
    start: Callable[..., Daemon], command: str
) -> None:
    daemon = start(command, "--auth", "none")
    for headers, status in (
        ({"Host": "rebound.example.org"}, 421),
        ({"Origin": "http://example.org"}, 403),
    ):
        answer = requests.post(daemon.url, data=b"<x/>", headers=headers, timeout=_TIMEOUT_S)
        assert (answer.status_code, "is not this machine" in answer.text) == (status, True)
    answer = requests.post(daemon.url, data=b"<x/>", timeout=_TIMEOUT_S)
    assert answer.status_code not in (421, 403)


def test_a_refused_request_with_a_bad_body_leaves_no_traceback(
    start: Callable[..., Daemon],
) -> None:
    daemon = start("serve", "--auth", "none")
    head = b"POST / HTTP/1.1\r\nHost: example.org\r\nTransfer-Encoding: chunked\r\n\r\n"
    address = ("127.0.0.1", int(daemon.url.rpartition(":")[2]))
    for _ in range(20):
        with socket.create_connection(address, _TIMEOUT_S) as client:
            client.sendall(head + b"no size\r\n")
            while client.recv(65536):
                pass
    assert "Traceback" not in daemon.log.read_text()
