"""Answers that cannot be used cost only what they are about: a lost connection is another thing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.hypervisor.test_odd_records import problems
from tests.hypervisor.xenapi_server import GIB, SPOILS_XML, XenApiServer, endpoint_of, eventually
from virtcim.errormap import ErrorCode, HypervisorError, translate
from virtcim.hypervisor import Inventory, PowerOperation, VirtualSystemSpec, XenApiEndpoint
from virtcim.hypervisor.xenapi.records import PARTS

# Where the inventory has the objects of a class, as far as they are objects of their own.
KINDS = {
    "host": "hosts",
    "network": "networks",
    "SR": "storage_repositories",
    "VDI": "disk_images",
    "VM": "virtual_systems",
}
DEVICES = {"VBD": "disks", "VIF": "network_ports", "console": "consoles"}
OWNERS = {
    **dict.fromkeys((*DEVICES, "VM_metrics"), "virtual_systems"),
    "PBD": "storage_repositories",
    "host_metrics": "hosts",
    "host_cpu": "hosts",
}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("virtcim.hypervisor.xenapi.follower._LOOK_AGAIN_S", 0.05)
    monkeypatch.setattr("virtcim.hypervisor.xenapi.follower._POLL_S", 0.1)


@pytest.fixture
def server() -> XenApiServer:
    server = XenApiServer()
    server.furnish()
    server.put("console", "OpaqueRef:console", VM="OpaqueRef:one", protocol="rfb", location="x")
    return server


@pytest.fixture
def always_connected(
    server: XenApiServer, caplog: pytest.LogCaptureFixture
) -> Iterator[XenApiEndpoint]:
    """An endpoint whose connection is never lost."""
    with caplog.at_level(logging.INFO), server.running() as port, endpoint_of(port) as endpoint:
        yield endpoint
        endpoint.inventory()
    assert not [text for text in caplog.messages if "connection lost" in text]


def spoil(server: XenApiServer, class_name: str, *, also_names: bool = True) -> Callable[[], None]:
    """Let a class not be read; gives what ends that."""
    methods = [f"{class_name}.get_all_records", *([f"{class_name}.get_all"] * also_names)]
    for method in methods:
        server.orders[method] = lambda: SPOILS_XML

    def end() -> None:
        for method in methods:
            del server.orders[method]

    return end


def refusal(look: Callable[[], object]) -> HypervisorError:
    with pytest.raises(HypervisorError) as caught:
        look()
    return caught.value


def test_an_object_that_spoils_the_answer_for_its_class_costs_only_itself(
    server: XenApiServer,
) -> None:
    server.put_vm("odd", name_description=SPOILS_XML)
    with server.running() as port, endpoint_of(port) as endpoint:
        now = endpoint.inventory()
        assert set(now.virtual_systems) == {"one"}
        assert now.virtual_systems["one"].problem == ""
        assert "VM OpaqueRef:odd is left out" in now.hosts["host"].left_out
        server.put("VM", "OpaqueRef:odd", name_description="mended")
        now = eventually(endpoint, lambda now: set(now.virtual_systems) == {"one", "odd"})
        assert not any(problems(now))


def test_an_object_that_becomes_odd_hides_no_change_of_others(
    server: XenApiServer, always_connected: XenApiEndpoint
) -> None:
    server.put_vm("odd")
    eventually(always_connected, lambda now: "odd" in now.virtual_systems)
    for number in range(3):
        server.put("VM", "OpaqueRef:odd", name_description=f"{number} {SPOILS_XML}")
        server.put("VM", "OpaqueRef:one", name_description=f"number {number}")
        server.put("network", "OpaqueRef:net", name_label=f"lan {number}")
        now = eventually(
            always_connected,
            lambda now, n=number: (  # type: ignore[misc]
                now.virtual_systems["one"].name_description == f"number {n}"
                and now.networks["net"].name_label == f"lan {n}"
                and "OpaqueRef:odd is left out" in now.hosts["host"].left_out
            ),
        )
        assert set(now.virtual_systems) == {"one"}
    server.remove("VM", "OpaqueRef:odd")
    eventually(always_connected, lambda now: not any(problems(now)))


@pytest.mark.parametrize(
    "event",
    [7, {}, {"class": "vm"}, {"class": 7, "operation": "mod", "ref": "OpaqueRef:one"}],
    ids=repr,
)
def test_an_event_of_unknown_form_hides_nothing(
    server: XenApiServer, always_connected: XenApiEndpoint, event: object
) -> None:
    usual = server._events_from

    async def odd(classes: list[str], *rest: Any) -> Any:
        batch = await usual(classes, *rest)
        if len(classes) > 1 and batch["events"]:
            batch["events"] = [event]
            sent.set()
        return batch

    sent = threading.Event()
    server._events_from = odd  # type: ignore[method-assign]
    # The poll that waits already is still answered as usual.
    for number in range(2):
        server.put("VM", "OpaqueRef:one", name_description=f"number {number}")
        now = eventually(
            always_connected,
            lambda now, n=number: now.virtual_systems["one"].name_description == f"number {n}",  # type: ignore[misc]
        )
    assert sent.is_set()
    assert not any(problems(now))


def known(inventory: Inventory, class_name: str) -> Any:
    if class_name in KINDS:
        return getattr(inventory, KINDS[class_name])
    return getattr(inventory.virtual_systems["one"], DEVICES[class_name])


@pytest.mark.parametrize("class_name", [*KINDS, *DEVICES])
def test_what_was_never_read_is_refused_and_not_empty(
    server: XenApiServer, class_name: str
) -> None:
    mend = spoil(server, class_name)
    with server.running() as port, endpoint_of(port) as endpoint:
        now = endpoint.inventory()
        unknown = known(now, class_name)
        for look in (
            lambda: list(unknown),
            lambda: len(unknown),
            lambda: [*unknown],
            lambda: bool(unknown),
            lambda: "x" in unknown,
            lambda: unknown[0],
        ):
            fault = refusal(look).fault
            assert fault.operation == f"{class_name}.get_all_records"
            assert translate(fault).code is ErrorCode.ERR_UNKNOWN
            assert f"the objects of class {class_name} cannot be read: " in fault.text
            assert fault.text.isprintable()
        others = {name: kind for name, kind in KINDS.items() if name != class_name}
        assert all(len(getattr(now, kind)) for kind in others.values())
        said = f"the objects of class {class_name} cannot be read"
        assert any(said in one for one in now.problems.values())
        if class_name != "host":
            assert said in now.hosts["host"].left_out
        if class_name in DEVICES:
            assert said in now.virtual_systems["one"].problem
        mend()
        now = eventually(endpoint, lambda now: not now.problems)
        assert len(known(now, class_name)) > 0
        assert not any(problems(now))


@pytest.mark.parametrize("class_name", [name for name in PARTS if name not in ("task", "pool")])
def test_what_was_known_before_stays_and_says_that_it_is_old(
    server: XenApiServer, always_connected: XenApiEndpoint, class_name: str
) -> None:
    mend = spoil(server, class_name)
    server.sessions.clear()
    said = f"the objects of class {class_name} cannot be read"
    now = eventually(always_connected, lambda now: class_name in now.problems)
    assert said in now.problems[class_name]
    kind = KINDS.get(class_name) or OWNERS[class_name]
    assert all(said in one.problem for one in getattr(now, kind).values())
    one = now.virtual_systems["one"]
    assert (len(one.disks), len(one.network_ports), len(one.consoles)) == (1, 1, 1)
    server.put("VDI", "OpaqueRef:vdi", name_label="changed")
    eventually(always_connected, lambda now: now.disk_images["vdi"].name_label == "changed")
    mend()
    now = eventually(always_connected, lambda now: not now.problems)
    assert not any(problems(now))


def test_a_class_that_the_server_refuses_to_tell_of_costs_no_other(
    server: XenApiServer, always_connected: XenApiEndpoint
) -> None:
    """A record that XAPI itself cannot make, for example."""
    mend = spoil(server, "console", also_names=False)
    server.sessions.clear()
    eventually(always_connected, lambda _: server.calls["console.get_record"] > 0)
    assert not any(problems(always_connected.inventory()))
    assert len(always_connected.inventory().virtual_systems["one"].consoles) == 1
    mend()


def test_a_server_of_which_nothing_can_be_read_is_a_lost_connection(server: XenApiServer) -> None:
    server.orders["event.from"] = lambda *_: SPOILS_XML
    with server.running() as port, endpoint_of(port) as endpoint:
        assert refusal(endpoint.inventory).fault.operation == "event.from"


def test_a_server_whose_events_cannot_be_read_is_looked_at_again_and_again(
    server: XenApiServer, always_connected: XenApiEndpoint
) -> None:
    server.orders["event.from"] = lambda *_: {"events": 7, "token": "1"}
    for number in range(3):
        server.put("VM", "OpaqueRef:one", name_description=f"number {number}")
        eventually(
            always_connected,
            lambda now, n=number: now.virtual_systems["one"].name_description == f"number {n}",  # type: ignore[misc]
        )
    del server.orders["event.from"]


def test_what_made_an_operation_fail_is_told_although_a_class_cannot_be_read(
    server: XenApiServer,
) -> None:
    spoil(server, "VDI")
    why = ["INTERNAL_ERROR", "something is wrong"]
    server.task("VM.start", lambda task, *_: server.end_task(task, *why))
    with server.running() as port, endpoint_of(port) as endpoint:
        fault = refusal(lambda: endpoint.change_power("one", PowerOperation.START)).fault
        assert [fault.code, *fault.arguments] == why
        # Who names no image can define, too.
        server.orders["VM.create"] = lambda record: server.put_vm("two", **record)
        spec = VirtualSystemSpec(
            name_label="two",
            memory_static_max_bytes=GIB,
            memory_dynamic_max_bytes=GIB,
            vcpus_max=1,
            vcpus_at_startup=1,
            disks=(),
        )
        endpoint.define(spec)
