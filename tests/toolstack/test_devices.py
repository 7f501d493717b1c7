"""Disks, drives and network interfaces, through the official XenAPI module."""

from __future__ import annotations

from typing import Any

import pytest
import XenAPI

from tests.toolstack.host import NULL, Host, failure, only, reconcile, wait_for

# What is asked for beside vda, and the target and number that it becomes.
PLACES = {
    "": ("vdb", "1"),
    "autodetect": ("vdb", "1"),
    "1": ("vdb", "1"),
    "27": ("vdab", "27"),
    "sdc": ("sdc", "2"),
    "hda": ("hda", "1"),
    "vdz": ("vdz", "25"),
}


@pytest.fixture
def vm(session: XenAPI.Session) -> str:
    return only(session, "VM", "rests")


def path_sr(api: Any) -> str:
    [ref] = [ref for ref, sr in api.SR.get_all_records().items() if sr["type"] == "path"]
    return str(ref)


def introduce(api: Any, path: str) -> str:
    sr = path_sr(api)
    return str(
        api.VDI.introduce("", "", "", sr, "user", False, False, {}, path, {}, {"type": "raw"})
    )


def disk_record(vm: str, vdi: str, **fields: Any) -> dict[str, Any]:
    return {"VM": vm, "VDI": vdi, "userdevice": "autodetect", "mode": "RW", "type": "Disk"} | fields


@pytest.mark.parametrize(("asked", "place"), PLACES.items())
def test_a_disk_is_where_it_was_asked_for(
    api: Any, host: Host, vm: str, asked: str, place: tuple[str, str]
) -> None:
    target, number = place
    vdi = introduce(api, "/elsewhere/data.img")
    vbd = api.VBD.create(disk_record(vm, vdi, userdevice=asked, other_config={"note": "mine"}))
    record = api.VBD.get_record(vbd)
    assert (record["device"], record["userdevice"]) == (target, number)
    assert record["runtime_properties"]["id"] == target
    assert (record["VDI"], record["VM"]) == (vdi, vm)
    assert (record["type"], record["mode"], record["empty"]) == ("Disk", "RW", False)
    assert record["other_config"] == {"note": "mine"}
    assert api.VDI.get_VBDs(vdi) == [vbd]
    assert vbd in api.VM.get_VBDs(vm)
    xml = host.libvirt.lookupByName("rests").XMLDesc()
    assert f"<target dev='{target}' " in xml
    assert "<source file='/elsewhere/data.img'/>" in xml


@pytest.mark.parametrize("device", ["vda", "0"])
def test_a_taken_device_is_refused(api: Any, vm: str, device: str) -> None:
    vdi = introduce(api, "/elsewhere/data.img")
    before = api.VM.get_VBDs(vm)
    assert failure(api.VBD.create, disk_record(vm, vdi, userdevice=device)) == [
        "DEVICE_ALREADY_EXISTS",
        device,
    ]
    assert api.VM.get_VBDs(vm) == before


@pytest.mark.parametrize("device", ["vd", "vda'/>", "eth0", "-1", "99999", "VDA"])
def test_what_is_no_device_is_refused(api: Any, vm: str, device: str) -> None:
    vdi = introduce(api, "/elsewhere/data.img")
    refused = failure(api.VBD.create, disk_record(vm, vdi, userdevice=device))
    assert refused == ["INVALID_DEVICE", device]


def test_a_disk_needs_an_image_and_a_machine(api: Any, vm: str) -> None:
    vdi = introduce(api, "/elsewhere/data.img")
    assert failure(api.VBD.create, disk_record(vm, NULL)) == ["HANDLE_INVALID", "VDI", NULL]
    assert failure(api.VBD.create, disk_record(vm, "x")) == ["HANDLE_INVALID", "VDI", "x"]
    assert failure(api.VBD.create, disk_record(NULL, vdi)) == ["HANDLE_INVALID", "VM", NULL]
    refused = failure(api.VBD.create, disk_record(vm, vdi, mode="rw"))
    assert refused == ["VALUE_NOT_SUPPORTED", "mode", "rw", "must be one of RW, RO"]


