"""Passwords that PAM checks, by a real service, of users whom the users file knows."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import pywbem
import XenAPI
from daemons import Daemon, DaemonError

from virtcim.daemon.roles import parse_rights
from virtcim.daemon.users_file import User, change_users

pytest.importorskip("pam")
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a service of PAM is made by root")

_COMMANDS = {
    "toolstack": ("toolstack", "--libvirt", "test:///default"),
    "serve": ("serve", "--hypervisor", "xapi+unix:///nonexistent/toolstack.sock"),
}
# What pam_exec runs: the password comes on its standard input, and ends with NUL.
_AUTH = """#!/bin/sh
echo "auth $PAM_USER" >>{asked}
[ "$(tr -d '\\0')" = "pam-$PAM_USER" ]
"""
_ACCOUNT = """#!/bin/sh
echo "account $PAM_USER" >>{asked}
[ "$PAM_USER" != expired ]
"""

StartDaemon = Callable[..., Daemon]


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    """What PAM was asked, a line each time."""
    path = tmp_path / "asked"
    path.touch()
    return path


@pytest.fixture
def service(tmp_path: Path, asked: Path) -> Iterator[str]:
    """A PAM service of this test alone."""
    name = f"virtcim-test-{secrets.token_hex(4)}"
    rules = Path("/etc/pam.d", name)
    lines = []
    for kind, script in (("auth", _AUTH), ("account", _ACCOUNT)):
        path = tmp_path / kind
        path.write_text(script.format(asked=asked))
        path.chmod(0o700)
        exposes = "expose_authtok " if kind == "auth" else ""
        lines.append(f"{kind} required pam_exec.so {exposes}quiet {path}\n")
    try:
        rules.write_text("".join(lines))
        yield name
    finally:
        rules.unlink(missing_ok=True)


@pytest.fixture
def users(short_path: Path) -> Path:
    path = short_path / "users"

    def add(users: dict[str, User]) -> None:
        for name in ("ann", "expired"):
            users[name] = User(name=name, password=None, rights=parse_rights("read@*"))

    change_users(path, add)
    return path


@pytest.fixture
def start(
    start_daemon: StartDaemon, short_path: Path, users: Path, service: str
) -> Callable[..., Daemon]:
    def run(command: str, *options: str) -> Daemon:
        return start_daemon(
            *(*_COMMANDS[command], "--listen", "http://127.0.0.1:0", "--auth", "pam"),
            *("--pam-service", service, "--users", str(users)),
            *("--state", str(short_path / command), *options),
        )

    return run


def _is_let_in(server: Daemon, user: str, password: str) -> bool:
    with pywbem.WBEMConnection(server.url, (user, password), "root/virt") as connection:
        try:
            connection.EnumerateClassNames()
        except pywbem.AuthError:
            return False
        return True


def test_the_cim_server_lets_in_whom_pam_and_the_users_file_know(
    start: Callable[..., Daemon], asked: Path, users: Path
) -> None:
    server = start("serve")
    assert _is_let_in(server, "ann", "pam-ann")
    assert asked.read_text() == "auth ann\naccount ann\n"
    assert not _is_let_in(server, "ann", "wrong")
    assert not _is_let_in(server, "expired", "pam-expired")
    assert asked.read_text().endswith("auth ann\nauth expired\naccount expired\n")
    # Of nobody else PAM is asked, so that no account can be guessed at or locked from outside.
    before = asked.read_text()
    assert not _is_let_in(server, "root", "pam-root")
    assert not _is_let_in(server, "ann", "")
    assert asked.read_text() == before
    with (
        pywbem.WBEMConnection(server.url, ("ann", "pam-ann"), "root/virt") as connection,
        pytest.raises(pywbem.CIMError, match="the user 'ann' has the role read"),
    ):
        connection.InvokeMethod("DefineSystem", "VirtCIM_VirtualSystemManagementService")
    change_users(users, lambda known: known.pop("ann"))
    assert not _is_let_in(server, "ann", "pam-ann")
    assert "pam-" not in server.log.read_text()


def test_the_toolstack_lets_in_whom_pam_and_the_users_file_know(
    start: Callable[..., Daemon],
) -> None:
    toolstack = start("toolstack")
    session = XenAPI.Session(toolstack.url)
    session.login_with_password("ann", "pam-ann", "1.0", "tests")
    assert session.xenapi.VM.get_all()
    for user, password in (("ann", "wrong"), ("root", "pam-root"), ("expired", "pam-expired")):
        with pytest.raises(XenAPI.Failure) as caught:
            session.login_with_password(user, password, "1.0", "tests")
        assert caught.value.details[:2] == ["SESSION_AUTHENTICATION_FAILED", user]
    session("close")()


def test_what_pam_needs_is_said_at_the_start(
    start: Callable[..., Daemon], short_path: Path
) -> None:
    for options, said in (
        (("--pam-service", "no-such-service"), "make /etc/pam.d/no-such-service"),
        (("--pam-service", "../shadow"), "there is no PAM service '../shadow'"),
        (("--users", str(short_path / "none")), "virtcim users add NAME --external"),
    ):
        with pytest.raises(DaemonError, match=said):
            start("serve", *options)
