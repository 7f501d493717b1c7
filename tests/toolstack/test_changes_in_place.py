"""Machines that somebody else made, changed over real libvirt: what was asked, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import libvirt
import pytest
import XenAPI
from private_libvirt import PrivateLibvirt

from tests.toolstack.documents import PERSISTENT, difference, document
from tests.toolstack.host import Host, failure, only, running_host


@pytest.fixture(scope="module")
def libvirtd() -> Iterator[PrivateLibvirt]:
    with PrivateLibvirt() as running:
        yield running


@pytest.fixture(scope="module")
def host(libvirtd: PrivateLibvirt) -> Iterator[Host]:
    with running_host(libvirtd.uri, domain_type="qemu") as running:
        yield running


@pytest.fixture(scope="module")
def outside(libvirtd: PrivateLibvirt) -> Iterator[libvirt.virConnect]:
    """A connection of somebody else's."""
    connection = libvirt.open(libvirtd.uri)
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def session(host: Host) -> Iterator[XenAPI.Session]:
    opened = host.login()
    yield opened
    opened("close")()


@pytest.fixture(scope="module")
def api(session: XenAPI.Session) -> Any:
    return session.xenapi


@pytest.fixture
def define(
    outside: libvirt.virConnect, session: XenAPI.Session, host: Host
) -> Iterator[Callable[..., tuple[Any, str]]]:
    """`define(devices, ...)` gives libvirt's domain and the VM's reference."""
    made = []

    def make(devices: str, *, more: str = "") -> tuple[Any, str]:
        domain = outside.defineXML(document(f"m-{uuid4().hex[:8]}", devices, more=more))
        made.append(domain)
        host.toolstack._inventory.refresh_domain(domain.UUIDString())
        return domain, only(session, "VM", domain.name())

    yield make
    for domain in made:
        if domain.isActive():
            domain.destroy()
        domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)
        host.toolstack._inventory.refresh_domain(domain.UUIDString())


def modify(api: Any, vm: str, **change: Any) -> dict[str, list[str]]:
    answer: dict[str, list[str]] = json.loads(api.virtcim.VM.modify(vm, change))
    return answer


def by_id(api: Any, class_name: str, vm: str) -> dict[str, str]:
    """The references of a machine's devices by the names that they keep."""
    devices = getattr(api.VM, f"get_{class_name}s")(vm)
    calls = getattr(api, class_name)
    return {calls.get_runtime_properties(ref)["id"]: ref for ref in devices}


RICH_DISK = """<disk type='file' device='disk'>
  <driver name='qemu' type='raw' cache='none' io='native' discard='unmap' iothread='1'
    error_policy='stop'/>
  <source file='/srv/a.img' startupPolicy='optional'/><target dev='vdb' bus='virtio'/>
  <iotune><total_bytes_sec>1000000</total_bytes_sec></iotune><serial>WD-1</serial>
  <boot order='1'/><alias name='ua-mine'/></disk>"""

RICH_PORT = """<interface type='bridge'><mac address='52:54:00:00:00:09'/><source bridge='br0'/>
  <model type='virtio'/><link state='down'/>
  <bandwidth><inbound average='1000'/><outbound average='500'/></bandwidth>
  <boot order='1'/><driver name='qemu' queues='4'/><filterref filter='clean-traffic'/>
  <target dev='tapx'/><virtualport type='openvswitch'>
  <parameters interfaceid='09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f'/></virtualport>
  <vlan><tag id='42'/></vlan></interface>"""

FILTERED_PORT = """<interface type='bridge'><source bridge='br0'/>
  <filterref filter='clean-traffic'/></interface>"""

DISKS = {
    "in no pool": RICH_DISK,
    "in a pool that is missing": "<disk type='volume' device='disk'><driver name='qemu'/>"
    "<source pool='nowhere' volume='v.qcow2'/><target dev='vdb' bus='virtio'/></disk>",
    "on another host": "<disk type='network' device='disk'><driver name='qemu' type='raw'/>"
    "<auth username='u'><secret type='ceph' usage='s'/></auth>"
    "<source protocol='rbd' name='p/i'><host name='a' port='6789'/><host name='b'/></source>"
    "<target dev='vdb' bus='virtio'/></disk>",
    "a block device": "<disk type='block' device='disk'><driver name='qemu' type='raw'/>"
    "<source dev='/dev/nowhere'/><target dev='vdb' bus='virtio'/></disk>",
    "an NVMe drive": "<disk type='nvme' device='disk'><driver name='qemu' type='raw'/>"
    "<source type='pci' managed='yes' namespace='1'>"
    "<address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></source>"
    "<target dev='vdb' bus='virtio'/></disk>",
}