def test_a_path_is_written_as_it_is(api: Any, host: Host, vm: str) -> None:
    path = '/odd/<it>\'s & "here" \u00e9.img'
    vbd = api.VBD.create(disk_record(vm, introduce(api, path)))
    assert api.VDI.get_location(api.VBD.get_VDI(vbd)) == path


def test_a_medium_is_inserted_and_ejected(api: Any, vm: str) -> None:
    iso = introduce(api, "/isos/debian.iso")
    drive = api.VBD.create(disk_record(vm, NULL, type="CD", mode="RO", empty=True))
    # vda has number 0.
    assert (api.VBD.get_device(drive), api.VBD.get_userdevice(drive)) == ("sda", "1")
    assert api.VBD.get_empty(drive) is True
    assert failure(api.VBD.eject, drive) == ["VBD_IS_EMPTY", drive]
    api.VBD.insert(drive, iso)
    assert (api.VBD.get_empty(drive), api.VBD.get_VDI(drive)) == (False, iso)
    assert failure(api.VBD.insert, drive, iso) == ["VBD_NOT_EMPTY", drive]
    assert failure(api.VDI.forget, iso) == ["VDI_IN_USE", iso, "forget"]
    api.VBD.eject(drive)
    assert (api.VBD.get_empty(drive), api.VBD.get_VDI(drive)) == (True, NULL)
    [disk] = [vbd for vbd in api.VM.get_VBDs(vm) if vbd != drive]
    assert failure(api.VBD.eject, disk) == ["VBD_NOT_REMOVABLE_MEDIA", disk]


def test_a_disk_is_taken_away_unless_it_is_plugged(
    api: Any, session: XenAPI.Session, vm: str
) -> None:
    [vbd] = api.VM.get_VBDs(vm)
    vdi = api.VBD.get_VDI(vbd)
    uuid = api.VDI.get_uuid(vdi)
    api.VBD.destroy(vbd)
    assert api.VM.get_VBDs(vm) == []
    # A path that nobody uses, and nobody introduced, is no disk: only its reference is known still.
    assert vdi not in api.VDI.get_all_records()
    assert failure(api.VDI.get_by_uuid, uuid) == ["UUID_INVALID", "VDI", uuid]
    [plugged] = api.VM.get_VBDs(only(session, "VM", "runs"))
    assert failure(api.VBD.destroy, plugged)[0] == "OPERATION_NOT_ALLOWED"


def test_hot_plugging_says_that_the_driver_cannot(
    api: Any, session: XenAPI.Session, vm: str
) -> None:
    [plugged] = api.VM.get_VBDs(only(session, "VM", "runs"))
    for call in (api.VBD.unplug, api.VBD.unplug_force):
        details = failure(call, plugged)
        assert details[:4] == ["LIBVIRT_ERROR", "3", "VIR_ERR_NO_SUPPORT", "VIR_FROM_DOMAIN"]
    assert failure(api.VBD.plug, plugged) == ["DEVICE_ALREADY_ATTACHED", plugged]
    [resting] = api.VM.get_VBDs(vm)
    assert failure(api.VBD.plug, resting)[0] == "VM_BAD_POWER_STATE"


def test_a_disk_added_to_a_running_machine_waits_for_its_next_start(
    api: Any, session: XenAPI.Session
) -> None:
    vm = only(session, "VM", "runs")
    vbd = api.VBD.create(disk_record(vm, introduce(api, "/elsewhere/data.img")))
    assert api.VBD.get_currently_attached(vbd) is False
    api.VM.hard_shutdown(vm)
    api.VM.start(vm, False, False)
    assert api.VBD.get_currently_attached(vbd) is True
    assert api.VBD.get_device(vbd) == "vdb"


# Interfaces


def vif_record(vm: str, network: str, **fields: Any) -> dict[str, Any]:
    return {"VM": vm, "network": network, "device": "autodetect", "MAC": "", "MTU": "0"} | fields


