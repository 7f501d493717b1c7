"""The hypervisor's refusal of the server's login never looks like that of the client's."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
import pywbem
import requests
from daemons import Daemon

from tests.cimserver.serving import intrinsic
from tests.system.test_daemon_access import password_of
from virtcim.daemon.passwords import HashedPassword
from virtcim.daemon.roles import parse_rights
from virtcim.daemon.users import FIRST_USER
from virtcim.daemon.users_file import User, change_users

_TIMEOUT_S = 120.0
_WRONG = "wr0ng-passw0rd"

StartDaemon = Callable[..., Daemon]


@pytest.fixture
def toolstack(start_daemon: StartDaemon, short_path: Path) -> Daemon:
    return start_daemon(
        *("toolstack", "--libvirt", "test:///default", "--listen", "http://127.0.0.1:0"),
        *("--state", str(short_path / "toolstack")),
    )


@pytest.fixture
def serve(
    start_daemon: StartDaemon, short_path: Path, toolstack: Daemon
) -> Callable[..., tuple[Daemon, pywbem.WBEMConnection]]:
    def run(user: str = "", password: str = "") -> tuple[Daemon, pywbem.WBEMConnection]:
        options: list[str] = []
        if user:
            (short_path / "word").write_text(f"{password}\n")
            options = ["--hypervisor-user", user]
            options += ["--hypervisor-password-file", str(short_path / "word")]
        server = start_daemon(
            *("serve", "--hypervisor", f"xapi+{toolstack.url}", *options),
            *("--listen", "http://127.0.0.1:0", "--state", str(short_path / "serve")),
        )
        login = FIRST_USER, password_of(short_path / "serve" / "users")
        return server, pywbem.WBEMConnection(server.url, login, "root/virt")

    return run


@pytest.mark.parametrize(
    ("user", "code", "said"),
    [
        ("", "ERR_CREDENTIALS_NOT_SET", "demands a login, and no user is configured for it"),
        (FIRST_USER, "ERR_UNACCEPTED_CREDENTIALS", f"The user name {FIRST_USER} or its password"),
    ],
)
def test_a_refused_login_of_the_server_is_told_as_such(
    serve: Callable[..., tuple[Daemon, pywbem.WBEMConnection]],
    toolstack: Daemon,
    short_path: Path,
    user: str,
    code: str,
    said: str,
) -> None:
    server, connection = serve(user, _WRONG)
    with connection, pytest.raises(pywbem.CIMError) as caught:
        connection.EnumerateInstances("VirtCIM_ComputerSystem")
    text = caught.value.status_description
    assert caught.value.status_code == pywbem.CIM_ERR_ACCESS_DENIED
    assert text.startswith(f"{code}: ")
    assert text.endswith("; this is the CIM server's own login at the hypervisor, not yours")
    for part in (said, toolstack.url):
        assert part in text
    [instance] = caught.value.instances
    assert (instance["MessageID"], instance["Message"]) == (code, text)
    # On the level of HTTP nothing is refused: a client would ask its user for a password.
    password = password_of(short_path / "serve" / "users")
    basic = base64.b64encode(f"{FIRST_USER}:{password}".encode()).decode()
    answer = requests.post(
        server.url,
        data=intrinsic(
            "EnumerateInstances", ClassName='<CLASSNAME NAME="VirtCIM_ComputerSystem"/>'
        ),
        headers={
            "Authorization": f"Basic {basic}",
            "Content-Type": "application/xml",
            "CIMOperation": "MethodCall",
            "Accept-Language": "de",
        },
        timeout=_TIMEOUT_S,
    )
    assert answer.status_code == 200
    assert "WWW-Authenticate" not in answer.headers
    assert "die eigene Anmeldung des CIM-Servers beim Hypervisor" in answer.text
    assert _WRONG not in server.log.read_text() + text + answer.text


def test_a_role_that_the_server_lacks_at_the_hypervisor_is_told_as_the_servers(
    serve: Callable[..., tuple[Daemon, pywbem.WBEMConnection]], short_path: Path, toolstack: Daemon
) -> None:
    def add(users: dict[str, User]) -> None:
        hashed = HashedPassword.of("looks")
        users["cim"] = User(name="cim", password=hashed, rights=parse_rights("read@toolstack"))

    change_users(short_path / "toolstack" / "users", add)
    _, connection = serve("cim", "looks")
    with connection:
        [system] = connection.EnumerateInstanceNames("VirtCIM_ComputerSystem")
        with pytest.raises(pywbem.CIMError) as caught:
            connection.InvokeMethod("RequestStateChange", system, RequestedState=pywbem.Uint16(9))
    text = caught.value.status_description
    assert caught.value.status_code == pywbem.CIM_ERR_ACCESS_DENIED
    assert text.startswith("ERR_ACCESS_DENIED: ")
    assert text.endswith("; this is the CIM server's own login at the hypervisor, not yours")
    assert "the user 'cim' has the role read; this call needs operate" in text
