"""The audit log of the CIM server: one line for each change, and one for the end of each job."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import pywbem

from tests.cimserver.population import populate, system_path, system_uuid
from tests.cimserver.serving import served
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.waiting import wait_for
from virtcim.cimserver import CimServer
from virtcim.cimserver.job_audit import audited_jobs
from virtcim.daemon.asgi import ASGIApp, Receive, Scope, Send
from virtcim.daemon.audit import Audit
from virtcim.daemon.exchanges import guarded
from virtcim.daemon.incidents import incident
from virtcim.daemon.roles import parse_rights
from virtcim.errormap import HypervisorError, from_transport, from_xapi
from virtcim.mof import Schema
from virtcim.providers import Providers

_SYSTEM = "VirtCIM_ComputerSystem"
_JOB = "VirtCIM_ConcreteJob"

Start = Callable[..., pywbem.WBEMConnection]


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    return tmp_path / "audit"


@pytest.fixture
def endpoint() -> SimulatedEndpoint:
    endpoint = SimulatedEndpoint(0)
    populate(endpoint, (1, 2))
    return endpoint


@pytest.fixture
def start(
    endpoint: SimulatedEndpoint, schema: Schema, audit: Path, tmp_path: Path
) -> Iterator[Start]:
    """A server that keeps an audit file, and ann who is logged in at it."""
    with ExitStack() as stack:

        def run(*, job_after_s: float = 600.0, user: str = "ann") -> pywbem.WBEMConnection:
            kept = Audit("serve", audit)
            providers = Providers(
                (endpoint,),
                schema,
                state=str(tmp_path / "state"),
                job_after_s=job_after_s,
                incident=incident,
                job_ended=audited_jobs(kept),
            )
            stack.callback(kept.close)
            stack.callback(providers.close)
            application = CimServer(
                providers,
                schema,
                authenticate=lambda _user, password: password == "right",
                rights=lambda name: parse_rights("read@*" if name == "bob" else "operate@*"),
                audit=kept,
            )
            running = stack.enter_context(served(_as_in_a_daemon(application)))
            connection = pywbem.WBEMConnection(running.url, (user, "right"), "root/virt")
            return stack.enter_context(connection)

        yield run
        endpoint.gate.set()


def _as_in_a_daemon(application: CimServer) -> ASGIApp:
    """There every request has its number, its peer and its user."""
    exchange = guarded(application)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await (exchange if scope["type"] == "http" else application)(scope, receive, send)

    return serve


def _all_lines(audit: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in audit.read_text().splitlines()]


def _lines(audit: Path) -> list[dict[str, Any]]:
    """All but those of whoever was let in."""
    return [line for line in _all_lines(audit) if not _is_login(line)]


def _is_login(line: dict[str, Any]) -> bool:
    return (line["operation"], line["outcome"]) == ("login", "done")


def _path(number: int) -> pywbem.CIMInstanceName:
    return pywbem.CIMInstanceName(_SYSTEM, dict(system_path(number).keys))


def _change_state(connection: pywbem.WBEMConnection, number: int, state: int) -> Any:
    return connection.InvokeMethod(
        "RequestStateChange", _path(number), RequestedState=pywbem.Uint16(state)
    )


def test_each_change_leaves_one_line_and_reads_leave_none(
    start: Start, endpoint: SimulatedEndpoint, audit: Path
) -> None:
    ann = start()
    ann.GetInstance(_path(1))
    ann.EnumerateInstances(_SYSTEM)
    assert _change_state(ann, 1, 9)[0] == 0
    endpoint.refusal = HypervisorError(
        from_xapi(["HOST_NOT_ENOUGH_FREE_MEMORY", "8", "4"], operation="VM.unpause")
    )
    with pytest.raises(pywbem.CIMError, match="ERR_OUT_OF_MEMORY"):
        _change_state(ann, 1, 2)
    with pytest.raises(pywbem.CIMError, match="ERR_BAD_PARAMETER"):
        _change_state(ann, 1, 77)
    lines = _lines(audit)
    assert [line.pop("time")[:2] for line in lines] == ["20"] * 3
    assert len({line.pop("request") for line in lines}) == 3
    head = {
        "daemon": "serve",
        "operation": "RequestStateChange",
        "user": "ann",
        "peer": "127.0.0.1",
        "object": f'root/virt:{_SYSTEM}.CreationClassName="{_SYSTEM}",Name="{system_uuid(1)}"',
    }
    assert lines == [
        {**head, "outcome": "done", "parameters": {"RequestedState": 9}},
        {
            **head,
            "outcome": "failed",
            "error": "ERR_OUT_OF_MEMORY",
            "fault": "HOST_NOT_ENOUGH_FREE_MEMORY",
            "parameters": {"RequestedState": 2},
        },
        {
            **head,
            "outcome": "failed",
            "error": "ERR_BAD_PARAMETER",
            "parameters": {"RequestedState": 77},
        },
    ]


def test_an_outcome_that_nobody_saw_is_told_as_such(
    start: Start, endpoint: SimulatedEndpoint, audit: Path
) -> None:
    endpoint.refusal = HypervisorError(
        from_transport(phase="after_send", exception="ReadTimeout", operation="VM.pause")
    )
    with pytest.raises(pywbem.CIMError, match="ERR_UNABLE_TO_VERIFY_STATE"):
        _change_state(start(), 1, 9)
    [line] = _lines(audit)
    assert (line["outcome"], line["error"]) == ("unknown", "ERR_UNABLE_TO_VERIFY_STATE")


def test_a_job_leaves_a_line_when_it_begins_and_one_with_its_end(
    start: Start, endpoint: SimulatedEndpoint, audit: Path
) -> None:
    ann = start(job_after_s=0.0)
    endpoint.gate.clear()
    result, output = _change_state(ann, 1, 9)
    assert result == 4096
    [began] = _lines(audit)
    job = output["Job"]["InstanceID"].removeprefix("VirtCIM:")
    assert (began["outcome"], began["job"], began["user"]) == ("started", job, "ann")
    endpoint.gate.set()
    wait_for(lambda: len(_lines(audit)) == 2)
    ended = _lines(audit)[1]
    ended.pop("time")
    assert ended.pop("request") == began["request"]
    assert ended == {
        "daemon": "serve",
        "operation": "RequestStateChange",
        "outcome": "done",
        "user": "ann",
        "peer": "127.0.0.1",
        "object": "root/virt",
        "job": job,
        "elements": [f"{_SYSTEM} {system_uuid(1)}"],
    }
    ann.InvokeMethod("GetError", output["Job"])
    ann.DeleteInstance(output["Job"])
    [deleted] = _lines(audit)[2:]
    assert (deleted["operation"], deleted["outcome"]) == ("DeleteInstance", "done")
    assert job in deleted["object"]


def test_a_job_that_fails_says_so_at_its_end(
    start: Start, endpoint: SimulatedEndpoint, audit: Path
) -> None:
    ann = start(job_after_s=0.0)
    endpoint.refusal = HypervisorError(from_xapi(["SR_FULL", "1", "2"], operation="VM.pause"))
    endpoint.gate.clear()
    job = _change_state(ann, 1, 9)[1]["Job"]["InstanceID"].removeprefix("VirtCIM:")
    endpoint.gate.set()
    wait_for(lambda: len(_lines(audit)) == 2)
    ended = _lines(audit)[1]
    assert (ended["job"], ended["outcome"], ended["error"], ended["fault"]) == (
        job,
        "failed",
        "ERR_OUT_OF_DISK_SPACE",
        "SR_FULL",
    )


def test_a_job_of_an_earlier_server_still_has_the_line_of_its_end(
    start: Start, endpoint: SimulatedEndpoint, audit: Path, schema: Schema, tmp_path: Path
) -> None:
    endpoint.task_ref = ""
    endpoint.gate.clear()
    first = Providers((endpoint,), schema, state=str(tmp_path / "state"), job_after_s=0.0)
    begun = first.invoke_method(system_path(1), "RequestStateChange", {"RequestedState": 9})
    assert begun.return_value == 4096
    first.close()
    start()
    [ended] = _lines(audit)
    assert (ended["outcome"], ended["error"]) == ("unknown", "ERR_UNABLE_TO_VERIFY_STATE")
    assert str(begun.output["Job"]).count(ended["job"]) == 1
    assert "user" not in ended


def test_who_comes_leaves_a_line_and_none_with_each_request(start: Start, audit: Path) -> None:
    url = start().url
    for user in ("ann", "bob", "ann"):
        with pywbem.WBEMConnection(url, (user, "right"), "root/virt") as connection:
            for _ in range(3):
                connection.EnumerateClassNames()
    lines = _all_lines(audit)
    assert [line.pop("time")[:2] for line in lines] == ["20"] * 2
    assert len({line.pop("request") for line in lines}) == 2
    login = {"daemon": "serve", "operation": "login", "outcome": "done", "by": "password"}
    assert lines == [{**login, "user": user, "peer": "127.0.0.1"} for user in ("ann", "bob")]
    assert "right" not in audit.read_text()


def test_who_is_refused_leaves_a_line(start: Start, audit: Path) -> None:
    bob = start(user="bob")
    with pytest.raises(pywbem.CIMError, match="ERR_ACCESS_DENIED"):
        _change_state(bob, 1, 9)
    eve = pywbem.WBEMConnection(bob.url, ("eve\n{}", "wrong"), "root/virt")
    with pytest.raises(pywbem.AuthError):
        eve.EnumerateClassNames()
    eve.close()
    denied, login = _lines(audit)
    assert (denied["user"], denied["outcome"], denied["error"]) == (
        "bob",
        "refused",
        "ERR_ACCESS_DENIED",
    )
    assert (login["operation"], login["user"], login["outcome"]) == (
        "login",
        "eve\n{}",
        "refused",
    )
    assert "wrong" not in audit.read_text()
