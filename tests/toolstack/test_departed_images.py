"""A client that takes a disk away and gives it back needs only the reference it was given."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import XenAPI

from tests.toolstack.host import Host, events, failure, only, reconcile, running_host, vm_record
from virtcim.toolstack.records import departed
from virtcim.toolstack.records.departed import DepartedImages

QCOW2 = (b"QFI\xfb\0\0\0\3" + bytes(16) + struct.pack(">Q", 1 << 20)).ljust(8192, b"\0")


def machine_on(host: Host, path: str, image_format: str = "raw") -> str:
    """A halted machine of somebody else's with one disk; gives its UUID."""
    domain = host.libvirt.defineXML(
        f"<domain type='test'><name>m-{uuid4().hex[:8]}</name><memory>65536</memory>"
        f"<os><type>hvm</type></os><devices><disk type='file'><driver type='{image_format}'/>"
        f"<source file='{path}'/><target dev='vda' bus='virtio'/></disk></devices></domain>"
    )
    uuid = str(domain.UUIDString())
    host.toolstack._inventory.refresh_domain(uuid)
    return uuid


def again(record: dict[str, Any]) -> dict[str, Any]:
    """What Ansible's modules and scripts send: the fields of the record that they have read."""
    names = ("VM", "VDI", "userdevice", "bootable", "mode", "type", "empty")
    return {name: record[name] for name in names}


def test_a_disk_is_removed_and_made_again_by_the_reference_of_its_image(
    host: Host, session: XenAPI.Session, api: Any
) -> None:
    vm = api.VM.get_by_uuid(machine_on(host, "/images/kept.img"))
    [vbd] = api.VM.get_VBDs(vm)
    record = api.VBD.get_record(vbd)
    vdi = record["VDI"]
    before = api.VDI.get_record(vdi)
    token = events(session, ["vdi"])["token"]
    api.VBD.destroy(vbd)
    # Nobody is shown it, and whoever knows it can look at it.
    assert vdi not in api.VDI.get_all()
    assert failure(api.VDI.get_by_uuid, before["uuid"])[0] == "UUID_INVALID"
    told = events(session, ["vdi"], token)["events"]
    assert [(one["operation"], one["ref"]) for one in told] == [("del", vdi)]
    assert api.VDI.get_record(vdi) == {**before, "VBDs": []}
    assert api.VDI.get_location(vdi) == "/images/kept.img"
    for refused in (
        failure(api.VDI.set_name_label, vdi, "noted"),
        failure(api.VDI.forget, vdi),
        failure(api.VDI.resize, vdi, "5"),
        failure(api.VDI.destroy, vdi),
    ):
        assert refused == ["HANDLE_INVALID", "VDI", vdi]
    made = api.VBD.create(again(record))
    assert api.VBD.get_VDI(made) == vdi
    assert api.VDI.get_record(vdi) == {**before, "VBDs": [made]}
    assert vdi in api.VDI.get_all()


def test_it_can_be_given_to_another_machine_and_put_into_a_drive(
    host: Host, session: XenAPI.Session, api: Any
) -> None:
    uuid = machine_on(host, "/images/moved.img")
    vm = api.VM.get_by_uuid(uuid)
    [vbd] = api.VM.get_VBDs(vm)
    vdi = api.VBD.get_VDI(vbd)
    api.VM.destroy(vm)
    other = api.VM.create(vm_record("takes-over"))
    drive = api.VBD.create({"VM": other, "type": "CD", "empty": True, "userdevice": "autodetect"})
    api.VBD.insert(drive, vdi)
    assert api.VBD.get_VDI(drive) == vdi
    api.VBD.eject(drive)
    disk = {"VM": other, "VDI": vdi, "type": "Disk", "userdevice": "autodetect"}
    assert api.VBD.get_VDI(api.VBD.create(disk)) == vdi
    assert len(api.VDI.get_VBDs(vdi)) == 1


def test_the_fence_stands_for_it_as_for_any_path(host_uri: str) -> None:
    with running_host(host_uri, image_directories=("/images",)) as host:
        session = host.login()
        api = session.xenapi
        vm = api.VM.get_by_uuid(machine_on(host, "/outside/secret.img"))
        [vbd] = api.VM.get_VBDs(vm)
        record = api.VBD.get_record(vbd)
        api.VBD.destroy(vbd)
        refused = failure(api.VBD.create, again(record))
        assert refused[0] == "VIRTCIM_OUTSIDE_FENCE"
        assert "/outside/secret.img" in refused
        session("close")()


def test_the_format_that_the_machine_stated_is_not_lost(host_uri: str, tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(QCOW2)
    with running_host(host_uri, image_directories=(str(tmp_path),)) as host:
        session = host.login()
        api = session.xenapi
        uuid = machine_on(host, str(path), "qcow2")
        vm = api.VM.get_by_uuid(uuid)
        [vbd] = api.VM.get_VBDs(vm)
        record = api.VBD.get_record(vbd)
        api.VBD.destroy(vbd)
        made = api.VBD.create(again(record))
        assert api.VBD.get_runtime_properties(made)["type"] == "qcow2"
        # Another file at that place is another image.
        api.VBD.destroy(made)
        path.rename(tmp_path / "first.img")
        path.write_bytes(QCOW2)
        assert failure(api.VBD.create, again(record))[0] == "VIRTCIM_UNSTATED_FORMAT"
        session("close")()


def test_what_a_client_has_taken_back_is_gone(
    host: Host, session: XenAPI.Session, api: Any
) -> None:
    # Also one that a machine had before.
    host.libvirt.lookupByUUIDString(machine_on(host, "/images/introduced.img")).undefine()
    reconcile(host)
    sr = only(session, "SR", "Paths outside storage pools")
    vdi = api.VDI.introduce(
        *("", "mine", "", sr, "user", False, False, {}, "/images/introduced.img", {}, {})
    )
    api.VDI.forget(vdi)
    vm = only(session, "VM", "rests")
    disk = {"VM": vm, "VDI": vdi, "type": "Disk", "userdevice": "autodetect"}
    assert failure(api.VBD.create, disk) == ["HANDLE_INVALID", "VDI", vdi]
    assert failure(api.VDI.get_record, vdi) == ["HANDLE_INVALID", "VDI", vdi]


def test_they_are_kept_for_a_while_and_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 0.0
    images = DepartedImages(lambda: now_s)
    images.put("old", {"location": "/old", "VBDs": ["gone"]})
    now_s = 3599.0
    assert images.get("old") == {"location": "/old", "VBDs": []}
    images.put("new", {"location": "/new", "VBDs": []})
    now_s = 3601.0
    assert images.get("old") is None
    assert images.get("new") is not None
    monkeypatch.setattr(departed, "_MOST", 3)
    for number in range(5):
        images.put(str(number), {"VBDs": []})
    assert [images.get(ref) is not None for ref in ("new", "0", "1", "2", "3", "4")] == [
        *(False, False, False, True, True, True)
    ]
    images.forget("4")
    assert images.get("4") is None
