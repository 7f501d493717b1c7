"""A small XenAPI server over the real wire: tables of records, events, and calls to order."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from tests.wire.serving import DEADLINE_S, serving
from virtcim.errormap import HypervisorError
from virtcim.hypervisor import Inventory, XenApiEndpoint
from virtcim.hypervisor.credentials import Credentials
from virtcim.hypervisor.xenapi.session import connector
from virtcim.wire import ClientInfo, XmlRpcApplication, parse_endpoint_url
from virtcim.wire.application import ASGIApp, Receive, Scope, Send

GIB = 2**30
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NULL = "OpaqueRef:NULL"

#: A text that is no XML any more when it arrives.
SPOILS_XML = "SPOILS-XML"

Record = dict[str, Any]


class Refusal(Exception):  # noqa: N818 - an answer, not an error of the test
    """The call is answered with this ErrorDescription."""

    def __init__(self, *description: str) -> None:
        self.description = list(description)


class XenApiServer:
    """What a toolstack holds, and how it answers; ``orders`` replace the answer of a method.

    Whoever serves it fails at the end for calls that it has not and that are not ``unknown``.
    """

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Record]] = {
            name: {}
            for name in (
                *("pool", "host", "host_metrics", "host_cpu", "network", "SR", "PBD", "VDI"),
                *("VM", "VM_metrics", "VBD", "VIF", "console", "task"),
            )
        }
        self.events: list[tuple[int, str, str, str]] = []
        self.token = 0
        self.calls: Counter[str] = Counter()
        self.orders: dict[str, Callable[..., Any]] = {}
        self.sessions: set[str] = set()
        self.unknown: set[str] = set()  # calls that this server is expected not to have
        self.surprises: list[str] = []  # calls of nobody's order
        self.frozen = False  # events are held back
        self.password = ""

    def put(self, class_name: str, ref: str, **fields: Any) -> str:
        """Add an object or change fields of one."""
        table = self.tables[class_name]
        operation = "mod" if ref in table else "add"
        table[ref] = {**table.get(ref, {"uuid": ref.removeprefix("OpaqueRef:")}), **fields}
        self._happened(class_name, operation, ref)
        return ref

    def remove(self, class_name: str, ref: str) -> None:
        """Remove an object."""
        del self.tables[class_name][ref]
        self._happened(class_name, "del", ref)

    def _happened(self, class_name: str, operation: str, ref: str) -> None:
        self.token += 1
        self.events.append((self.token, class_name, operation, ref))

    async def dispatch(self, method: str, params: list[Any], client: ClientInfo) -> object:
        """Answer one call in XenAPI's envelope."""
        self.calls[method] += 1
        try:
            value = self._answer(method, params, client)
            if asyncio.iscoroutine(value):
                value = await value
        except Refusal as exc:
            return {"Status": "Failure", "ErrorDescription": exc.description}
        return {"Status": "Success", "Value": value}

    def _answer(self, method: str, params: list[Any], client: ClientInfo) -> Any:
        if method == "session.login_with_password":
            return self._log_in(*params)
        if params[0] not in self.sessions:
            raise Refusal("SESSION_INVALID", params[0])
        if method in self.orders:
            return self.orders[method](*params[1:])
        if method == "event.from":
            return self._events_from(*params[1:], client)
        if method == "event.inject":
            self._happened(params[1], "mod", params[2])
            return f"{self.token:020}"
        class_name, _, call = method.partition(".")
        if call.startswith("get_"):
            return self._read(class_name, call, *params[1:])
        if call == "destroy":
            return self._destroy(class_name, params[1])
        if call == "remove_from_other_config":
            return self._remove_note(class_name, *params[1:])
        if method == "session.logout":
            self.sessions.discard(params[0])
            return ""
        return self._refuse_unknown(method, params)

    def _read(self, class_name: str, call: str, *params: Any) -> Any:
        if call == "get_all_records":
            return self.tables[class_name]
        if call == "get_all":
            return list(self.tables[class_name])
        if call == "get_record":
            return self._record(class_name, params[0])
        if call.startswith("get_by_uuid"):
            return self._by_uuid(class_name, params[0])
        return self._record(class_name, params[0])[call.removeprefix("get_")]

    def _destroy(self, class_name: str, ref: str) -> str:
        self._record(class_name, ref)
        self.remove(class_name, ref)
        return ""

    def _remove_note(self, class_name: str, ref: str, key: str) -> str:
        notes = self._record(class_name, ref)["other_config"]
        self.put(class_name, ref, other_config={k: v for k, v in notes.items() if k != key})
        return ""

    def _refuse_unknown(self, method: str, params: list[Any]) -> None:
        if method not in self.unknown:
            self.surprises.append(f"{method}{tuple(params[1:])}")
        raise Refusal("MESSAGE_METHOD_UNKNOWN", method)

    def _log_in(self, user: str, password: str, *_rest: str) -> str:
        if "session.login_with_password" in self.orders:
            self.orders["session.login_with_password"](user, password)
        if password != self.password:
            raise Refusal("SESSION_AUTHENTICATION_FAILED", user, "Authentication failure")
        session = f"OpaqueRef:session-{self.calls['session.login_with_password']}"
        self.sessions.add(session)
        return session

    def _record(self, class_name: str, ref: str) -> Record:
        try:
            return self.tables[class_name][ref]
        except KeyError:
            raise Refusal("HANDLE_INVALID", class_name, ref) from None

    def _by_uuid(self, class_name: str, uuid: str) -> str:
        for ref, record in self.tables[class_name].items():
            if record["uuid"] == uuid:
                return ref
        raise Refusal("UUID_INVALID", class_name, uuid)

    async def _events_from(
        self, classes: list[str], token: str, timeout_s: float, client: ClientInfo
    ) -> Record:
        wanted = {name.lower() for name in classes}
        if not token:
            return {"events": [], "token": f"{self.token:020}", "valid_ref_counts": {}}
        deadline = asyncio.get_running_loop().time() + timeout_s
        while not client.disconnected.is_set():
            new = [] if self.frozen else [one for one in self.events if one[0] > int(token)]
            shown = [self._event(*one) for one in new if one[1].lower() in wanted]
            if shown or asyncio.get_running_loop().time() > deadline:
                newest = f"{new[-1][0]:020}" if new else token
                return {"events": shown, "token": newest, "valid_ref_counts": {}}
            await asyncio.sleep(0.005)
        return {"events": [], "token": token, "valid_ref_counts": {}}

    def _event(self, token: int, class_name: str, operation: str, ref: str) -> Record:
        event: Record = {
            "id": str(token),
            "timestamp": "0.0",
            "class": class_name.lower(),
            "operation": operation,
            "ref": ref,
        }
        record = self.tables[class_name].get(ref)
        if record is None:
            event["operation"] = "del"
        else:
            event["snapshot"] = copy.deepcopy(record)
        return event

    def task(self, method: str, end: Callable[..., None]) -> None:
        """Order ``Async.<method>``: a task that ``end(task_ref, *params)`` brings to its end."""

        def begin(*params: Any) -> str:
            ref = f"OpaqueRef:task-{self.token}"
            self.put(
                "task",
                ref,
                name_label=f"Async.{method}",
                status="pending",
                progress=0.0,
                created=EPOCH,
                finished=EPOCH,
                result="",
                error_info=[],
            )
            end(ref, *params)
            return ref

        self.orders[f"Async.{method}"] = begin

    def end_task(self, ref: str, *error_info: str, result: str = "") -> None:
        """Let a task succeed, or fail with ``error_info``."""
        status = "failure" if error_info else "success"
        self.put("task", ref, status=status, progress=1.0, error_info=[*error_info], result=result)

    def furnish(self) -> None:
        """One host with storage, a network and two virtual machines, one of them a template."""
        self.put("pool", "OpaqueRef:pool", master="OpaqueRef:host")
        self.put(
            "host",
            "OpaqueRef:host",
            name_label="north",
            hostname="north.example",
            enabled=True,
            metrics="OpaqueRef:hm",
            cpu_info={"cpu_count": "2", "vendor": "GenuineIntel", "modelname": "Xeon"},
            software_version={"product_brand": "test"},
        )
        self.put(
            "host_metrics",
            "OpaqueRef:hm",
            live=True,
            memory_total=str(64 * GIB),
            memory_free=str(10 * GIB),
        )
        self.put("host_cpu", "OpaqueRef:cpu0", host="OpaqueRef:host", number="0", speed="2400")
        self.put("network", "OpaqueRef:net", name_label="lan", bridge="br0", MTU="1500")
        self.put(
            "SR",
            "OpaqueRef:sr",
            name_label="store",
            type="dir",
            physical_size=str(100 * GIB),
            physical_utilisation="-1",
        )
        self.put(
            "PBD",
            "OpaqueRef:pbd",
            SR="OpaqueRef:sr",
            host="OpaqueRef:host",
            currently_attached=True,
            device_config={"location": "/store"},
        )
        self.put("SR", "OpaqueRef:paths", name_label="paths", type="path")
        self.put(
            "VDI",
            "OpaqueRef:vdi",
            name_label="disk",
            SR="OpaqueRef:sr",
            virtual_size=str(8 * GIB),
            location="/store/disk.qcow2",
            sm_config={"type": "qcow2"},
        )
        self.put_vm("one", metrics="OpaqueRef:m")
        self.put("VM_metrics", "OpaqueRef:m", memory_actual="0", VCPUs_number="0", start_time=EPOCH)
        self.put_vm("template", is_a_template=True)
        self.put(
            "VBD",
            "OpaqueRef:vbd",
            VM="OpaqueRef:one",
            VDI="OpaqueRef:vdi",
            userdevice="vda",
            type="Disk",
            mode="RW",
        )
        self.put(
            "VIF",
            "OpaqueRef:vif",
            VM="OpaqueRef:one",
            network="OpaqueRef:net",
            device="0",
            MAC="52:54:00:00:00:0A",
        )

    def put_vm(self, name: str, **fields: Any) -> str:
        """Add a halted virtual machine; its uuid and reference are made of its name."""
        record = {
            "uuid": name,
            "name_label": name,
            "power_state": "Halted",
            "memory_static_max": str(4 * GIB),
            "memory_dynamic_max": str(4 * GIB),
            "VCPUs_max": "2",
            "VCPUs_at_startup": "2",
            "resident_on": NULL,
            "HVM_boot_policy": "BIOS order",
            "HVM_boot_params": {"order": "cd"},
            "other_config": {},
        }
        return self.put("VM", f"OpaqueRef:{name}", **(record | fields))

    @contextlib.contextmanager
    def running(self, sock: socket.socket | None = None) -> Iterator[int]:
        """Serve on a loopback port and give it."""
        with serving(_spoiling(XmlRpcApplication(self.dispatch)), sock) as port:
            yield port
        assert not self.surprises, f"not expected: {self.surprises}"


