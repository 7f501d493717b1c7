"""The two daemons as an administrator meets them: options, refusals, passwords, TLS, the end."""

from __future__ import annotations

import http.client
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import pywbem
import requests
import sqlalchemy as sa
import XenAPI
from daemons import Daemon

from tests.system.stack import xenapi_session
from virtcim.providers.state.database import StateDatabase

_TIMEOUT_S = 120.0
_NOWHERE = "xapi+unix:///nonexistent/toolstack.sock"

StartDaemon = Callable[..., Daemon]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One of the daemons, and the least that it must be told beside where to listen."""

    name: str
    options: tuple[str, ...]


_TOOLSTACK = Command(name="toolstack", options=("--libvirt", "test:///default"))
_SERVE = Command(name="serve", options=("--hypervisor", _NOWHERE))


@pytest.fixture(params=[_TOOLSTACK, _SERVE], ids=["toolstack", "serve"])
def command(request: pytest.FixtureRequest) -> Command:
    return request.param  # type: ignore[no-any-return]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself."""
    return subprocess.run(
        [str(Path(sys.executable).with_name("virtcim")), *arguments],
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )


def refused(command: Command, short_path: Path, *options: str) -> str:
    """Run a daemon that cannot start, and give what it says, which is one sentence at the end."""
    done = run(command.name, *command.options, "--state", str(short_path / "state"), *options)
    assert done.returncode != 0
    assert "ready" not in done.stdout
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()
    return done.stderr


