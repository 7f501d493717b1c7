"""The inventory over the XenAPI: what is read, joined, and kept while other things change."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.hypervisor.xenapi_server import (
    GIB,
    XenApiServer,
    endpoint_of,
    eventually,
)
from virtcim.errormap import ErrorCode
from virtcim.hypervisor import (
    Inventory,
    PowerOperation,
    PowerState,
    XenApiEndpoint,
)

STARTED = datetime(2026, 11, 19, tzinfo=UTC)


def test_everything_is_joined(endpoint: XenApiEndpoint) -> None:
    inventory = endpoint.inventory()
    assert inventory.pool_uuid == "pool"
    (host,) = inventory.hosts.values()
    assert (host.uuid, host.hostname, host.cpu_count, host.cpu_mhz) == (
        *("host", "north.example", 2, 2400),
    )
    assert (host.live, host.memory_total_bytes, host.memory_free_bytes) == (
        *(True, 64 * GIB, 10 * GIB),
    )
    store = inventory.storage_repositories["sr"]
    assert (store.location, store.attached, store.physical_size_bytes) == (
        *("/store", True, 100 * GIB),
    )
    assert store.physical_utilisation_bytes == 0  # -1 is XenAPI's "unknown"
    assert not inventory.storage_repositories["paths"].attached
    image = inventory.disk_images["vdi"]
    assert (image.sr_uuid, image.virtual_size_bytes, image.format) == ("sr", 8 * GIB, "qcow2")
    assert inventory.networks["net"].mtu == 1500
    system = inventory.virtual_systems["one"]
    assert (system.name_label, system.power_state) == ("one", PowerState.HALTED)
    assert (system.memory_static_max_bytes, system.vcpus_max) == (4 * GIB, 2)
    assert (system.os_type, system.boot_order, system.start_time) == ("hvm", "cd", None)
    (disk,) = system.disks
    assert (disk.id, disk.read_only, disk.image) == ("vda", False, image)
    (port,) = system.network_ports
    assert (port.id, port.mac_address, port.network_uuid) == ("0", "52:54:00:00:00:0a", "net")


@pytest.mark.parametrize(
    "field", ["is_a_template", "is_a_snapshot", "is_control_domain", "is_vmss_snapshot"]
)
def test_what_is_no_ordinary_machine_is_left_out(field: str) -> None:
    server = XenApiServer()
    server.put_vm("ordinary")
    server.put_vm("special", **{field: True})
    with server.running() as port, endpoint_of(port) as endpoint:
        assert set(endpoint.inventory().virtual_systems) == {"ordinary"}
        server.put("VM", "OpaqueRef:special", **{field: False})
        eventually(endpoint, lambda inventory: "special" in inventory.virtual_systems)


def test_loading_takes_the_same_number_of_calls_whatever_there_is() -> None:
    counts = []
    for number in (0, 100):
        server = XenApiServer()
        for index in range(number):
            server.put_vm(f"vm{index}")
        with server.running() as port, endpoint_of(port) as endpoint:
            assert len(endpoint.inventory().virtual_systems) == number
            calls = server.calls.copy()
        counts.append(sum(calls[name] for name in calls if name != "event.from"))
    assert counts[0] == counts[1] <= 20


def test_reads_make_no_calls(server: XenApiServer, endpoint: XenApiEndpoint) -> None:
    server.calls.clear()
    for _ in range(1000):
        endpoint.inventory()
    assert set(server.calls) <= {"event.from"}


def test_changes_from_elsewhere_appear(server: XenApiServer, endpoint: XenApiEndpoint) -> None:
    before = endpoint.inventory()
    server.put("VM", "OpaqueRef:one", name_label="renamed", power_state="Running")
    after = eventually(endpoint, lambda now: now.generation > before.generation)
    assert after.virtual_systems["one"].name_label == "renamed"
    assert before.virtual_systems["one"].name_label == "one"
    server.remove("VBD", "OpaqueRef:vbd")
    eventually(endpoint, lambda now: not now.virtual_systems["one"].disks)
    server.remove("VM", "OpaqueRef:one")
    eventually(endpoint, lambda now: "one" not in now.virtual_systems)


def test_what_did_not_change_stays_the_same_object(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    server.put_vm("two")
    before = eventually(endpoint, lambda now: "two" in now.virtual_systems)
    server.put("VM", "OpaqueRef:two", name_label="other")
    after = eventually(endpoint, lambda now: now.virtual_systems["two"].name_label == "other")
    assert after.virtual_systems["one"] is before.virtual_systems["one"]
    assert after.disk_images is before.disk_images


def test_a_joined_object_changes_with_its_parts(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    server.put("VDI", "OpaqueRef:vdi", virtual_size=str(9 * GIB))
    grown = eventually(endpoint, lambda now: now.disk_images["vdi"].virtual_size_bytes == 9 * GIB)
    (disk,) = grown.virtual_systems["one"].disks
    assert disk.image is grown.disk_images["vdi"]
    server.put("VM_metrics", "OpaqueRef:m", memory_actual=str(GIB), VCPUs_number="1")
    eventually(endpoint, lambda now: now.virtual_systems["one"].memory_actual_bytes == GIB)
    server.put("VM", "OpaqueRef:one", resident_on="OpaqueRef:host")
    eventually(endpoint, lambda now: now.virtual_systems["one"].resident_on == "host")
    server.put("PBD", "OpaqueRef:pbd", currently_attached=False)
    eventually(endpoint, lambda now: not now.storage_repositories["sr"].attached)
    server.put("host_metrics", "OpaqueRef:hm", live=False)
    eventually(endpoint, lambda now: not now.hosts["host"].live)


def test_the_consoles_of_a_machine_come_and_go(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    server.put(
        "console", "OpaqueRef:c", VM="OpaqueRef:one", protocol="rfb", location="vnc://host:5900"
    )
    opened = eventually(endpoint, lambda now: bool(now.virtual_systems["one"].consoles))
    (console,) = opened.virtual_systems["one"].consoles
    assert (console.uuid, console.id) == ("c", "rfb-0")
    assert (console.protocol, console.location) == ("rfb", "vnc://host:5900")
    server.remove("console", "OpaqueRef:c")
    eventually(endpoint, lambda now: not now.virtual_systems["one"].consoles)


def test_a_console_keeps_the_name_that_the_toolstack_gave_it(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    for ref, name in (("OpaqueRef:a", "vnc0"), ("OpaqueRef:b", "spice0"), ("OpaqueRef:c", "")):
        other_config = {"virtcim-id": name} if name else {}
        server.put("console", ref, VM="OpaqueRef:one", protocol="rfb", other_config=other_config)

    def names() -> list[str]:
        return [each.id for each in endpoint.inventory().virtual_systems["one"].consoles]

    eventually(endpoint, lambda now: len(now.virtual_systems["one"].consoles) == 3)
    # One that has no name, as on a XenServer, is numbered.
    assert names() == ["rfb-0", "spice0", "vnc0"]
    server.remove("console", "OpaqueRef:b")
    eventually(endpoint, lambda now: len(now.virtual_systems["one"].consoles) == 2)
    assert names() == ["rfb-0", "vnc0"]


def test_what_only_our_toolstack_tells_is_read(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    inventory = endpoint.inventory()
    image, system = inventory.disk_images["vdi"], inventory.virtual_systems["one"]
    assert (image.uris, system.title) == ((), "")
    [port] = system.network_ports
    assert (port.link_up, port.network_name) == (True, "")
    server.put("VDI", "OpaqueRef:vdi", sm_config={"uris": "nbd://a/x nbd://b/x"})
    properties = {"link": "down", "network": "missing"}
    server.put("VIF", "OpaqueRef:vif", network="OpaqueRef:NULL", runtime_properties=properties)
    texts = {"title": "A title", "live-title": ""}
    server.put("VM_metrics", "OpaqueRef:metrics", other_config=texts)
    server.put("VM", "OpaqueRef:one", metrics="OpaqueRef:metrics")
    read = eventually(endpoint, lambda now: now.virtual_systems["one"].title == "A title")
    shown = read.virtual_systems["one"]
    assert (shown.live_title, shown.live_description) == ("", None)
    [port] = shown.network_ports
    assert (port.link_up, port.network_name, port.network_uuid) == (False, "missing", "")
    assert read.disk_images["vdi"].uris == ("nbd://a/x", "nbd://b/x")


def test_parts_that_arrive_after_what_refers_to_them_are_joined(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    server.put("VBD", "OpaqueRef:b", VM="OpaqueRef:late", VDI="OpaqueRef:vdi2", userdevice="vda")
    server.put("VIF", "OpaqueRef:i", VM="OpaqueRef:late", network="OpaqueRef:net2", device="0")
    server.put_vm("late")
    server.put("VDI", "OpaqueRef:vdi2", SR="OpaqueRef:sr2", virtual_size="1")
    server.put("SR", "OpaqueRef:sr2", type="dir")
    server.put("network", "OpaqueRef:net2", MTU="1500")

    def complete(now: Inventory) -> bool:
        late = now.virtual_systems.get("late")
        return bool(
            late
            and late.disks
            and late.disks[0].image
            and late.disks[0].image.sr_uuid == "sr2"
            and late.network_ports[0].network_uuid == "net2"
        )

    eventually(endpoint, complete)


def test_a_stop_by_itself_is_translated_while_it_lasts(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    server.put(
        "VM_metrics",
        "OpaqueRef:m",
        other_config={
            "stop-reason": "io-error",
            "stop-time": "2026-11-20T10:00:00+00:00",
            "stop-event": '{"event": "BLOCK_IO_ERROR", "data": {"device": "vda", "nospace": true,'
            ' "reason": "enospc", "path": "/store/disk.qcow2"}}',
        },
    )
    server.put("VM", "OpaqueRef:one", power_state="Paused")
    paused = eventually(
        endpoint, lambda now: now.virtual_systems["one"].power_state is PowerState.PAUSED
    )
    stop = paused.virtual_systems["one"].stop
    assert stop is not None
    assert (stop.reason, stop.error.code) == ("io-error", ErrorCode.ERR_OUT_OF_DISK_SPACE)
    assert stop.since == datetime(2026, 11, 20, 10, tzinfo=UTC)
    server.put("VM", "OpaqueRef:one", power_state="Running")
    eventually(endpoint, lambda now: now.virtual_systems["one"].stop is None)


def test_libvirts_own_word_for_a_stop_is_translated(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    event = {"event": "VIR_DOMAIN_EVENT_STOPPED", "detail": "VIR_DOMAIN_EVENT_STOPPED_FAILED"}
    told = {"stop-reason": "failed", "stop-event": json.dumps(event), "state-changed": ""}
    server.put("VM_metrics", "OpaqueRef:m", start_time=STARTED, other_config=told)
    server.put("VM", "OpaqueRef:one", power_state="Halted")
    read = eventually(endpoint, lambda now: now.virtual_systems["one"].stop is not None)
    stop = read.virtual_systems["one"].stop
    assert stop is not None
    assert (stop.reason, stop.error.code) == ("failed", ErrorCode.ERR_VM_STUCK)
    assert stop.error.rule == "libvirt.emulator_ended"
    assert read.virtual_systems["one"].state_since is None


def test_when_a_state_changed_is_only_told_where_it_is_known(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    def since(state: str, **other_config: str) -> datetime | None:
        server.put(
            "VM_metrics", "OpaqueRef:m", start_time=STARTED, other_config={**other_config, "n": "1"}
        )
        server.put("VM", "OpaqueRef:one", power_state=state)
        endpoint.change_power("one", PowerOperation.PAUSE)
        return endpoint.inventory().virtual_systems["one"].state_since

    server.task("VM.pause", lambda task, *_: server.end_task(task))
    # A XenServer tells when it was started.
    assert since("Running") == STARTED
    assert since("Paused") is None
    assert since("Halted") is None
    # Our toolstack tells more, or that it does not know.
    changed = "2026-11-20T10:00:00+00:00"
    assert since("Paused", **{"state-changed": changed}) == datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert since("Running", **{"state-changed": ""}) is None
    assert since("Running", **{"state-changed": "soon"}) is None


def test_what_a_guest_survived_is_told_while_it_runs(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    told = {"last-panic": "P", "last-watchdog": "W", "last-watchdog-action": "reset"}
    server.put("VM_metrics", "OpaqueRef:m", other_config=told)
    server.put("VM", "OpaqueRef:one", power_state="Running")
    read = eventually(endpoint, lambda now: bool(now.virtual_systems["one"].incident))
    assert read.virtual_systems["one"].incident == (
        "its guest panicked at P; its watchdog expired at W (action reset)"
    )


def test_incidents_are_told_with_the_code_that_they_stand_for(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    at = "2026-11-20T10:00:00+00:00"
    error = {"event": "BLOCK_IO_ERROR", "data": {"device": "vda", "action": "report"}}
    told = {"last-panic": at, "io-errors": json.dumps([{"time": at, "event": error}])}
    told |= {"last-watchdog": at, "last-watchdog-action": "reset"}
    server.put("VM_metrics", "OpaqueRef:m", other_config=told)
    server.put("VM", "OpaqueRef:one", power_state="Running")
    read = eventually(endpoint, lambda now: bool(now.virtual_systems["one"].incidents))
    incidents = read.virtual_systems["one"].incidents
    assert [(each.what, each.device, each.error.code) for each in incidents] == [
        ("panic", "", ErrorCode.ERR_VM_STUCK),
        ("watchdog", "", ErrorCode.ERR_VM_STUCK),
        ("io-error", "vda", ErrorCode.ERR_CANNOT_ACCESS_DISK_FILE),
    ]
    assert {each.since for each in incidents} == {datetime(2026, 11, 20, 10, tzinfo=UTC)}
    # A watchdog that stopped its machine is told of as what stopped it.
    stopping = {"last-watchdog": at, "last-watchdog-action": "pause"}
    server.put("VM_metrics", "OpaqueRef:m", other_config=stopping)
    eventually(endpoint, lambda now: not now.virtual_systems["one"].incidents)


@pytest.mark.parametrize("odd", ["[", "{}", "[7]", '[{"time": "now", "event": {}}]'])
def test_errors_of_disks_that_cannot_be_read_are_a_problem_of_the_machine(
    server: XenApiServer, endpoint: XenApiEndpoint, odd: str
) -> None:
    server.put("VM_metrics", "OpaqueRef:m", other_config={"io-errors": odd})
    server.put("VM", "OpaqueRef:one", power_state="Running")
    read = eventually(endpoint, lambda now: "io-errors" in now.virtual_systems["one"].problem)
    assert not read.virtual_systems["one"].incidents


def test_the_memory_of_what_is_on_is_in_use_at_its_host(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    eventually(endpoint, lambda now: not now.memory_in_use.get("host"))
    server.put("VM_metrics", "OpaqueRef:m", memory_actual=str(GIB))
    server.put("VM", "OpaqueRef:one", power_state="Running", resident_on="OpaqueRef:host")
    eventually(endpoint, lambda now: now.memory_in_use.get("host") == GIB)
    server.put_vm(
        "two", power_state="Paused", resident_on="OpaqueRef:host", memory_dynamic_max=str(2 * GIB)
    )
    eventually(endpoint, lambda now: now.memory_in_use["host"] == 3 * GIB)
    server.put("VM_metrics", "OpaqueRef:m", memory_actual=str(GIB // 2))
    eventually(endpoint, lambda now: now.memory_in_use["host"] == 2 * GIB + GIB // 2)
    server.put("VM", "OpaqueRef:one", power_state="Halted", resident_on="OpaqueRef:NULL")
    eventually(endpoint, lambda now: now.memory_in_use["host"] == 2 * GIB)
    server.remove("VM", "OpaqueRef:two")
    eventually(endpoint, lambda now: now.memory_in_use["host"] == 0)


@pytest.mark.parametrize(
    ("fields", "makes_images"),
    [
        ({}, True),
        ({"allowed_operations": ["vdi_create", "scan"]}, True),
        ({"allowed_operations": ["scan", "vdi_introduce"]}, False),
        # One that is under way keeps others away for a moment.
        ({"allowed_operations": ["scan"], "current_operations": {"t": "scan"}}, True),
        ({"type": "iso", "content_type": "iso"}, False),
        ({"type": "udev"}, False),
        ({"type": "path"}, False),
    ],
    ids=str,
)
def test_a_repository_tells_whether_images_are_made_in_it(
    server: XenApiServer, endpoint: XenApiEndpoint, fields: dict[str, Any], makes_images: bool
) -> None:
    server.put("SR", "OpaqueRef:new", name_label="new", **fields)
    found = eventually(endpoint, lambda now: "new" in now.storage_repositories)
    assert found.storage_repositories["new"].makes_images is makes_images


@pytest.mark.parametrize(
    ("told", "expected"), [({}, 2**21), ({"image-increment": "1024"}, 1024)]
    + [({"image-increment": odd}, 2**21) for odd in ("", "0", "-1", "x", "9" * 30)],
    ids=str,
)  # fmt: skip
def test_a_repository_tells_the_steps_of_sizes(
    server: XenApiServer, endpoint: XenApiEndpoint, told: dict[str, str], expected: int
) -> None:
    server.put("SR", "OpaqueRef:new", name_label="new", sm_config=told)
    found = eventually(endpoint, lambda now: "new" in now.storage_repositories)
    assert found.storage_repositories["new"].image_increment_bytes == expected


def test_a_host_tells_the_steps_of_memory_and_the_length_of_names(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    host = endpoint.inventory().hosts["host"]
    assert (host.memory_increment_bytes, host.name_limit_bytes) == (2**20, 0)
    server.put("host", "OpaqueRef:host", API_version_vendor="virtcim")
    now = eventually(endpoint, lambda now: bool(now.hosts["host"].name_limit_bytes))
    host = now.hosts["host"]
    assert (host.memory_increment_bytes, host.name_limit_bytes) == (2**10, 245)


def test_a_network_of_a_xenserver_is_no_user_mode_network_whatever_it_is_called(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    notes = {"interface-type": "user"}
    server.put("network", "OpaqueRef:own", name_label="User networking", other_config=notes)
    inventory = eventually(endpoint, lambda now: len(now.networks) == 2)
    assert not any(network.user_mode for network in inventory.networks.values())
