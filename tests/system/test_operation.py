"""The daemons as those see them who keep them running: readiness, metrics, and one log for both."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import pywbem
import requests
import XenAPI
from daemons import Daemon
from prometheus_client.parser import text_string_to_metric_families

from tests.system.stack import xenapi_session
from tests.system.test_daemon_commands import generated_password
from tests.system.waiting import wait_for

_TIMEOUT_S = 120.0


def samples(text: str) -> dict[tuple[str, ...], float]:
    """The samples by their names and the values of their labels."""
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _scraped(daemon: Daemon, **options: object) -> dict[tuple[str, ...], float]:
    response = requests.get(f"{daemon.url}/metrics", timeout=_TIMEOUT_S, **options)  # type: ignore[arg-type]
    assert response.status_code == 200, response.text
    return samples(response.text)


def _lines(daemon: Daemon) -> list[dict[str, str]]:
    """The log, without what is said to whoever starts the daemon."""
    return [
        json.loads(line) for line in daemon.log.read_text().splitlines() if line.startswith("{")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Both:
    """A server over its toolstack, and a user of each."""

    server: Daemon
    toolstack: Daemon
    socket: Path
    user: tuple[str, str]
    toolstack_user: tuple[str, str]

    @property
    def ready(self) -> requests.Response:
        return requests.get(f"{self.server.url}/readyz", timeout=_TIMEOUT_S)


@pytest.fixture(scope="module")
def both(stack_directory: Path) -> Iterator[_Both]:
    with ExitStack() as stack:
        directory = stack_directory / "operation"
        directory.mkdir()
        socket = directory / "toolstack.sock"
        common = ("--listen", "http://127.0.0.1:0", "--log-format", "json")
        toolstack = stack.enter_context(
            Daemon(
                *("toolstack", "--libvirt", "test:///default", *common),
                *("--listen", f"unix:{socket}", "--state", str(directory / "toolstack")),
                log=directory / "toolstack.log",
            )
        )
        server = stack.enter_context(
            Daemon(
                *("serve", "--hypervisor", f"xapi+unix://{socket}", *common),
                *("--state", str(directory / "serve"), "--job-after", "600"),
                log=directory / "serve.log",
            )
        )
        made = _Both(
            server=server,
            toolstack=toolstack,
            socket=socket,
            user=generated_password(server),
            toolstack_user=generated_password(toolstack),
        )
        wait_for(lambda: made.ready, lambda response: response.ok, "the first inventory")
        with pywbem.WBEMConnection(server.url, made.user, default_namespace="root/virt") as client:
            [path] = client.EnumerateInstanceNames("VirtCIM_ComputerSystem")
            client.GetInstance(path)
            client.InvokeMethod("RequestStateChange", path, RequestedState=pywbem.Uint16(3))
        yield made


def test_both_are_alive_and_ready_and_keep_their_metrics(both: _Both) -> None:
    for daemon in (both.server, both.toolstack):
        assert requests.get(f"{daemon.url}/healthz", timeout=_TIMEOUT_S).text == "ok\n"
        assert requests.get(f"{daemon.url}/metrics", timeout=_TIMEOUT_S).status_code == 401
    assert requests.get(f"{both.toolstack.url}/readyz", timeout=_TIMEOUT_S).json() == {
        "ready": True,
        "connections": {"libvirt": {"state": "connected"}},
    }


def test_the_documentation_names_all_metrics_and_no_others(both: _Both) -> None:
    page = Path(__file__).parents[2] / "docs" / "operation.md"
    rows = [line for line in page.read_text().splitlines() if line.startswith("| `virtcim_")]
    documented = {name for row in rows for name in re.findall("`(virtcim_[a-z_]+)`", row)}
    shown: set[str] = set()
    for daemon, user in ((both.server, both.user), (both.toolstack, both.toolstack_user)):
        text = requests.get(f"{daemon.url}/metrics", auth=user, timeout=_TIMEOUT_S).text
        shown |= set(re.findall(r"^# TYPE (virtcim_\w+)", text, re.MULTILINE))
    assert documented == shown


def test_metrics_tell_of_a_server_and_its_hypervisor(both: _Both) -> None:
    seen = _scraped(both.server, auth=both.user)
    assert seen["virtcim_cim_operations_total", "GetInstance", "success"] == 1
    assert seen["virtcim_cim_operations_total", "RequestStateChange", "success"] == 1
    assert seen["virtcim_inventory_connected", "root/virt"] == 1
    assert 0 <= seen["virtcim_inventory_age_seconds", "root/virt"] < 60
    assert seen["virtcim_inventory_objects", "virtual_system", "root/virt"] == 1
    assert seen["virtcim_indication_queue_deliveries",] == 0
    assert seen["virtcim_limits_reached_total", "concurrent-requests"] == 0
    assert seen["virtcim_limits_reached_total", "head-timeout"] == 0
    assert any(name[:2] == ("virtcim_build_info", "serve") for name in seen)
    assert seen["process_cpu_seconds_total",] > 0
    failed = seen["virtcim_logins_failed_total",]
    requests.get(f"{both.server.url}/metrics", auth=("nobody", "x"), timeout=_TIMEOUT_S)
    assert _scraped(both.server, auth=both.user)["virtcim_logins_failed_total",] == failed + 1


def test_metrics_tell_of_a_toolstack_and_its_libvirt(both: _Both) -> None:
    with xenapi_session(both.socket) as session:
        # The names that clients make up are no labels, and no memory.
        for number in range(20):
            with pytest.raises(XenAPI.Failure, match="MESSAGE_METHOD_UNKNOWN"):
                session.xenapi_request(f"made.up{number}", ())
    seen = _scraped(both.toolstack, auth=both.toolstack_user)
    assert seen["virtcim_libvirt_connected",] == 1
    assert seen["virtcim_sessions",] == 1
    assert seen["virtcim_objects", "VM"] == 1
    limits = {name[1] for name in seen if name[0] == "virtcim_limits_reached_total"}
    assert limits >= {"sessions", "tasks", "notes-bytes", "turn-timeout", "request-bytes"}
    assert seen["virtcim_xenapi_calls_total", "Async.VM.hard_shutdown", "success"] == 1
    assert seen["virtcim_xenapi_calls_total", "unknown", "failure"] == 20
    assert seen["virtcim_xenapi_failures_total", "MESSAGE_METHOD_UNKNOWN"] == 20
    assert not any("made.up" in "".join(name) for name in seen)


def test_what_a_request_did_is_found_by_its_number(both: _Both) -> None:
    given = "4bf92f3577b34da6a3ce929d0e0e4736"
    refused = requests.post(
        both.server.url,
        data=_get_instance_of_nothing(),
        headers={
            "Content-Type": "application/xml",
            "CIMOperation": "MethodCall",
            "X-Request-Id": given,
        },
        auth=both.user,
        timeout=_TIMEOUT_S,
    )
    assert refused.headers["X-Request-Id"] == given
    [told] = [line for line in _lines(both.server) if line.get("request") == given]
    assert told["user"] == both.user[0]
    assert "GetInstance" in told["message"]
    [changed] = _audited(both.server, "RequestStateChange")
    assert changed["request"]
    # A task goes on with the number of the call that began it.
    begun, done = _audited(both.toolstack, "VM.hard_shutdown")
    assert (begun["outcome"], done["outcome"]) == ("started", "done")
    assert begun["request"] == done["request"]


def test_a_server_without_its_toolstack_is_not_ready(both: _Both) -> None:
    """The last of them, as the toolstack has ended then."""
    both.toolstack.stop()
    lost = wait_for(
        lambda: both.ready, lambda response: response.status_code == 503, "the loss of a toolstack"
    )
    assert lost.json()["connections"] == {
        "root/virt": {"state": "disconnected", "error": "ERR_COMMUNICATION_NOT_ESTABLISHED"}
    }
    # Whoever need not log in is not told where anything is, nor what runs there.
    assert not re.search(rf"{both.socket}|xapi|[0-9]+\.[0-9]+", lost.text)
    seen = _scraped(both.server, auth=both.user)
    assert seen["virtcim_inventory_connected", "root/virt"] == 0
    assert ("virtcim_inventory_age_seconds", "root/virt") not in seen


def _audited(daemon: Daemon, operation: str) -> list[dict[str, str]]:
    """The audit lines of an operation."""
    audited = [
        json.loads(line["message"]) for line in _lines(daemon) if line["logger"] == "virtcim.audit"
    ]
    return [line for line in audited if line["operation"] == operation]


def _get_instance_of_nothing() -> str:
    return (
        '<?xml version="1.0"?><CIM CIMVERSION="2.0" DTDVERSION="2.0"><MESSAGE ID="1" '
        'PROTOCOLVERSION="1.0"><SIMPLEREQ><IMETHODCALL NAME="GetInstance"><LOCALNAMESPACEPATH>'
        '<NAMESPACE NAME="root"/><NAMESPACE NAME="virt"/></LOCALNAMESPACEPATH><IPARAMVALUE '
        'NAME="InstanceName"><INSTANCENAME CLASSNAME="VirtCIM_ComputerSystem"><KEYBINDING '
        'NAME="CreationClassName"><KEYVALUE>VirtCIM_ComputerSystem</KEYVALUE></KEYBINDING>'
        '<KEYBINDING NAME="Name"><KEYVALUE>nothing</KEYVALUE></KEYBINDING></INSTANCENAME>'
        "</IPARAMVALUE></IMETHODCALL></SIMPLEREQ></MESSAGE></CIM>"
    )
