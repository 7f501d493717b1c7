"""Making, changing and removing virtual machines, through the official XenAPI module."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import XenAPI

from tests.toolstack.host import (
    DEADLINE_S,
    Host,
    domain_uuid,
    failure,
    finished,
    only,
    running_host,
    vm_record,
    write_host,
)

MIB = 1 << 20
CLASSES = (
    "VM",
    "VM_metrics",
    "VBD",
    "VIF",
    "VDI",
    "SR",
    "PBD",
    "network",
    "host",
    "host_metrics",
    "host_cpu",
    "pool",
)


def test_every_record_has_all_fields_of_its_class(api: Any) -> None:
    for name in CLASSES:
        records = getattr(api, name).get_all_records()
        assert set(records) == set(getattr(api, name).get_all())
        assert len({frozenset(record) for record in records.values()}) == 1
        for ref, record in records.items():
            assert getattr(api, name).get_record(ref) == record
            assert getattr(api, name).get_by_uuid(record["uuid"]) == ref
            for field, value in record.items():
                assert getattr(getattr(api, name), f"get_{field}")(ref) == value


def test_a_domain_is_described(api: Any, session: XenAPI.Session) -> None:
    vm = only(session, "VM", "runs")
    record = api.VM.get_record(vm)
    assert record["uuid"] == domain_uuid("runs")
    assert record["memory_static_max"] == str(256 * MIB)
    assert record["memory_dynamic_max"] == str(128 * MIB)
    assert (record["VCPUs_max"], record["VCPUs_at_startup"]) == ("2", "1")
    assert record["HVM_boot_params"] == {"order": "c"}
    assert record["other_config"] == {"auto_poweron": "false"}
    metrics = api.VM_metrics.get_record(record["metrics"])
    assert metrics["memory_actual"] == str(128 * MIB)
    [vbd] = record["VBDs"]
    disk = api.VBD.get_record(vbd)
    assert (disk["VM"], disk["userdevice"], disk["device"]) == (vm, "0", "vda")
    assert (disk["type"], disk["mode"], disk["bootable"]) == ("Disk", "RW", True)
    image = api.VDI.get_record(disk["VDI"])
    assert (image["location"], image["VBDs"]) == ("/images/runs.qcow2", [vbd])
    [vif] = record["VIFs"]
    port = api.VIF.get_record(vif)
    assert (port["MAC"], port["device"]) == ("52:54:00:00:00:01", "0")
    assert api.network.get_name_label(port["network"]) == "default"
    assert vif in api.network.get_VIFs(port["network"])


def test_references_and_uuids_survive_a_restart(host_uri: str) -> None:
    seen = []
    for _ in range(2):
        with running_host(host_uri) as host:
            session = host.login()
            seen.append(
                {
                    name: {
                        ref: record["uuid"]
                        for ref, record in getattr(session.xenapi, name).get_all_records().items()
                    }
                    for name in CLASSES
                }
            )
            session("close")()
    assert seen[0] == seen[1]


def test_a_virtual_machine_is_made_as_asked(api: Any) -> None:
    uuid = str(uuid4())
    record = vm_record(
        "w\u00f6b & <co>",
        uuid=uuid,
        name_description="serves \u00e9verything",
        memory_static_max=str(256 * MIB),
        memory_dynamic_max=str(128 * MIB),
        VCPUs_max="4",
        VCPUs_at_startup="3",
        actions_after_shutdown="destroy",
        actions_after_reboot="destroy",
        actions_after_crash="preserve",
        HVM_boot_params={"order": "dn", "firmware": "bios"},
        platform={"acpi": "false", "viridian": "true"},
        other_config={"auto_poweron": "true", "k\u20acy": "<&>\u00e9\n"},
        tags=["a", "b"],
    )
    vm = api.VM.create(record)
    made = api.VM.get_record(vm)
    for field in record.keys() - {"HVM_boot_params", "platform", "other_config"}:
        assert made[field] == record[field], field
    assert made["power_state"] == "Halted"
    assert made["HVM_boot_params"] == {"order": "dn", "firmware": "bios"}
    assert made["platform"].items() >= {("acpi", "false"), ("apic", "true"), ("viridian", "true")}
    assert made["other_config"]["k\u20acy"] == "<&>\u00e9\n"
    assert made["other_config"]["auto_poweron"] == "true"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"name_label": ""}, "name_label"),
        ({"memory_static_max": "0"}, "memory_static_max"),
        ({"memory_static_max": "-1"}, "memory_static_max"),
        ({"uuid": "not-a-uuid"}, "uuid"),
        ({"actions_after_crash": "explode"}, "actions_after_crash"),
        ({"HVM_boot_params": {"order": "cx"}}, "HVM_boot_params[order]"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(api: Any, fields: dict[str, Any], named: str) -> None:
    assert failure(api.VM.create, vm_record("odd") | fields)[:2] == ["VALUE_NOT_SUPPORTED", named]
    assert len(api.VM.get_all()) == 2


def test_a_taken_name_is_refused_in_libvirts_words(api: Any) -> None:
    details = failure(api.VM.create, vm_record("runs"))
    assert details[0] == "LIBVIRT_ERROR"
    assert "already exists" in details[4]
    assert len(api.VM.get_all()) == 2


def test_a_taken_uuid_never_changes_the_machine_that_has_it(
    api: Any, session: XenAPI.Session
) -> None:
    uuid = domain_uuid("rests")
    before = api.VM.get_record(only(session, "VM", "rests"))
    assert failure(api.VM.create, vm_record("rests", uuid=uuid.upper())) == [
        "DB_UNIQUENESS_CONSTRAINT_VIOLATION",
        "VM",
        "uuid",
        uuid,
    ]
    assert api.VM.get_record(only(session, "VM", "rests")) == before


def test_a_machine_made_asynchronously_is_the_result_of_the_task(
    api: Any, session: XenAPI.Session
) -> None:
    record = finished(session, api.Async.VM.create(vm_record("later")))
    assert record["status"] == "success"
    assert record["result"] == f"<value>{only(session, 'VM', 'later')}</value>"


def test_only_a_halted_machine_is_destroyed(api: Any, session: XenAPI.Session) -> None:
    vm = only(session, "VM", "runs")
    vbds, vifs, metrics = api.VM.get_VBDs(vm), api.VM.get_VIFs(vm), api.VM.get_metrics(vm)
    assert failure(api.VM.destroy, vm) == ["VM_BAD_POWER_STATE", vm, "halted", "running"]
    api.VM.hard_shutdown(vm)
    api.VM.destroy(vm)
    assert failure(api.VM.get_record, vm) == ["HANDLE_INVALID", "VM", vm]
    assert failure(api.VM.destroy, vm) == ["HANDLE_INVALID", "VM", vm]
    assert failure(api.VBD.get_record, vbds[0]) == ["HANDLE_INVALID", "VBD", vbds[0]]
    assert failure(api.VIF.get_record, vifs[0]) == ["HANDLE_INVALID", "VIF", vifs[0]]
    assert failure(api.VM_metrics.get_record, metrics)[:2] == ["HANDLE_INVALID", "VM_metrics"]


# Fields


def test_names_are_changed(api: Any, session: XenAPI.Session) -> None:
    vm = only(session, "VM", "rests")
    api.VM.set_name_label(vm, "wakes")
    api.VM.set_name_label(vm, "wakes")
    api.VM.set_name_description(vm, "<b>\u00e9</b>")
    record = api.VM.get_record(vm)
    assert (record["name_label"], record["name_description"]) == ("wakes", "<b>\u00e9</b>")
    api.VM.set_name_description(vm, "")
    assert api.VM.get_name_description(vm) == ""
    assert api.VM.get_by_name_label("rests") == []
    assert failure(api.VM.set_name_label, vm, "runs")[0] == "LIBVIRT_ERROR"
    assert api.VM.get_name_label(vm) == "wakes"


def test_maps_are_set_added_to_and_removed_from(api: Any, session: XenAPI.Session) -> None:
    vm = only(session, "VM", "runs")
    for field in ("xenstore_data", "VCPUs_params"):
        getattr(api.VM, f"set_{field}")(vm, {"a": "1"})
        getattr(api.VM, f"add_to_{field}")(vm, "b", "2")
        assert getattr(api.VM, f"get_{field}")(vm) == {"a": "1", "b": "2"}
        assert failure(getattr(api.VM, f"add_to_{field}"), vm, "b", "3") == [
            "MAP_DUPLICATE_KEY",
            "VM",
            field,
            vm,
            "b",
        ]
        getattr(api.VM, f"remove_from_{field}")(vm, "a")
        getattr(api.VM, f"remove_from_{field}")(vm, "never")
        assert getattr(api.VM, f"get_{field}")(vm) == {"b": "2"}


def test_auto_poweron_is_libvirts_autostart(api: Any, host: Host, session: XenAPI.Session) -> None:
    vm, domain = only(session, "VM", "rests"), host.libvirt.lookupByName("rests")
    api.VM.set_other_config(vm, {"auto_poweron": "true", "x": "y"})
    assert domain.autostart() == 1
    assert api.VM.get_other_config(vm) == {"auto_poweron": "true", "x": "y"}
    api.VM.remove_from_other_config(vm, "auto_poweron")
    assert domain.autostart() == 0
    assert api.VM.get_other_config(vm) == {"auto_poweron": "false", "x": "y"}


def test_boot_order_platform_and_actions_are_libvirts_own(
    api: Any, host: Host, session: XenAPI.Session
) -> None:
    vm, domain = only(session, "VM", "rests"), host.libvirt.lookupByName("rests")
    api.VM.set_HVM_boot_params(vm, {"order": "ndc", "other": "kept"})
    api.VM.set_platform(vm, {"acpi": "true", "apic": "false", "own": "kept"})
    api.VM.set_actions_after_crash(vm, "coredump_and_restart")
    api.VM.set_PV_kernel(vm, "/boot/vmlinuz")
    xml = domain.XMLDesc()
    positions = [xml.index(f"<boot dev='{word}'/>") for word in ("network", "cdrom", "hd")]
    assert positions == sorted(positions)
    assert "<acpi/>" in xml
    assert "<apic/>" not in xml
    assert "<on_crash>coredump-restart</on_crash>" in xml
    assert "<kernel>/boot/vmlinuz</kernel>" in xml
    record = api.VM.get_record(vm)
    assert record["HVM_boot_params"] == {"order": "ndc", "other": "kept"}
    assert record["platform"]["own"] == "kept"
    assert record["actions_after_crash"] == "coredump_and_restart"
    assert record["PV_kernel"] == "/boot/vmlinuz"


def test_tags_are_a_set(api: Any, session: XenAPI.Session) -> None:
    vm = only(session, "VM", "rests")
    for tag in ("b", "a", "b"):
        api.VM.add_tags(vm, tag)
    assert api.VM.get_tags(vm) == ["a", "b"]
    api.VM.remove_tags(vm, "a")
    assert api.VM.get_tags(vm) == ["b"]


def test_metadata_that_somebody_spoilt_hides_nothing_else(
    api: Any, host: Host, session: XenAPI.Session
) -> None:
    import libvirt

    vm = only(session, "VM", "rests")
    api.VM.set_user_version(vm, "7")
    host.libvirt.lookupByName("rests").setMetadata(
        libvirt.VIR_DOMAIN_METADATA_ELEMENT,
        "<record>{not json</record>",
        "virtcim",
        "urn:virtcim:toolstack:vm",
        libvirt.VIR_DOMAIN_AFFECT_CONFIG,
    )
    api.VM.set_name_description(vm, "read again")
    assert api.VM.get_user_version(vm) == "0"
    assert api.VM.get_memory_static_max(vm) == str(256 * MIB)


# Memory and processors


def test_memory_of_a_halted_machine(api: Any, session: XenAPI.Session) -> None:
    vm = only(session, "VM", "rests")

    def limits() -> list[int]:
        record = api.VM.get_record(vm)
        names = ("static_min", "dynamic_min", "dynamic_max", "static_max")
        return [int(record[f"memory_{name}"]) // MIB for name in names]

    api.VM.set_memory_limits(vm, str(16 * MIB), str(512 * MIB), str(32 * MIB), str(64 * MIB))
    assert limits() == [16, 32, 64, 512]
    api.VM.set_memory_static_max(vm, str(1024 * MIB))
    api.VM.set_memory_dynamic_range(vm, str(100 * MIB), str(200 * MIB))
    assert limits() == [16, 100, 200, 1024]
    api.VM.set_memory_static_range(vm, str(8 * MIB), str(600 * MIB))
    api.VM.set_memory_dynamic_max(vm, str(300 * MIB))
    assert limits() == [8, 100, 300, 600]
    api.VM.set_memory_dynamic_min(vm, str(150 * MIB))
    api.VM.set_memory_static_min(vm, str(4 * MIB))
    assert limits() == [4, 150, 300, 600]
    api.VM.set_memory(vm, str(80 * MIB))
    assert limits()[1:] == [80, 80, 80]


def test_memory_limits_in_the_wrong_order_are_refused(api: Any, session: XenAPI.Session) -> None:
    vm = only(session, "VM", "rests")
    before = api.VM.get_record(vm)
    wrong = ["MEMORY_CONSTRAINT_VIOLATION_ORDER"]
    assert failure(api.VM.set_memory_limits, vm, "0", str(MIB), str(MIB), str(2 * MIB)) == wrong
    assert failure(api.VM.set_memory_dynamic_range, vm, str(2 * MIB), str(MIB)) == wrong
    assert failure(api.VM.set_memory_dynamic_min, vm, str(9999 * MIB)) == wrong
    assert api.VM.get_record(vm) == before


def test_memory_of_a_running_machine_changes_within_its_maximum(
    api: Any, session: XenAPI.Session
) -> None:
    vm = only(session, "VM", "runs")
    metrics = api.VM.get_metrics(vm)
    api.VM.set_memory_dynamic_max(vm, str(200 * MIB))
    assert api.VM_metrics.get_memory_actual(metrics) == str(200 * MIB)
    assert api.VM.get_memory_target(vm) == str(200 * MIB)
    assert api.VM.get_memory_dynamic_max(vm) == str(200 * MIB)
    details = failure(api.VM.set_memory_dynamic_max, vm, str(9999 * MIB))
    assert details[0] == "LIBVIRT_ERROR"
    assert "memory" in details[4]
    assert api.VM.get_memory_dynamic_max(vm) == str(200 * MIB)
    refused = failure(api.VM.set_memory_static_max, vm, str(512 * MIB))
    assert refused == ["VM_BAD_POWER_STATE", vm, "halted", "running"]


def test_processors(api: Any, session: XenAPI.Session) -> None:
    vm = only(session, "VM", "rests")
    api.VM.set_VCPUs_max(vm, "4")
    api.VM.set_VCPUs_at_startup(vm, "3")
    assert (api.VM.get_VCPUs_max(vm), api.VM.get_VCPUs_at_startup(vm)) == ("4", "3")
    assert failure(api.VM.set_VCPUs_number_live, vm, "2")[0] == "VM_BAD_POWER_STATE"
    api.VM.start(vm, False, False)
    api.VM.set_VCPUs_number_live(vm, "4")
    assert api.VM_metrics.get_VCPUs_number(api.VM.get_metrics(vm)) == "4"
    assert failure(api.VM.set_VCPUs_max, vm, "8")[0] == "VM_BAD_POWER_STATE"


@pytest.mark.parametrize("number", ["0", "-1", str(2**40)])
def test_an_impossible_number_of_processors_is_refused(
    api: Any, session: XenAPI.Session, number: str
) -> None:
    vm = only(session, "VM", "rests")
    assert failure(api.VM.set_VCPUs_max, vm, number)[:3] == ["VALUE_NOT_SUPPORTED", "value", number]
    assert failure(api.VM.set_VCPUs_at_startup, vm, "99")[0] == "LIBVIRT_ERROR"


def test_a_change_that_meets_a_removal_does_not_make_the_machine_anew(tmp_path: Path) -> None:
    with running_host(write_host(tmp_path / "host.xml", running=(), halted=("gone",))) as host:
        session, other = host.login(), host.login()
        vm = only(session, "VM", "gone")
        connection = host.toolstack._connection
        call = connection.call
        removing, changing, removed = threading.Event(), threading.Event(), threading.Event()

        def interleaved(function: Callable[..., Any], *arguments: object) -> Any:
            """Remove between the reading and the writing of the change, where that is possible."""
            name = getattr(function, "__name__", "")
            if name == "undefineFlags":
                removing.set()
                changing.wait(1)
            elif name == "defineXML":
                changing.set()
                removed.wait(1)
            try:
                return call(function, *arguments)
            finally:
                if name == "undefineFlags":
                    removed.set()

        connection.call = interleaved  # type: ignore[method-assign]
        with ThreadPoolExecutor() as pool:
            removal = pool.submit(session.xenapi.VM.destroy, vm)
            assert removing.wait(DEADLINE_S)
            change = pool.submit(other.xenapi.VM.set_actions_after_reboot, vm, "destroy")
            assert removal.result(DEADLINE_S) == ""
            assert isinstance(change.exception(DEADLINE_S), XenAPI.Failure)
        assert session.xenapi.VM.get_by_name_label("gone") == []
        assert connection.handle.listAllDomains() == []
        other("close")()
        session("close")()