def _spoiling(application: ASGIApp) -> ASGIApp:
    """Serve what an application serves, but XML that is not well-formed where a text spoils it."""
    spoilt = b"\x01" * len(SPOILS_XML)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_spoilt(message: Any) -> None:
            if "body" in message:
                message = {**message, "body": message["body"].replace(SPOILS_XML.encode(), spoilt)}
            await send(message)

        await application(scope, receive, send_spoilt)

    return serve


@contextlib.contextmanager
def endpoint_of(port: int, **options: Any) -> Iterator[XenApiEndpoint]:
    """An endpoint that has connected, or has failed to."""
    with endpoint_at(f"xapi+http://127.0.0.1:{port}", **options) as endpoint:
        yield endpoint


@contextlib.contextmanager
def endpoint_at(url: str, **options: Any) -> Iterator[XenApiEndpoint]:
    """An endpoint that has connected, or has failed to."""
    endpoint = XenApiEndpoint(
        parse_endpoint_url(url),
        credentials=options.pop("credentials", Credentials()),
        connect=connector(connect_timeout_s=2.0, read_timeout_s=DEADLINE_S),
        **options,
    )
    try:
        assert endpoint.wait_attempted(DEADLINE_S)
        yield endpoint
    finally:
        endpoint.close()


def eventually(endpoint: XenApiEndpoint, holds: Callable[[Inventory], bool]) -> Inventory:
    """Wait until the inventory is as wanted."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            inventory = endpoint.inventory()
            if holds(inventory):
                return inventory
        except HypervisorError:
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


def failing(endpoint: XenApiEndpoint) -> HypervisorError:
    """Wait until reads fail, and give the failure."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        try:
            endpoint.inventory()
        except HypervisorError as exc:
            return exc
        threading.Event().wait(0.005)
    raise AssertionError("reads go on working")
