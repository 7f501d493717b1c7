"""Roles at the toolstack: each call needs one, and what changes something is written down."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import XenAPI

from tests.toolstack.host import Host, finished, running_host, vm_record
from virtcim.daemon.audit import Audit
from virtcim.daemon.roles import TOOLSTACK, Role, parse_rights
from virtcim.toolstack.accessors import accessor_calls
from virtcim.toolstack.calls import all_calls
from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.guard import Guard
from virtcim.toolstack.permissions import NO_ROLE, PERMISSIONS
from virtcim.wire.application import ClientInfo

_USERS = {
    "nobody": "",
    "reader": "read@*",
    "operator": "operate@toolstack",
    "administrator": "administer@*",
    "elsewhere": "administer@root/virt",
}
_CALLS = {call.name: call for call in (*accessor_calls(), *all_calls())}

Login = Callable[[str], XenAPI.Session]


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    return tmp_path / "audit"


@pytest.fixture
def rights() -> dict[str, str]:
    return dict(_USERS)


@pytest.fixture
def guarded(host_uri: str, audit: Path, rights: dict[str, str]) -> Iterator[Host]:
    with running_host(
        host_uri,
        authenticate=lambda user, word: user in rights and word == "right",
        user_stamp=lambda user: user,
        rights=lambda user: parse_rights(rights[user]),
        audit=Audit("toolstack", audit),
    ) as running:
        yield running


@pytest.fixture
def log_in(guarded: Host) -> Iterator[Login]:
    opened: list[XenAPI.Session] = []

    def login(user: str) -> XenAPI.Session:
        session = XenAPI.Session(guarded.url)
        session.login_with_password(user, "right", "1.0", "tests")
        opened.append(session)
        return session

    yield login
    for one in opened:
        one("close")()


def _all_lines(audit: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in audit.read_text().splitlines()]


def _lines(audit: Path) -> list[dict[str, Any]]:
    """All but those of whoever was let in."""
    return [line for line in _all_lines(audit) if not _is_login(line)]


def _is_login(line: dict[str, Any]) -> bool:
    return (line["operation"], line["outcome"]) == ("login", "done")


def _error(call: Callable[..., object], *arguments: object) -> list[str]:
    try:
        call(*arguments)
    except XenAPI.Failure as failure:
        return list(failure.details)
    return []


def test_every_call_has_its_permission() -> None:
    assert _CALLS.keys() == PERMISSIONS.keys()


def test_what_has_a_session_only_is_about_sessions_alone() -> None:
    assert {name.partition(".")[0] for name, role in PERMISSIONS.items() if role is NO_ROLE} == {
        "session"
    }


@pytest.mark.parametrize("user", _USERS)
def test_each_call_is_refused_without_its_role(log_in: Login, user: str) -> None:
    session = log_in(user)
    role = parse_rights(_USERS[user]).role(TOOLSTACK)
    refused = set()
    for name, needed in PERMISSIONS.items():
        if needed is NO_ROLE:
            continue
        call = _CALLS[name]
        for method in (name, f"Async.{name}") if call.asynchronous else (name,):
            # Nothing is done with such parameters; who may not is refused before they are read.
            error = _error(getattr(session.xenapi, method), *[""] * len(call.parameters))
            if error[:1] == ["RBAC_PERMISSION_DENIED"]:
                refused.add(name)
                has = "no role" if role is None else f"the role {role.word}"
                assert error[1:] == [
                    name.lower(),
                    f"the user {user!r} has {has}; this call needs {needed.word}",
                ]
    assert refused == {
        name
        for name, needed in PERMISSIONS.items()
        if needed is not NO_ROLE and (role is None or role < needed)
    }


def test_who_has_no_role_can_still_look_at_his_session_and_log_out(log_in: Login) -> None:
    session = log_in("nobody")
    record = session.xenapi.session.get_record(session.handle)
    assert (record["auth_user_name"], record["is_local_superuser"]) == ("nobody", False)
    session.xenapi.session.logout()


def test_a_role_counts_from_the_next_call_on(log_in: Login, rights: dict[str, str]) -> None:
    session = log_in("operator")
    [vm] = session.xenapi.VM.get_by_name_label("runs")
    session.xenapi.VM.pause(vm)
    rights["operator"] = "read@*"
    assert _error(session.xenapi.VM.unpause, vm)[:2] == ["RBAC_PERMISSION_DENIED", "vm.unpause"]
    assert session.xenapi.VM.get_power_state(vm) == "Paused"
    rights["operator"] = "operate@*"
    session.xenapi.VM.unpause(vm)
    assert session.xenapi.VM.get_power_state(vm) == "Running"


def test_what_is_served_and_not_listed_is_allowed_to_nobody(guarded: Host) -> None:
    services = guarded.toolstack._services
    listed = {name: role for name, role in PERMISSIONS.items() if name != "VM.get_all"}
    guard = Guard(services.sessions, services.database, services.audit, permissions=listed)
    requester = guard.requester(services.sessions.open("root", "", ""), ClientInfo(is_unix=True))

    async def ask(name: str) -> None:
        async with guard.calling(_CALLS[name], requester, ()):
            pass

    asyncio.run(ask("host.get_all"))
    with pytest.raises(XapiFailure) as caught:
        asyncio.run(ask("VM.get_all"))
    assert caught.value.description[0] == "RBAC_PERMISSION_DENIED"
    assert caught.value.description[2].endswith("nobody may make this call")


# What the audit log tells


def test_each_change_leaves_one_line(log_in: Login, audit: Path) -> None:
    session = log_in("administrator")
    api = session.xenapi
    [vm] = api.VM.get_by_name_label("runs")
    uuid = api.VM.get_uuid(vm)
    api.VM.pause(vm)
    assert _error(api.VM.pause, vm)[0] == "VM_BAD_POWER_STATE"
    assert _error(api.VM.pause, "OpaqueRef:none")[0] == "HANDLE_INVALID"
    api.VM.get_record(vm)
    common = {"daemon": "toolstack", "user": "administrator", "peer": "127.0.0.1"}
    lines = _lines(audit)
    assert [line.pop("time")[:2] for line in lines] == ["20"] * 3
    of_vm = {**common, "operation": "VM.pause", "object": f"VM {uuid}", "name": "runs"}
    assert lines == [
        {**of_vm, "outcome": "done"},
        {
            **of_vm,
            "outcome": "failed",
            "error": "ERR_WRONG_STATE_FOR_OP",
            "fault": "VM_BAD_POWER_STATE",
        },
        {
            **common,
            "operation": "VM.pause",
            "outcome": "failed",
            "object": "VM OpaqueRef:none",
            "error": "ERR_VM_NOT_FOUND",
            "fault": "HANDLE_INVALID",
        },
    ]


def test_each_session_leaves_one_line(log_in: Login, audit: Path) -> None:
    for user in ("reader", "reader", "nobody"):
        session = log_in(user)
        for _ in range(3):
            session.xenapi.session.get_record(session.handle)
    lines = _all_lines(audit)
    assert [line.pop("time")[:2] for line in lines] == ["20"] * 3
    login = {"daemon": "toolstack", "operation": "login", "outcome": "done", "by": "password"}
    assert lines == [
        {**login, "user": user, "peer": "127.0.0.1"} for user in ("reader", "reader", "nobody")
    ]
    text = audit.read_text()
    assert "OpaqueRef" not in text
    assert "right" not in text


def test_a_task_leaves_a_line_when_it_begins_and_one_with_its_end(
    log_in: Login, audit: Path
) -> None:
    session = log_in("operator")
    api = session.xenapi
    [vm] = api.VM.get_by_name_label("rests")
    task = api.Async.VM.start(vm, False, False)
    assert finished(session, task)["status"] == "success"
    failed = api.Async.VM.start(vm, False, False)
    assert finished(session, failed)["status"] == "failure"
    lines = [(line["job"], line["outcome"], line.get("error")) for line in _lines(audit)]
    # Which of its two lines comes first does not matter.
    assert sorted(lines[:2]) == [(task, "done", None), (task, "started", None)]
    assert sorted(lines[2:]) == [
        (failed, "failed", "ERR_WRONG_STATE_FOR_OP"),
        (failed, "started", None),
    ]


def test_what_was_made_and_who_was_refused_is_told(
    log_in: Login, guarded: Host, audit: Path
) -> None:
    administrator, reader = log_in("administrator"), log_in("reader")
    hostile = 'new\n{"outcome": "done"}\u2028'
    assert _error(administrator.xenapi.VM.create, vm_record(hostile)) != []
    vm = administrator.xenapi.VM.create(vm_record("new"))
    assert _error(reader.xenapi.VM.destroy, vm)[0] == "RBAC_PERMISSION_DENIED"
    administrator.xenapi.VM.destroy(vm)
    eve = XenAPI.Session(guarded.url)
    with pytest.raises(XenAPI.Failure):
        eve.login_with_password("eve\n{}", "wrong", "1.0", "x")
    eve("close")()
    text = audit.read_text()
    assert text.isascii()
    odd, made, refused, destroyed, login = _lines(audit)
    assert (odd["operation"], odd["name"], odd["outcome"]) == ("VM.create", hostile, "failed")
    assert (made["operation"], made["name"]) == ("VM.create", "new")
    assert made["result"] == refused["object"] == destroyed["object"]
    assert (refused["user"], refused["outcome"], refused["error"]) == (
        "reader",
        "refused",
        "ERR_ACCESS_DENIED",
    )
    assert (login["operation"], login["user"], login["outcome"]) == ("login", "eve\n{}", "refused")


def test_who_comes_by_the_unix_socket_is_trusted(guarded: Host) -> None:
    sessions = guarded.toolstack._services.sessions
    guard = Guard(sessions, guarded.toolstack._services.database, Audit("test"))
    ref = sessions.open("whoever", "", "")
    requester = guard.requester(ref, ClientInfo(is_unix=True))
    assert (requester.user, requester.peer) == ("whoever", "unix")
    assert requester.rights.may(Role.ADMINISTER, TOOLSTACK)
    nobody = guard.requester("OpaqueRef:none", ClientInfo(address="192.0.2.1"))
    assert nobody.rights.role(TOOLSTACK) is None
