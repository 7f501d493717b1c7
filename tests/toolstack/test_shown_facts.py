"""What a domain's description says arrives in the XenAPI records: sources, links, titles, order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import libvirt
import pytest

from tests.toolstack.host import NULL, Host, wait_for

DISKS = """
<disk type='network' device='disk'><driver name='qemu' type='raw'/>
  <source protocol='http' name='images/a.img'><host name='alpha.example' port='80'/></source>
  <target dev='vda' bus='virtio'/><boot order='2'/></disk>
<disk type='network' device='disk'><driver name='qemu' type='qcow2'/>
  <source protocol='http' name='images/a.img'><host name='beta.example' port='80'/></source>
  <target dev='vdb' bus='virtio'/></disk>
<disk type='network' device='disk'><driver name='qemu' type='raw'/>
  <source protocol='rbd' name='p/i'><host name='m1' port='1'/><host name='::1' port='2'/></source>
  <target dev='vdc' bus='virtio'/></disk>
<disk type='nvme' device='disk'><driver name='qemu' type='raw'/>
  <source type='pci' managed='yes' namespace='1'>
  <address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></source>
  <target dev='vdd' bus='virtio'/></disk>
<disk type='volume' device='disk'><driver name='qemu' type='raw'/>
  <source pool='missing' volume='v'/><target dev='vde' bus='virtio'/></disk>
<disk type='volume' device='disk'><driver name='qemu' type='raw'/>
  <source pool='default' volume='v.img'/><target dev='vdf' bus='virtio'/></disk>
<disk type='file' device='cdrom'><target dev='hda' bus='ide'/><readonly/><boot order='3'/></disk>
"""
PORTS = """
<interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/>
  <link state='down'/></interface>
<interface type='network'><mac address='52:54:00:00:00:02'/><source network='missing'/>
  <boot order='1'/></interface>
<interface type='mcast'><mac address='52:54:00:00:00:03'/>
  <source address='230.0.0.1' port='5558'/></interface>