@pytest.mark.parametrize("network", ["default", "User networking"])
def test_an_interface_is_on_its_network(
    api: Any, session: XenAPI.Session, vm: str, network: str
) -> None:
    ref = only(session, "network", network)
    vif = api.VIF.create(
        vif_record(vm, ref, device="5", MAC="52:54:00:AB:CD:EF", other_config={"model": "e1000"})
    )
    record = api.VIF.get_record(vif)
    assert (record["network"], record["VM"], record["device"]) == (ref, vm, "5")
    assert record["MAC"] == "52:54:00:ab:cd:ef"
    assert record["runtime_properties"] == {"id": "5", "model": "e1000"}
    assert vif in api.network.get_VIFs(ref)
    api.VIF.destroy(vif)
    assert vif not in api.network.get_VIFs(ref)
    assert len(api.VM.get_VIFs(vm)) == 1


def test_interfaces_keep_their_numbers_when_others_go(
    api: Any, session: XenAPI.Session, vm: str
) -> None:
    network = only(session, "network", "default")
    vifs = [api.VIF.create(vif_record(vm, network)) for _ in range(3)]
    assert [api.VIF.get_device(vif) for vif in vifs] == ["1", "2", "3"]
    api.VIF.destroy(vifs[0])
    assert [api.VIF.get_device(vif) for vif in vifs[1:]] == ["2", "3"]
    assert api.VIF.get_device(api.VIF.create(vif_record(vm, network))) == "1"
    assert len({api.VIF.get_MAC(vif) for vif in api.VM.get_VIFs(vm)}) == 4


def test_an_interface_that_cannot_be_is_refused(api: Any, session: XenAPI.Session, vm: str) -> None:
    network = only(session, "network", "default")
    for fields, refused in (
        ({"MAC": "nonsense"}, ["MAC_INVALID", "nonsense"]),
        ({"MAC": "52:54:00:00:00:01"}, ["DEVICE_ALREADY_EXISTS", "52:54:00:00:00:01"]),
        ({"device": "0"}, ["DEVICE_ALREADY_EXISTS", "0"]),
        ({"device": "eth0"}, ["INVALID_DEVICE", "eth0"]),
        ({"network": NULL}, ["HANDLE_INVALID", "network", NULL]),
        ({"VM": "x"}, ["HANDLE_INVALID", "VM", "x"]),
    ):
        assert failure(api.VIF.create, vif_record(vm, network) | fields) == refused
    assert len(api.VM.get_VIFs(vm)) == 1


def test_an_interface_on_a_network_that_is_not_there_has_none(
    api: Any, host: Host, session: XenAPI.Session
) -> None:
    host.libvirt.networkLookupByName("default").destroy()
    host.libvirt.networkLookupByName("default").undefine()
    reconcile(host)
    [vif] = api.VM.get_VIFs(only(session, "VM", "rests"))
    wait_for(session, ["vif"], lambda: api.VIF.get_network(vif) == NULL, "no network")
    assert api.network.get_by_name_label("default") == []


def test_domains_on_bridges_have_networks_of_their_own(
    api: Any, host: Host, session: XenAPI.Session
) -> None:
    host.libvirt.defineXML(
        "<domain type='test'><name>bridged</name><memory>65536</memory><os><type>hvm</type></os>"
        "<devices><interface type='bridge'><source bridge='br7'/></interface></devices></domain>"
    )
    reconcile(host)
    wait_for(session, ["vm"], lambda: api.VM.get_by_name_label("bridged") != [], "the domain")
    [vif] = api.VM.get_VIFs(only(session, "VM", "bridged"))
    network = api.VIF.get_network(vif)
    assert api.network.get_bridge(network) == "br7"
    rests = only(session, "VM", "rests")
    another = api.VIF.create(vif_record(rests, network))
    assert api.VIF.get_network(another) == network
    host.libvirt.lookupByName("bridged").undefine()
    api.VIF.destroy(another)
    reconcile(host)
    wait_for(
        session, ["network"], lambda: network not in api.network.get_all(), "no network of bridges"
    )
    assert failure(api.network.get_record, network) == ["HANDLE_INVALID", "network", network]