@pytest.fixture
def certificate(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    # With one of these set, pywbem trusts nobody else whatever it is told.
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    certificate_file, key_file = short_path / "tls.crt", short_path / "tls.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
            *("-keyout", str(key_file), "-out", str(certificate_file)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate_file, key_file


def test_its_help_shows_its_options_and_an_example(command: Command) -> None:
    done = run(command.name, "--help")
    assert done.returncode == 0
    for option in (command.options[0], "--listen", "--state", "--config"):
        assert option in done.stdout
    assert re.search(rf"virtcim {command.name} {command.options[0]}", done.stdout)


def test_it_says_ready_once_and_leaves_nothing_when_told_to_stop(
    command: Command, short_path: Path, start_daemon: StartDaemon
) -> None:
    path = short_path / "daemon.sock"
    state = short_path / "state"
    daemon = start_daemon(
        *(command.name, *command.options, "--listen", f"unix:{path}"),
        *("--listen", "http://127.0.0.1:0", "--auth", "none", "--state", str(state)),
    )
    assert len(daemon.urls) == 2
    assert daemon.urls[0] == f"unix:{path}"
    assert daemon.urls[1].startswith("http://127.0.0.1:")
    assert path.stat().st_mode & 0o777 == 0o600
    pid = daemon.pid
    assert daemon.stop() == 0
    assert not path.exists()
    assert not Path(f"/proc/{pid}").exists()
    assert "Traceback" not in daemon.log.read_text()


def test_it_can_be_started_again_after_a_crash(
    command: Command, short_path: Path, start_daemon: StartDaemon
) -> None:
    listen = ("--listen", f"unix:{short_path / 'daemon.sock'}", "--state", str(short_path / "s"))
    daemon = start_daemon(command.name, *command.options, *listen)
    daemon.kill()
    daemon.start()
    assert daemon.stop() == 0


def test_workers_that_cannot_start_say_why_and_leave_nothing(short_path: Path) -> None:
    state = short_path / "state"
    with closing(StateDatabase(str(state))) as database, database.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE job"))  # at which the parent does not look
    said = refused(_SERVE, short_path, "--listen", "http://127.0.0.1:0", "--workers", "2")
    assert re.search(rf"\nerror: the state cannot be .*{state}/virtcim.*: no such table: job", said)
    assert re.search(r"worker \d \(process \d+\) ended with status 1 before it was ready", said)
    for command_line in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            assert str(state).encode() not in command_line.read_bytes()


def test_an_unknown_option_is_named(command: Command, short_path: Path) -> None:
    assert "--frobnicate" in refused(
        command, short_path, "--listen", "http://127.0.0.1:0", "--frobnicate"
    )


@pytest.mark.parametrize(
    "listen", ["ftp://127.0.0.1:0", "http://127.0.0.1", "unix:", "https://h:1"]
)
def test_a_listener_that_cannot_be_is_named(
    command: Command, short_path: Path, listen: str
) -> None:
    assert listen in refused(command, short_path, "--listen", listen)


def test_an_occupied_address_is_named(command: Command, short_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert url in refused(command, short_path, "--listen", url)


def test_a_socket_that_another_daemon_serves_is_left_to_it(
    command: Command, short_path: Path, start_daemon: StartDaemon
) -> None:
    path = short_path / "daemon.sock"
    listen = ("--listen", f"unix:{path}")
    start_daemon(command.name, *command.options, *listen, "--state", str(short_path / "first"))
    assert str(path) in refused(command, short_path, *listen)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(path))


def test_no_authentication_is_refused_where_others_could_reach_it(
    command: Command, short_path: Path
) -> None:
    said = refused(command, short_path, "--listen", "http://0.0.0.0:0", "--auth", "none")
    assert "authentication" in said
    assert "0.0.0.0" in said


def test_a_hypervisor_url_that_cannot_be_is_named(short_path: Path) -> None:
    command = Command(name="serve", options=("--hypervisor", "gopher://x"))
    assert "gopher://x" in refused(command, short_path, "--listen", "http://127.0.0.1:0")


def test_options_come_from_the_environment_and_from_a_file_too(
    command: Command, short_path: Path, start_daemon: StartDaemon
) -> None:
    config = short_path / "virtcim.toml"
    option, value = command.options
    values = f'["{value}"]' if command.name == "serve" else f'"{value}"'
    config.write_text(
        f'[{command.name}]\n{option.removeprefix("--")} = {values}\nlisten = ["http://127.0.0.1:0"]\n'
    )
    daemon = start_daemon(
        *(command.name, "--config", str(config)),
        environment={
            f"VIRTCIM_{command.name.upper()}_STATE": str(short_path / "state"),
            f"VIRTCIM_{command.name.upper()}_AUTH": "none",
        },
    )
    assert daemon.url.startswith("http://127.0.0.1:")


def generated_password(daemon: Daemon) -> tuple[str, str]:
    """The user that the daemon has made, from what it says on standard error."""
    said = daemon.log.read_text()
    found = re.search(
        r"made the users file (\S+) with the user (\S+), whose password is in (\S+)", said
    )
    assert found is not None, said
    users_file, user, password_file = Path(found[1]), found[2], Path(found[3])
    password = password_file.read_text().strip()
    assert users_file.stat().st_mode & 0o777 == 0o600
    assert password_file.stat().st_mode & 0o777 == 0o600
    assert password not in users_file.read_text()
    assert password not in said
    return user, password


def test_a_limit_that_was_set_holds(
    command: Command, short_path: Path, start_daemon: StartDaemon
) -> None:
    daemon = start_daemon(
        *(command.name, *command.options, "--listen", "http://127.0.0.1:0", "--auth", "none"),
        *("--state", str(short_path / "state"), "--limit-request-bytes", "65536"),
    )
    headers = {"Content-Type": "text/xml", "CIMOperation": "MethodCall"}
    just = requests.post(daemon.urls[0], b" " * 65536, headers=headers, timeout=_TIMEOUT_S)
    assert just.status_code == 400
    # Refused by the size that is declared: nothing of it needs to be sent.
    host, port = daemon.urls[0].removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=_TIMEOUT_S)
    try:
        connection.putrequest("POST", "/")
        for name, value in {**headers, "Content-Length": "65537"}.items():
            connection.putheader(name, value)
        connection.endheaders()
        longer = connection.getresponse()
        assert (longer.status, longer.read()) == (413, b"a message has at most 65536 bytes\n")
    finally:
        connection.close()


def test_the_cim_server_lets_in_only_its_users(short_path: Path, start_daemon: StartDaemon) -> None:
    daemon = start_daemon(
        *(_SERVE.name, *_SERVE.options, "--listen", "http://127.0.0.1:0"),
        *("--state", str(short_path / "state")),
    )
    user, password = generated_password(daemon)
    answer = requests.post(daemon.url, data=b"<CIM/>", timeout=_TIMEOUT_S)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    for wrong in (None, (user, "wrong"), ("nobody", password), (user, "")):
        with (
            pywbem.WBEMConnection(daemon.url, wrong, default_namespace="root/virt") as cim,
            pytest.raises(pywbem.AuthError),
        ):
            cim.EnumerateClassNames()
    with pywbem.WBEMConnection(daemon.url, (user, password), default_namespace="root/virt") as cim:
        assert "VirtCIM_ComputerSystem" in cim.EnumerateClassNames(DeepInheritance=True)
    assert "wrong" not in daemon.log.read_text()


def test_the_toolstack_lets_in_only_its_users_over_tcp(
    short_path: Path, start_daemon: StartDaemon
) -> None:
    daemon = start_daemon(
        *(_TOOLSTACK.name, *_TOOLSTACK.options, "--listen", "http://127.0.0.1:0"),
        *("--listen", f"unix:{short_path / 'trusted.sock'}", "--state", str(short_path / "state")),
    )
    user, password = generated_password(daemon)
    session = XenAPI.Session(daemon.url)
    try:
        for wrong in ((user, "wrong"), ("nobody", password), (user, "")):
            with pytest.raises(XenAPI.Failure) as caught:
                session.login_with_password(*wrong, "1.0", "test")
            assert caught.value.details[0] == "SESSION_AUTHENTICATION_FAILED"
        session.login_with_password(user, password, "1.0", "test")
        assert len(session.xenapi.VM.get_all()) == 1
        session.logout()
    finally:
        session("close")()
    assert "wrong" not in daemon.log.read_text()
    # Whoever may open the socket is trusted.
    with xenapi_session(short_path / "trusted.sock") as trusted:
        assert len(trusted.xenapi.VM.get_all()) == 1


def test_the_cim_server_speaks_https(
    short_path: Path, start_daemon: StartDaemon, certificate: tuple[Path, Path]
) -> None:
    certificate_file, key_file = certificate
    daemon = start_daemon(
        *(_SERVE.name, *_SERVE.options, "--listen", "https://127.0.0.1:0", "--auth", "none"),
        *("--state", str(short_path / "state")),
        *("--tls-cert", str(certificate_file), "--tls-key", str(key_file)),
    )
    assert daemon.url.startswith("https://127.0.0.1:")
    with pywbem.WBEMConnection(
        daemon.url, None, default_namespace="root/virt", ca_certs=str(certificate_file)
    ) as cim:
        assert cim.EnumerateClassNames()
    with (
        pywbem.WBEMConnection(daemon.url, None, default_namespace="root/virt") as cim,
        pytest.raises(pywbem.ConnectionError, match=r"(?i)certificate"),
    ):
        cim.EnumerateClassNames()


def test_the_whole_way_works_over_https_with_passwords(
    short_path: Path, start_daemon: StartDaemon, certificate: tuple[Path, Path]
) -> None:
    certificate_file, key_file = certificate
    tls = ("--tls-cert", str(certificate_file), "--tls-key", str(key_file))
    toolstack = start_daemon(
        *(_TOOLSTACK.name, *_TOOLSTACK.options, "--listen", "https://127.0.0.1:0", *tls),
        *("--state", str(short_path / "toolstack")),
    )
    user, password = generated_password(toolstack)
    password_file = short_path / "hypervisor.password"
    password_file.write_text(f"{password}\n")
    password_file.chmod(0o600)
    server = start_daemon(
        *("serve", "--hypervisor", f"xapi+{toolstack.url}", "--listen", "http://127.0.0.1:0"),
        *("--auth", "none", "--state", str(short_path / "serve")),
        *("--hypervisor-user", user, "--hypervisor-password-file", str(password_file)),
        *("--hypervisor-ca", str(certificate_file)),
    )
    with pywbem.WBEMConnection(server.url, None, default_namespace="root/virt") as cim:
        [system] = cim.EnumerateInstances("VirtCIM_ComputerSystem")
    assert system["ElementName"] == "test"


def test_a_certificate_that_cannot_be_used_is_named(command: Command, short_path: Path) -> None:
    nonsense = short_path / "nonsense.pem"
    nonsense.write_text("no certificate\n")
    said = refused(
        command,
        short_path,
        *("--listen", "https://127.0.0.1:0"),
        *("--tls-cert", str(nonsense), "--tls-key", str(nonsense)),
    )
    assert str(nonsense) in said


def test_authorities_of_listeners_that_cannot_be_used_are_named(short_path: Path) -> None:
    nonsense = short_path / "nonsense.pem"
    nonsense.write_text("no certificate\n")
    said = refused(
        _SERVE, short_path, "--listen", "http://127.0.0.1:0", "--listener-ca", str(nonsense)
    )
    assert "--listener-ca" in said
    assert str(nonsense) in said


def test_a_toolstack_started_before_its_libvirt_says_so_and_serves_the_reason(
    short_path: Path, start_daemon: StartDaemon
) -> None:
    socket_path = short_path / "early.sock"
    daemon = start_daemon(
        *("toolstack", "--libvirt", f"qemu+unix:///session?socket={short_path}/none"),
        *("--listen", f"unix:{socket_path}", "--state", str(short_path / "state")),
    )
    with xenapi_session(socket_path) as session, pytest.raises(XenAPI.Failure) as caught:
        session.xenapi.VM.get_all()
    assert caught.value.details[0] == "LIBVIRT_ERROR"
    assert f"{short_path}/none" in daemon.log.read_text()