"""
DOMAIN = f"""
<domain type='test'><name>odd</name><title>An odd one</title><memory>65536</memory>
<os><type>hvm</type></os><devices>{DISKS}{PORTS}</devices></domain>
"""
VOLUME = """
<volume><name>v.img</name><capacity unit='MiB'>7</capacity>
<target><format type='raw'/></target></volume>
"""


@pytest.fixture
def odd(host: Host, session: Any) -> str:
    """The reference of a machine that somebody else defined."""
    host.libvirt.storagePoolLookupByName("default").createXML(VOLUME)
    session.xenapi.SR.scan(session.xenapi.SR.get_by_name_label("default")[0])
    host.libvirt.defineXML(DOMAIN)
    wait_for(session, ["vm"], lambda: session.xenapi.VM.get_by_name_label("odd") != [], "it")
    [vm] = session.xenapi.VM.get_by_name_label("odd")
    return str(vm)


def by_device(api: Any, vm: str, class_name: str, key: str) -> dict[str, dict[str, Any]]:
    records = getattr(api, class_name).get_all_records().values()
    return {record[key]: record for record in records if record["VM"] == vm}


def test_images_of_equal_name_on_two_servers_are_two_images(api: Any, odd: str) -> None:
    disks = api.VBD.get_all_records().values()
    images = {
        disk["VDI"]: api.VDI.get_record(disk["VDI"])
        for disk in disks
        if disk["VM"] == odd and disk["VDI"] != NULL
    }
    assert {record["location"] for record in images.values()} == {
        "http://alpha.example:80/images/a.img",
        "http://beta.example:80/images/a.img",
        "rbd://m1:1/p/i",
        "nvme:///0000:01:00.0/1",
        "volume:///missing/v",
        "/images/v.img",
    }
    uris = {record["location"]: record["sm_config"].get("uris") for record in images.values()}
    assert uris["rbd://m1:1/p/i"] == "rbd://m1:1/p/i rbd://[::1]:2/p/i"
    assert uris["/images/v.img"] is None
    assert {record["name_label"] for record in images.values()} == {"a.img", "i", "1", "v", "v.img"}
    # Whether an image elsewhere is there cannot be known here.
    assert not any(record["missing"] for record in images.values())


def test_only_a_drive_without_a_medium_is_empty_and_formats_are_the_drivers(
    api: Any, odd: str
) -> None:
    disks = [disk for disk in api.VBD.get_all_records().values() if disk["VM"] == odd]
    assert len(disks) == 7
    assert [disk["type"] for disk in disks if disk["empty"]] == ["CD"]
    formats = sorted(disk["runtime_properties"].get("type", "") for disk in disks)
    assert formats == ["", "qcow2", "raw", "raw", "raw", "raw", "raw"]


def test_a_volume_is_found_in_its_pool_and_still_named_when_the_pool_is_stopped(
    host: Host, session: Any, odd: str
) -> None:
    api = session.xenapi

    def locations() -> set[str]:
        vdis = {disk["VDI"] for disk in api.VBD.get_all_records().values() if disk["VM"] == odd}
        # A VDI may go between the two calls.
        images = api.VDI.get_all_records()
        return {images[vdi]["location"] for vdi in vdis if vdi in images}

    assert "/images/v.img" in locations()
    host.libvirt.storagePoolLookupByName("default").destroy()
    wait_for(session, ["vbd", "sr"], lambda: "volume:///default/v.img" in locations(), "its name")
    host.libvirt.storagePoolLookupByName("default").create()
    wait_for(session, ["vbd", "sr"], lambda: "/images/v.img" in locations(), "the volume")
    assert "volume:///default/v.img" not in {
        record["location"] for record in api.VDI.get_all_records().values()
    }


def test_ports_say_what_they_are_connected_to(api: Any, odd: str) -> None:
    ports = by_device(api, odd, "VIF", "MAC")
    first, second, third = (ports[f"52:54:00:00:00:0{number}"] for number in (1, 2, 3))
    assert first["runtime_properties"]["link"] == "down"
    assert api.network.get_name_label(first["network"]) == "default"
    assert second["network"] == NULL
    assert second["runtime_properties"]["network"] == "missing"
    assert second["runtime_properties"]["problem"] == "the network 'missing' does not exist"
    assert "link" not in second["runtime_properties"]
    assert api.network.get_name_label(third["network"]) == "mcast 230.0.0.1:5558"


def test_the_order_of_single_devices_is_the_boot_order(api: Any, odd: str) -> None:
    record = api.VM.get_record(odd)
    assert record["HVM_boot_params"]["order"] == "ncd"
    bootable = {disk["type"]: disk["bootable"] for disk in map(api.VBD.get_record, record["VBDs"])}
    assert bootable["CD"]


def test_a_title_is_told_and_gone_when_it_is_gone(host: Host, session: Any, odd: str) -> None:
    api = session.xenapi
    metrics = api.VM.get_metrics(odd)
    assert api.VM_metrics.get_other_config(metrics)["title"] == "An odd one"
    domain = host.libvirt.lookupByName("odd")
    # Any change of the description is noticed.
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, None, None, None, 2)
    host.libvirt.defineXML(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    wait_for(
        session,
        ["vm_metrics"],
        lambda: "title" not in api.VM_metrics.get_other_config(metrics),
        "the title's end",
    )


def test_consoles_keep_names_and_are_where_clients_find_the_host(host: Host, session: Any) -> None:
    api = session.xenapi
    graphics = (
        "<graphics type='vnc' port='5977' autoport='no' listen='::1'/>"
        "<graphics type='spice' port='5978' autoport='no' listen='0.0.0.0'/>"
    )
    domain = host.libvirt.createXML(
        "<domain type='test'><name>shown</name><memory>65536</memory><os><type>hvm</type></os>"
        f"<devices>{graphics}</devices></domain>",
        0,
    )
    wait_for(session, ["console"], lambda: len(api.console.get_all()) == 2, "consoles")
    hostname = api.host.get_hostname(api.host.get_all()[0])
    assert {
        record["other_config"]["virtcim-id"]: (record["protocol"], record["location"])
        for record in api.console.get_all_records().values()
    } == {
        "vnc0": ("rfb", "vnc://[::1]:5977"),
        "spice0": ("spice", f"spice://{hostname}:5978"),
    }
    # The host is called otherwise, and nothing else has changed.
    inventory = host.toolstack._inventory
    assert inventory.host is not None
    inventory._put_host(replace(inventory.host, hostname="other.example"))
    assert "spice://other.example:5978" in {
        record["location"] for record in api.console.get_all_records().values()
    }
    domain.destroy()