@pytest.mark.parametrize("disk", DISKS.values(), ids=DISKS)
def test_the_access_of_any_disk_is_changed_and_nothing_else(
    api: Any, define: Any, disk: str
) -> None:
    domain, vm = define(disk, more="<iothreads>2</iothreads>")
    before = domain.XMLDesc(PERSISTENT)
    vbd = by_id(api, "VBD", vm)["vdb"]
    modify(api, vm, changed_VBDs=[{"VBD": vbd, "mode": "RO"}])
    assert difference(before, domain.XMLDesc(PERSISTENT)) == ["+ disk/readonly"]
    assert api.VBD.get_mode(vbd) == "RO"
    api.VBD.set_mode(vbd, "RW")
    assert domain.XMLDesc(PERSISTENT) == before


# What describes an image goes with it; what describes the disk stays.


OF_AN_IMAGE = """<disk type='file' device='disk' snapshot='external'>
  <driver name='qemu' type='qcow2' cache='writeback' discard='unmap' detect_zeroes='unmap'/>
  <source file='/srv/a.qcow2' startupPolicy='optional'>
    <slices><slice type='storage' offset='0' size='4096'/></slices>
    <seclabel model='dac' relabel='no'/>
    <encryption format='luks'><secret type='passphrase' usage='s'/></encryption>
  </source>
  <backingStore type='file'><format type='raw'/><source file='/srv/base.img'/><backingStore/>
  </backingStore>
  <target dev='sda' bus='scsi' rotation_rate='7200'/><serial>S</serial>
  <wwn>5000c500155b5e3b</wwn><vendor>V</vendor><product>P</product></disk>"""


def test_another_image_takes_with_it_what_described_the_old_one(api: Any, define: Any) -> None:
    domain, vm = define(OF_AN_IMAGE)
    before = domain.XMLDesc(PERSISTENT)
    assert "backingStore" in before
    vbd = by_id(api, "VBD", vm)["sda"]
    modify(api, vm, changed_VBDs=[{"VBD": vbd, "location": "/srv/other.img", "type": "raw"}])
    found = difference(before, domain.XMLDesc(PERSISTENT))
    assert [item for item in found if item.startswith("+")] == [
        "+ disk/driver@type=raw",
        "+ disk/source@file=/srv/other.img",
    ]
    gone = {item.split("=")[0].split("/")[-1].split("@")[0] for item in found if item[0] == "-"}
    assert {"backingStore", "slices", "slice", "seclabel", "encryption"} <= gone
    for kept in ("serial", "wwn", "vendor", "product", "target", "address"):
        assert not any(f"- disk/{kept}" in item for item in found)
    assert "startupPolicy='optional'" in domain.XMLDesc(PERSISTENT)


def test_another_image_leaves_the_settings_of_the_disk(api: Any, define: Any) -> None:
    domain, vm = define(RICH_DISK, more="<iothreads>2</iothreads>")
    before = domain.XMLDesc(PERSISTENT)
    vbd = by_id(api, "VBD", vm)["vdb"]
    modify(api, vm, changed_VBDs=[{"VBD": vbd, "location": "/srv/other.img", "type": "raw"}])
    assert difference(before, domain.XMLDesc(PERSISTENT)) == [
        "+ disk/source@file=/srv/other.img",
        "- disk/source@file=/srv/a.img",
    ]


@pytest.mark.parametrize("disk", DISKS.values(), ids=DISKS)
def test_a_disk_of_any_kind_gets_another_image(api: Any, define: Any, disk: str) -> None:
    domain, vm = define(disk, more="<iothreads>2</iothreads>")
    vbd = by_id(api, "VBD", vm)["vdb"]
    modify(api, vm, changed_VBDs=[{"VBD": vbd, "location": "/srv/other.img", "type": "raw"}])
    after = domain.XMLDesc(PERSISTENT)
    assert "<disk type='file' device='disk'>" in after
    assert "<source file='/srv/other.img'" in after
    for word in ("nowhere", "auth", "rbd", "<host", "namespace"):
        assert word not in after
    assert by_id(api, "VBD", vm) == {"vdb": vbd}


