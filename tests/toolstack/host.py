"""A simulated host for libvirt's test driver, and a toolstack over it behind a real socket."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest
import XenAPI

from tests.wire.serving import serving
from virtcim.toolstack import Toolstack, ToolstackOptions
from virtcim.toolstack.following.reconcile import Reconciliation
from virtcim.wire.application import ASGIApp, Receive, Scope, Send

__all__ = [
    "DEADLINE_S",
    "Host",
    "Switch",
    "domain_uuid",
    "events",
    "failure",
    "finished",
    "host_xml",
    "ignore_shutdown",
    "only",
    "reconcile",
    "running_host",
    "switchable_server",
    "vm_record",
    "wait_for",
]

DEADLINE_S = 60.0
NULL = "OpaqueRef:NULL"
_NAMES = UUID("5a1d7c5e-2f0e-4b53-8f0e-0b8a86a0d3c1")


def domain_uuid(name: str) -> str:
    """The UUID of a domain of ``host_xml``."""
    return str(uuid5(_NAMES, name))


def _domain(name: str, state: int) -> str:
    return (
        "<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>"
        f"<test:runstate>{state}</test:runstate><name>{name}</name><uuid>{domain_uuid(name)}</uuid>"
        "<memory unit='MiB'>256</memory><currentMemory unit='MiB'>128</currentMemory>"
        "<vcpu current='1'>2</vcpu><os><type>hvm</type><boot dev='hd'/></os><devices>"
        f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='/images/{name}.qcow2'/>"
        "<target dev='vda' bus='virtio'/></disk>"
        "<interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/>"
        "</interface></devices></domain>"
    )


def host_xml(*, running: tuple[str, ...] = ("runs",), halted: tuple[str, ...] = ("rests",)) -> str:
    """A host with a network, a storage pool of 100 GiB and the named domains."""
    return (
        "<node><cpu><mhz>2600</mhz><model>x86_64</model><active>4</active><nodes>1</nodes>"
        "<sockets>1</sockets><cores>4</cores><threads>1</threads></cpu><memory>8388608</memory>"
        "<network><name>default</name><uuid>b9b9b5d4-3f24-4c3b-8b8e-8a53a9bd2b11</uuid>"
        "<forward mode='nat'/><bridge name='virbr0'/>"
        "<ip address='192.168.122.1' netmask='255.255.255.0'/></network>"
        "<pool type='dir'><name>default</name><uuid>0a7b2f56-6f58-4f0a-9f77-1d9a5b7b6c22</uuid>"
        "<target><path>/images</path></target></pool>"
        + "".join(_domain(name, 1) for name in running)
        + "".join(_domain(name, 5) for name in halted)
        + "</node>"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A running toolstack; ``libvirt`` is its own connection, to change things behind its back."""

    toolstack: Toolstack
    url: str

    @property
    def libvirt(self) -> Any:
        return self.toolstack._connection.handle

    def login(self) -> XenAPI.Session:
        session = XenAPI.Session(self.url)
        session.login_with_password("root", "", "1.0", "tests")
        return session


def reconcile(host: Host) -> None:
    """Look at everything now, as the toolstack does by itself every few seconds."""
    toolstack = host.toolstack
    for _ in Reconciliation(toolstack._inventory, toolstack._connection, reconcile_s=60.0).round():
        pass


def ignore_shutdown(host: Host) -> None:
    """Let the guests of this host ignore shutdown: the test driver's own always follow."""
    connection = host.toolstack._connection
    call = connection.call

    def deaf(function: Callable[..., Any], *arguments: object) -> Any:
        if getattr(function, "__name__", "") == "shutdown":
            return 0
        return call(function, *arguments)

    connection.call = deaf  # type: ignore[method-assign]


class Switch:
    """A server that outlives its toolstacks: starting and stopping one takes its time."""

    def __init__(self) -> None:
        self.application: ASGIApp | None = None
        self.url = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.application is not None
        await self.application(scope, receive, send)


@contextmanager
def switchable_server() -> Iterator[Switch]:
    """Serve whatever toolstack is switched to."""
    switch = Switch()
    with serving(switch) as port:
        switch.url = f"http://127.0.0.1:{port}"
        yield switch


@contextmanager
def running_host(uri: str, switch: Switch | None = None, **options: Any) -> Iterator[Host]:
    """Run a toolstack over that libvirt until the end of the block.

    Clients may name any path, unless the test says which.
    """
    options.setdefault("image_directories", ("/",))
    toolstack = Toolstack(ToolstackOptions(libvirt_uri=uri, **options))
    toolstack.start()
    try:
        toolstack.wait_connected(DEADLINE_S)
        with switchable_server() if switch is None else nullcontext(switch) as server:
            server.application = toolstack.application
            yield Host(toolstack=toolstack, url=server.url)
    finally:
        toolstack.stop()


def write_host(path: Path, **domains: tuple[str, ...]) -> str:
    """Write a host description and give its URI."""
    path.write_text(host_xml(**domains))
    return f"test://{path}"


def vm_record(name: str, **fields: Any) -> dict[str, Any]:
    """What VM.create takes."""
    return {
        "name_label": name,
        "memory_static_max": str(128 << 20),
        "VCPUs_max": "2",
        "VCPUs_at_startup": "1",
        **fields,
    }


def failure(call: Callable[..., Any], *arguments: Any) -> list[str]:
    """Make a call that must fail, and give its ErrorDescription."""
    with pytest.raises(XenAPI.Failure) as caught:
        call(*arguments)
    details: list[str] = caught.value.details
    assert all(isinstance(item, str) for item in details)
    return details


def only(session: XenAPI.Session, class_name: str, label: str) -> str:
    """The reference of the one object with that name_label."""
    [ref] = getattr(session.xenapi, class_name).get_by_name_label(label)
    return str(ref)


def events(
    session: XenAPI.Session, classes: list[str], token: str = "", timeout_s: float = 0.0
) -> dict[str, Any]:
    """XenAPI event.from, which Python cannot spell."""
    batch: dict[str, Any] = getattr(session.xenapi.event, "from")(classes, token, timeout_s)
    return batch


def finished(session: XenAPI.Session, task: str) -> dict[str, Any]:
    """Wait for the end of a task by events, and give its record."""
    token = ""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        record: dict[str, Any] = session.xenapi.task.get_record(task)
        if record["status"] not in {"pending", "cancelling"}:
            return record
        token = events(session, [f"task/{task}"], token, DEADLINE_S)["token"]
    raise AssertionError(f"{record} did not end")


def wait_for(
    session: XenAPI.Session, classes: list[str], condition: Callable[[], bool], what: str
) -> None:
    """Look at a condition after each event until it holds."""
    token = ""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited for {what}"
        token = events(session, classes, token, 1.0)["token"]
