"""Storage repositories and disk images, through the official XenAPI module."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
import XenAPI

from tests.toolstack.host import Host, failure, finished, only, running_host

GIB = 1 << 30


@pytest.fixture
def pool(session: XenAPI.Session) -> str:
    return only(session, "SR", "default")


def path_sr(api: Any) -> str:
    [ref] = [ref for ref, sr in api.SR.get_all_records().items() if sr["type"] == "path"]
    return str(ref)


def vdi_record(sr: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"SR": sr, "name_label": name, "virtual_size": str(GIB), "type": "user"} | fields


def test_an_image_is_made_in_a_pool_and_deleted(api: Any, host: Host, pool: str) -> None:
    vdi = api.VDI.create(
        vdi_record(pool, "data <1>", name_description="mine", other_config={"a": "b"})
    )
    record = api.VDI.get_record(vdi)
    assert (record["SR"], record["name_label"]) == (pool, "data <1>")
    assert (record["virtual_size"], record["sm_config"]) == (str(GIB), {"type": "qcow2"})
    assert (record["name_description"], record["other_config"]) == ("mine", {"a": "b"})
    assert vdi in api.SR.get_VDIs(pool)
    assert api.SR.get_virtual_allocation(pool) == str(GIB)
    storage = host.libvirt.storagePoolLookupByName("default")
    assert storage.listVolumes() == ["data <1>"]
    api.VDI.set_name_label(vdi, "another label")
    api.VDI.destroy(vdi)
    assert storage.listVolumes() == []
    assert failure(api.VDI.get_record, vdi) == ["HANDLE_INVALID", "VDI", vdi]
    assert api.SR.get_VDIs(pool) == []
    again = api.VDI.create(vdi_record(pool, "data <1>"))
    assert api.VDI.get_name_label(again) == "data <1>"
    assert api.VDI.get_other_config(again) == {}


@pytest.mark.parametrize("image_format", ["raw", "qcow2"])
def test_the_format_is_as_asked(api: Any, pool: str, image_format: str) -> None:
    vdi = api.VDI.create(vdi_record(pool, "x", sm_config={"type": image_format}))
    assert api.VDI.get_sm_config(vdi) == {"type": image_format}


def test_an_image_without_a_name_gets_one(api: Any, pool: str) -> None:
    first, second = (api.VDI.create(vdi_record(pool, "")) for _ in range(2))
    assert api.VDI.get_name_label(first) != api.VDI.get_name_label(second)


def test_what_cannot_be_made_is_libvirts_to_refuse(api: Any, pool: str) -> None:
    api.VDI.create(vdi_record(pool, "taken"))
    taken = failure(api.VDI.create, vdi_record(pool, "taken"))
    assert taken[0] == "LIBVIRT_ERROR"
    assert "already exists" in taken[4]
    full = {"allocation": "full"}
    large = failure(
        api.VDI.create, vdi_record(pool, "x", virtual_size=str(GIB * 1000), sm_config=full)
    )
    assert large[0] == "LIBVIRT_ERROR"
    assert "Not enough free space" in large[4]
    refused = failure(api.VDI.create, vdi_record(pool, "x", virtual_size="-1"))
    assert refused[:2] == ["VALUE_NOT_SUPPORTED", "virtual_size"]
    assert len(api.SR.get_VDIs(pool)) == 1


def test_images_are_not_made_outside_pools(api: Any) -> None:
    sr = path_sr(api)
    assert failure(api.VDI.create, vdi_record(sr, "x")) == ["SR_OPERATION_NOT_SUPPORTED", sr]


def test_an_image_that_a_running_machine_has_is_not_deleted(
    api: Any, session: XenAPI.Session, pool: str
) -> None:
    vdi = api.VDI.create(vdi_record(pool, "used"))
    vm = only(session, "VM", "rests")
    vbd = api.VBD.create({"VM": vm, "VDI": vdi, "type": "Disk", "mode": "RW"})
    api.VM.start(vm, False, False)
    assert failure(api.VDI.destroy, vdi) == ["VDI_IN_USE", vdi, "destroy"]
    api.VM.hard_shutdown(vm)
    api.VBD.destroy(vbd)
    api.VDI.destroy(vdi)


def test_a_disk_follows_its_path_into_a_pool_and_out(
    api: Any, host: Host, session: XenAPI.Session, pool: str
) -> None:
    [vbd] = api.VM.get_VBDs(only(session, "VM", "rests"))
    outside = api.VBD.get_VDI(vbd)
    assert api.VDI.get_SR(outside) == path_sr(api)
    inside = api.VDI.create(vdi_record(pool, "rests.qcow2"))
    assert api.VDI.get_location(inside) == "/images/rests.qcow2"
    assert api.VBD.get_VDI(vbd) == inside
    assert api.VDI.get_VBDs(inside) == [vbd]
    assert failure(api.VDI.get_record, outside) == ["HANDLE_INVALID", "VDI", outside]
    # A machine names it, though it is off: only others can delete it.
    assert failure(api.VDI.destroy, inside) == ["VDI_IN_USE", inside, "destroy"]
    host.libvirt.storagePoolLookupByName("default").storageVolLookupByName("rests.qcow2").delete()
    api.SR.scan(pool)
    assert api.VBD.get_VDI(vbd) == outside


def test_resizing_says_that_the_driver_cannot(api: Any, pool: str, session: Any) -> None:
    vdi = api.VDI.create(vdi_record(pool, "x"))
    for call in (api.VDI.resize, api.VDI.resize_online):
        assert failure(call, vdi, str(2 * GIB))[:3] == ["LIBVIRT_ERROR", "3", "VIR_ERR_NO_SUPPORT"]
    assert failure(api.VDI.resize, vdi, "0")[:2] == ["VALUE_NOT_SUPPORTED", "size"]
    record = finished(session, api.Async.VDI.resize(vdi, str(2 * GIB)))
    assert (record["status"], record["error_info"][0]) == ("failure", "LIBVIRT_ERROR")
    assert api.VDI.get_virtual_size(vdi) == str(GIB)


# Paths outside pools


def introduce(api: Any, path: str, **given: Any) -> str:
    values = {"uuid": "", "label": "", "other_config": {}} | given
    vdi: str = api.VDI.introduce(
        values["uuid"],
        values["label"],
        "described",
        path_sr(api),
        "user",
        False,
        True,
        values["other_config"],
        path,
        {},
        {},
    )
    return vdi


def test_a_file_outside_pools_is_described_as_it_is(api: Any, tmp_path: Path) -> None:
    raw, qcow2 = tmp_path / "disk.img", tmp_path / "disk.qcow2"
    raw.write_bytes(bytes(8192))
    qcow2.write_bytes(b"QFI\xfb" + bytes(20) + struct.pack(">Q", 5 * GIB) + bytes(64))
    described = {}
    for path in (raw, qcow2):
        record = api.VDI.get_record(introduce(api, str(path)))
        assert record["missing"] is False
        described[record["name_label"]] = (record["virtual_size"], record["sm_config"])
    assert described == {
        # What a file begins with is no format that anybody chose: a guest can write it.
        "disk.img": ("8192", {}),
        "disk.qcow2": (str(5 * GIB), {}),
    }


def test_a_path_can_be_introduced_before_there_is_a_file(api: Any, tmp_path: Path) -> None:
    path = tmp_path / "later.img"
    vdi = introduce(api, str(path), label="a label", other_config={"a": "b"})
    record = api.VDI.get_record(vdi)
    assert (record["missing"], record["location"]) == (True, str(path))
    assert (record["name_label"], record["read_only"]) == ("a label", True)
    path.write_bytes(bytes(512))
    api.SR.scan(path_sr(api))
    assert api.VDI.get_missing(vdi) is False
    assert api.VDI.get_virtual_size(vdi) == "512"
    api.VDI.forget(vdi)
    assert failure(api.VDI.get_record, vdi) == ["HANDLE_INVALID", "VDI", vdi]
    assert path.exists()


def test_introduced_paths_and_notes_survive_a_restart(host_uri: str, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with running_host(host_uri, state_directory=state) as host:
        session = host.login()
        vdi = introduce(session.xenapi, "/isos/debian.iso", label="Debian")
        network = only(session, "network", "default")
        session.xenapi.network.add_to_other_config(network, "note", "kept")
        session("close")()
    with running_host(host_uri, state_directory=state) as host:
        session = host.login()
        assert session.xenapi.VDI.get_name_label(vdi) == "Debian"
        assert session.xenapi.network.get_other_config(network)["note"] == "kept"
        assert session.xenapi.network.get_other_config(network)["active"] == "true"
        session("close")()


def test_a_volume_that_others_made_is_introduced_by_its_place(
    api: Any, host: Host, pool: str
) -> None:
    host.libvirt.storagePoolLookupByName("default").createXML(
        "<volume><name>theirs</name><capacity>4096</capacity></volume>", 0
    )
    arguments = ("", "", "", pool, "user", False, False, {})
    vdi = api.VDI.introduce(*arguments, "/images/theirs", {}, {})
    assert api.VDI.get_name_label(vdi) == "theirs"
    assert failure(api.VDI.introduce, *arguments, "/images/nowhere", {}, {}) == [
        "VDI_LOCATION_MISSING",
        pool,
        "/images/nowhere",
    ]
    assert failure(api.VDI.forget, vdi) == ["SR_OPERATION_NOT_SUPPORTED", pool]


# Pools


def test_a_pool_is_stopped_and_started(api: Any, session: XenAPI.Session, pool: str) -> None:
    [pbd] = api.SR.get_PBDs(pool)
    vdi = api.VDI.create(vdi_record(pool, "x", name_description="kept"))
    assert api.PBD.get_device_config(pbd) == {"location": "/images"}
    assert "vdi_create" in api.SR.get_allowed_operations(pool)
    api.PBD.unplug(pbd)
    api.PBD.unplug(pbd)
    assert "vdi_create" not in api.SR.get_allowed_operations(pool)
    assert api.PBD.get_currently_attached(pbd) is False
    assert api.SR.get_VDIs(pool) == []
    refused = failure(api.VDI.create, vdi_record(pool, "y"))
    assert (refused[0], "not active" in refused[4]) == ("LIBVIRT_ERROR", True)
    assert failure(api.SR.scan, pool)[0] == "LIBVIRT_ERROR"
    api.PBD.plug(pbd)
    api.PBD.plug(pbd)
    assert api.PBD.get_currently_attached(pbd) is True
    assert api.SR.get_VDIs(pool) == [vdi]
    assert api.VDI.get_name_description(vdi) == "kept"


def test_the_paths_are_always_there(api: Any) -> None:
    sr = path_sr(api)
    [pbd] = api.SR.get_PBDs(sr)
    assert api.PBD.get_currently_attached(pbd) is True
    api.PBD.plug(pbd)
    assert failure(api.PBD.unplug, pbd) == ["SR_OPERATION_NOT_SUPPORTED", sr]


def test_the_pool_named_default_is_the_default(api: Any, pool: str) -> None:
    [xen_pool] = api.pool.get_all()
    assert api.pool.get_default_SR(xen_pool) == pool