def test_the_same_image_again_changes_nothing(api: Any, define: Any) -> None:
    domain, vm = define(OF_AN_IMAGE)
    before = domain.XMLDesc(PERSISTENT)
    vbd = by_id(api, "VBD", vm)["sda"]
    record = api.VBD.get_record(vbd)
    same = {"VBD": vbd, "VDI": record["VDI"], "type": "qcow2", "mode": "RW", "bus": "scsi"}
    modify(api, vm, changed_VBDs=[same])
    assert domain.XMLDesc(PERSISTENT) == before


def test_a_format_is_stated_anew(api: Any, define: Any) -> None:
    domain, vm = define(
        "<disk type='file' device='disk'><source file='/srv/a'/><target dev='vdb'/></disk>"
    )
    before = domain.XMLDesc(PERSISTENT)
    modify(api, vm, changed_VBDs=[{"VBD": by_id(api, "VBD", vm)["vdb"], "type": "qcow2"}])
    found = difference(before, domain.XMLDesc(PERSISTENT))
    assert "+ disk/driver@type=qcow2" in found
    assert not any(item.startswith("- ") and "driver" not in item for item in found)


def test_a_disk_goes_to_another_bus_under_its_name(api: Any, define: Any) -> None:
    domain, vm = define(
        "<disk type='file' device='disk'><driver name='qemu' type='raw' cache='none'/>"
        "<source file='/srv/a'/><target dev='vdb' bus='virtio'/><serial>S</serial>"
        "<boot order='1'/></disk>"
    )
    before = domain.XMLDesc(PERSISTENT)
    vbd = by_id(api, "VBD", vm)["vdb"]
    modify(api, vm, changed_VBDs=[{"VBD": vbd, "bus": "sata"}])
    after = domain.XMLDesc(PERSISTENT)
    found = difference(before, after, without=("/address", "controller"))
    assert found == ["+ disk/target@bus=sata", "- disk/target@bus=virtio"]
    assert by_id(api, "VBD", vm) == {"vdb": vbd}
    modify(api, vm, changed_VBDs=[{"VBD": vbd, "bus": "virtio"}])
    assert difference(before, domain.XMLDesc(PERSISTENT), without=("controller", "@slot")) == []


# What libvirt says of it, and the setting.
CANNOT_CARRY = {
    "IOThreads": "<driver name='qemu' type='raw' iothread='1'/>",
    "queues": "<driver name='qemu' type='raw' queues='2'/>",
    "event_idx": "<driver name='qemu' type='raw' ioeventfd='on' event_idx='off'/>",
    "iommu": "<driver name='qemu' type='raw' iommu='on'/>",
    "packed": "<driver name='qemu' type='raw' packed='on'/>",
}


@pytest.mark.parametrize(("named", "driver"), CANNOT_CARRY.items())
def test_what_another_bus_cannot_carry_is_refused_and_nothing_is_lost(
    api: Any, define: Any, named: str, driver: str
) -> None:
    domain, vm = define(
        f"<disk type='file' device='disk'>{driver}<source file='/srv/a'/>"
        "<target dev='vdb' bus='virtio'/></disk>",
        more="<iothreads>2</iothreads>",
    )
    before = domain.XMLDesc(PERSISTENT)
    change = {"VBD": by_id(api, "VBD", vm)["vdb"], "bus": "sata"}
    refused = failure(lambda: modify(api, vm, changed_VBDs=[change]))
    assert named in refused[4]
    assert domain.XMLDesc(PERSISTENT) == before
    assert list(by_id(api, "VBD", vm)) == ["vdb"]


def test_a_bus_that_does_not_exist_is_refused_with_all_of_the_change(api: Any, define: Any) -> None:
    domain, vm = define(RICH_DISK, more="<iothreads>2</iothreads>")
    before = domain.XMLDesc(PERSISTENT)
    change = {"VBD": by_id(api, "VBD", vm)["vdb"], "location": "/srv/b", "bus": "nosuchbus"}
    assert "nosuchbus" in failure(lambda: modify(api, vm, changed_VBDs=[change]))[4]
    assert domain.XMLDesc(PERSISTENT) == before


# Ports


@pytest.fixture(scope="module")
def network(outside: libvirt.virConnect, host: Host, session: XenAPI.Session) -> Iterator[str]:
    made = outside.networkDefineXML("<network><name>other</name></network>")
    host.toolstack._inventory.refresh_network(made.UUIDString())
    yield only(session, "network", "other")
    made.undefine()
    host.toolstack._inventory.refresh_network(made.UUIDString())


def test_a_port_goes_to_another_network_with_all_its_settings(
    api: Any, define: Any, network: str
) -> None:
    domain, vm = define(RICH_PORT)
    before = domain.XMLDesc(PERSISTENT)
    vif = by_id(api, "VIF", vm)["0"]
    api.VIF.move(vif, network)
    assert difference(before, domain.XMLDesc(PERSISTENT)) == [
        "+ interface/source@network=other",
        "+ interface@type=network",
        "- interface/source@bridge=br0",
        "- interface@type=bridge",
    ]
    assert (by_id(api, "VIF", vm), api.VIF.get_network(vif)) == ({"0": vif}, network)


def test_a_network_that_cannot_carry_the_settings_of_a_port_is_refused(
    api: Any, define: Any, session: XenAPI.Session
) -> None:
    user = only(session, "network", "User networking")
    for port, named in (
        (RICH_PORT, "virtualport"),
        (FILTERED_PORT, "filterref"),
    ):
        domain, vm = define(port)
        before = domain.XMLDesc(PERSISTENT)
        refused = failure(api.VIF.move, by_id(api, "VIF", vm)["0"], user)
        assert any(named in word for word in refused), refused
        assert domain.XMLDesc(PERSISTENT) == before


def test_a_port_gets_another_address_and_model(api: Any, define: Any) -> None:
    domain, vm = define(
        "<interface type='bridge'><mac address='52:54:00:00:00:09'/><source bridge='br0'/>"
        "<model type='virtio'/><link state='down'/><filterref filter='f'/></interface>"
    )
    before = domain.XMLDesc(PERSISTENT)
    vif = by_id(api, "VIF", vm)["0"]
    modify(api, vm, changed_VIFs=[{"VIF": vif, "MAC": "52:54:00:AA:00:09", "model": "e1000"}])
    found = difference(before, domain.XMLDesc(PERSISTENT), without=("/address",))
    assert found == [
        "+ interface/mac@address=52:54:00:aa:00:09",
        "+ interface/model@type=e1000",
        "- interface/mac@address=52:54:00:00:00:09",
        "- interface/model@type=virtio",
    ]
    assert by_id(api, "VIF", vm) == {"0": vif}


def test_a_model_that_cannot_carry_the_settings_of_a_port_is_refused(api: Any, define: Any) -> None:
    domain, vm = define(RICH_PORT)
    before = domain.XMLDesc(PERSISTENT)
    change = {"VIF": by_id(api, "VIF", vm)["0"], "model": "e1000"}
    refused = failure(lambda: modify(api, vm, changed_VIFs=[change]))
    assert refused == [
        "VALUE_NOT_SUPPORTED",
        "model",
        "e1000",
        "network/0 cannot keep driver, driver@name, driver@queues with it",
    ]
    assert domain.XMLDesc(PERSISTENT) == before


# Names that stay


def ports(*macs: str, kind: str = "user", models: tuple[str, ...] = ()) -> str:
    models = models or ("virtio",) * len(macs)
    return "".join(
        f"<interface type='{kind}'><mac address='52:54:00:00:00:{mac}'/><model type='{model}'/>"
        "</interface>"
        for mac, model in zip(macs, models, strict=True)
    )


def test_two_ports_with_one_address_are_two_ports(api: Any, define: Any) -> None:
    domain, vm = define(ports("01", "01", "02", models=("virtio", "e1000", "rtl8139")))
    found = by_id(api, "VIF", vm)
    models = {name: api.VIF.get_runtime_properties(ref)["model"] for name, ref in found.items()}
    assert models == {"0": "virtio", "1": "e1000", "2": "rtl8139"}
    modify(api, vm, changed_VIFs=[{"VIF": found["0"], "model": "pcnet"}])
    modify(api, vm, removed_VIFs=[found["1"]])
    assert by_id(api, "VIF", vm) == {"0": found["0"], "2": found["2"]}
    after = domain.XMLDesc(PERSISTENT)
    assert ("pcnet" in after, "e1000" in after, "rtl8139" in after) == (True, False, True)
    api.VIF.destroy(found["0"])
    assert by_id(api, "VIF", vm) == {"2": found["2"]}
    assert "pcnet" not in domain.XMLDesc(PERSISTENT)


def test_the_first_of_two_ports_is_moved(api: Any, define: Any, network: str) -> None:
    domain, vm = define(ports("0a", "0b", models=("virtio", "e1000")))
    before, found = domain.XMLDesc(PERSISTENT), by_id(api, "VIF", vm)
    modify(api, vm, changed_VIFs=[{"VIF": found["0"], "network": network}])
    assert by_id(api, "VIF", vm) == found
    assert api.VIF.get_MAC(found["0"]) == "52:54:00:00:00:0a"
    assert difference(before, domain.XMLDesc(PERSISTENT)) == [
        "+ interface/source",
        "+ interface/source@network=other",
        "+ interface@type=network",
        "- interface@type=user",
    ]
    assert "ua-" not in domain.XMLDesc(PERSISTENT)


def test_ports_keep_their_names_while_others_go(api: Any, define: Any, outside: Any) -> None:
    domain, vm = define(ports("0a", "0b", "0c"))
    found = by_id(api, "VIF", vm)
    assert list(found) == ["0", "1", "2"]
    api.VIF.destroy(found["0"])
    assert by_id(api, "VIF", vm) == {"1": found["1"], "2": found["2"]}
    assert api.VIF.get_MAC(found["1"]) == "52:54:00:00:00:0b"
    api.VIF.destroy(found["1"])
    assert by_id(api, "VIF", vm) == {"2": found["2"]}
    # Somebody else puts another one before it.
    domain.attachDeviceFlags(ports("0d"), libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    api.VM.set_name_description(vm, "looked at")
    assert by_id(api, "VIF", vm)["2"] == found["2"]
    assert {api.VIF.get_MAC(ref)[-2:] for ref in by_id(api, "VIF", vm).values()} == {"0c", "0d"}


def test_names_outlive_the_toolstack_and_changes_by_others_meanwhile(
    libvirtd: PrivateLibvirt, outside: libvirt.virConnect, tmp_path: Any
) -> None:
    disks = "".join(
        f"<disk type='file'><source file='/srv/{target}'/><target dev='{target}'/></disk>"
        for target in ("vda", "vdb")
    )
    domain = outside.defineXML(document(f"m-{uuid4().hex[:8]}", ports("01", "01", "02") + disks))
    try:
        with running_host(libvirtd.uri, state_directory=tmp_path) as first:
            session = first.login()
            vm = only(session, "VM", domain.name())
            before = by_id(session.xenapi, "VIF", vm)
            disks_before = by_id(session.xenapi, "VBD", vm)
            numbers = {
                name: session.xenapi.VBD.get_userdevice(ref) for name, ref in disks_before.items()
            }
            session("close")()
        # The first port goes, the first disk too, and the last one moves to the freed place.
        xml = domain.XMLDesc(PERSISTENT)
        start, end = xml.index("<interface"), xml.index("</interface>") + len("</interface>")
        xml = xml[:start] + xml[end:]
        outside.defineXML(xml.replace("52:54:00:00:00:02", "52:54:00:00:00:03"))
        domain.detachDeviceFlags(
            "<disk type='file'><source file='/srv/vda'/><target dev='vda' bus='virtio'/></disk>",
            libvirt.VIR_DOMAIN_AFFECT_CONFIG,
        )
        with running_host(libvirtd.uri, state_directory=tmp_path) as second:
            session = second.login()
            vm = only(session, "VM", domain.name())
            after = by_id(session.xenapi, "VIF", vm)
            assert after == {"1": before["1"], "2": before["2"]}
            assert session.xenapi.VIF.get_MAC(after["2"]) == "52:54:00:00:00:03"
            found = by_id(session.xenapi, "VBD", vm)
            assert found == {"vdb": disks_before["vdb"]}
            assert session.xenapi.VBD.get_userdevice(found["vdb"]) == numbers["vdb"]
            session("close")()
    finally:
        domain.undefine()


# All or nothing


def test_metadata_of_other_programs_stays_as_it_was_written(api: Any, define: Any) -> None:
    metadata = (
        '<a:x xmlns:a="urn:a" xmlns:b="urn:b" b:q="1"><!-- c --><![CDATA[<b>]]>t<b:y/>'
        '<z xmlns="urn:z"/></a:x><nova:i xmlns:nova="urn:nova"><nova:n>1</nova:n></nova:i>'
    )
    domain, vm = define(RICH_DISK, more=f"<iothreads>1</iothreads><metadata>{metadata}</metadata>")
    before = domain.XMLDesc(PERSISTENT)
    [kept] = [part.split("</metadata>")[0] for part in before.split("<metadata>")[1:]]
    assert "<![CDATA[<b>]]>" in kept
    modify(api, vm, changed_VBDs=[{"VBD": by_id(api, "VBD", vm)["vdb"], "mode": "RO"}])
    assert f"<metadata>{kept}</metadata>" in domain.XMLDesc(PERSISTENT)
    api.VM.set_actions_after_crash(vm, "restart")
    assert f"<metadata>{kept}</metadata>" in domain.XMLDesc(PERSISTENT)


def everything(api: Any, vm: str) -> dict[str, Any]:
    """One change of each kind, all of which could be made."""
    disks, [vif] = by_id(api, "VBD", vm), by_id(api, "VIF", vm).values()
    user = api.VIF.get_network(vif)
    return {
        "name_label": f"renamed-{uuid4().hex[:8]}",
        "name_description": "changed",
        "actions_after_crash": "restart",
        "boot_order": "n",
        "auto_poweron": True,
        "memory_static_max": str(96 << 20),
        "memory_dynamic_max": str(80 << 20),
        "VCPUs_max": "4",
        "VCPUs_at_startup": "3",
        "removed_VBDs": [disks["vdc"]],
        "changed_VBDs": [{"VBD": disks["vdb"], "mode": "RO", "bus": "scsi"}],
        "changed_VIFs": [{"VIF": vif, "MAC": "52:54:00:00:00:77"}],
        "added_VBDs": [{"userdevice": "9", "location": "/srv/new.img", "type": "Disk"}],
        "added_VIFs": [{"device": "7", "network": user}],
    }


PLAIN = (
    "<disk type='file' device='disk'><source file='/srv/b'/><target dev='vdb' bus='virtio'/></disk>"
    "<disk type='file' device='disk'><source file='/srv/c'/><target dev='vdc' bus='virtio'/></disk>"
    + ports("01")
)


def test_everything_is_changed_at_once(api: Any, define: Any) -> None:
    domain, vm = define(PLAIN)
    change = everything(api, vm)
    added = modify(api, vm, **change)
    record = api.VM.get_record(vm)
    for name in ("name_label", "name_description", "actions_after_crash", "memory_static_max"):
        assert record[name] == change[name]
    assert (record["VCPUs_max"], record["VCPUs_at_startup"]) == ("4", "3")
    assert record["memory_dynamic_max"] == change["memory_dynamic_max"]
    assert record["HVM_boot_params"]["order"] == "n"
    assert record["other_config"]["auto_poweron"] == "true"
    assert list(by_id(api, "VBD", vm)) == ["vdb", "vdj"]
    assert added["VBDs"] == [by_id(api, "VBD", vm)["vdj"]]
    assert api.VBD.get_userdevice(added["VBDs"][0]) == "9"
    assert added["VIFs"] == [by_id(api, "VIF", vm)["7"]]
    assert domain.autostart() == 1
    domain.setAutostart(0)


def broken(name: str, change: dict[str, Any], taken: str) -> dict[str, Any]:
    """Make one part of a change one that is refused."""
    parts: dict[str, dict[str, Any]] = {
        "a name that is taken": {"name_label": taken},
        "a name that cannot be": {"name_label": "a/b"},
        "no such crash action": {"actions_after_crash": "explode"},
        "no such boot device": {"boot_order": "x"},
        "no memory": {"memory_static_max": "0"},
        "more memory than there can be": {"memory_dynamic_max": str(1 << 40)},
        "no processor": {"VCPUs_max": "0"},
        "more processors than there can be": {"VCPUs_at_startup": "99"},
        "a disk of another machine": {"removed_VBDs": ["OpaqueRef:x"]},
        "no such mode": {"changed_VBDs": [{**change["changed_VBDs"][0], "mode": "rw"}]},
        "no such bus": {"changed_VBDs": [{**change["changed_VBDs"][0], "bus": "nosuchbus"}]},
        "no such format": {"changed_VBDs": [{**change["changed_VBDs"][0], "type": "nosuch"}]},
        "no such address": {"changed_VIFs": [{**change["changed_VIFs"][0], "MAC": "x"}]},
        "a group address": {
            "changed_VIFs": [{**change["changed_VIFs"][0], "MAC": "01:00:00:00:00:01"}]
        },
        "no such model": {"changed_VIFs": [{**change["changed_VIFs"][0], "model": "a b"}]},
        "no such network": {"changed_VIFs": [{**change["changed_VIFs"][0], "network": "x"}]},
        "a taken place": {"added_VBDs": [{**change["added_VBDs"][0], "userdevice": "vdb"}]},
        "a number and its target": {
            "added_VBDs": [
                {**change["added_VBDs"][0], "userdevice": place} for place in ("20", "vdu")
            ]
        },
        "a target's number": {"added_VBDs": [{**change["added_VBDs"][0], "userdevice": "1"}]},
        "no such place": {"added_VBDs": [{**change["added_VBDs"][0], "userdevice": "eth0"}]},
        "a disk without image": {"added_VBDs": [{"type": "Disk"}]},
        "a taken number": {"added_VIFs": [{**change["added_VIFs"][0], "device": "0"}]},
        "an unknown part": {"nonsense": True},
        "an image that goes": {
            "resized": {"VBD": change["removed_VBDs"][0], "virtual_size": str(1 << 30)}
        },
        "an image that cannot grow": {
            "resized": {"VBD": change["changed_VBDs"][0]["VBD"], "virtual_size": str(1 << 30)}
        },
    }
    return change | parts[name]


# Which part is refused, and what the refusal says.
BROKEN = {
    "a name that is taken": "already exists",
    "a name that cannot be": "slash",
    "no such crash action": "explode",
    "no such boot device": "HVM_boot_params",
    "no memory": "memory_static_max",
    "more memory than there can be": "cannot set memory higher",
    "no processor": "VCPUs_max",
    "more processors than there can be": "requested vcpus",
    "a disk of another machine": "HANDLE_INVALID",
    "no such mode": "mode",
    "no such bus": "nosuchbus",
    "no such format": "nosuch",
    "no such address": "MAC_INVALID",
    "a group address": "multicast",
    "no such model": "Model name contains",
    "no such network": "HANDLE_INVALID",
    "a taken place": "DEVICE_ALREADY_EXISTS",
    "a number and its target": "DEVICE_ALREADY_EXISTS",
    "a target's number": "DEVICE_ALREADY_EXISTS",
    "no such place": "INVALID_DEVICE",
    "a disk without image": "HANDLE_INVALID",
    "a taken number": "DEVICE_ALREADY_EXISTS",
    "an unknown part": "nonsense",
    "an image that goes": "will not have its image",
    "an image that cannot grow": "SR_OPERATION_NOT_SUPPORTED",
}


@pytest.mark.parametrize(("part", "said"), BROKEN.items())
def test_whatever_part_is_refused_nothing_is_changed(
    api: Any, define: Any, part: str, said: str
) -> None:
    domain, vm = define(PLAIN)
    other, _ = define(ports("05"))
    before, names = domain.XMLDesc(PERSISTENT), (by_id(api, "VBD", vm), by_id(api, "VIF", vm))
    change = broken(part, everything(api, vm), other.name())
    assert said in " ".join(failure(lambda: modify(api, vm, **change)))
    assert domain.XMLDesc(PERSISTENT) == before
    assert domain.autostart() == 0
    assert (by_id(api, "VBD", vm), by_id(api, "VIF", vm)) == names
    assert api.VM.get_name_label(vm) == domain.name()


def test_a_machine_without_a_boot_order_gets_none_from_a_note(api: Any, define: Any) -> None:
    domain, vm = define(PLAIN)
    # libvirt itself gives a machine the disk to boot from, unless a device has a place.
    text = domain.XMLDesc(PERSISTENT).replace("<boot dev='hd'/>", "")
    domain.connect().defineXML(
        text.replace("<target dev='vdb'", "<boot order='1'/><target dev='vdb'")
    )
    before = domain.XMLDesc(PERSISTENT)
    api.VM.add_to_HVM_boot_params(vm, "note", "kept")
    found = difference(before, domain.XMLDesc(PERSISTENT), without=("metadata",))
    assert found == []
    assert api.VM.get_HVM_boot_params(vm) == {"order": "c", "note": "kept"}
    api.VM.set_HVM_boot_params(vm, {"order": "nc", "note": "kept"})
    found = difference(before, domain.XMLDesc(PERSISTENT), without=("metadata",))
    assert found == [
        "+ disk/boot@order=2",
        "+ interface/boot",
        "+ interface/boot@order=1",
        "- disk/boot@order=1",
    ]
