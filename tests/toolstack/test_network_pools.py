"""Volumes of pools on the network: disks get what opens them, and deletion sees their users."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import XenAPI

from tests.toolstack.host import failure, host_xml, only, running_host, vm_record
from virtcim.toolstack.reading.pool_source import read_pool_source

SECRET = "2ec115d7-3a88-3ceb-bc12-0ac909a6fd87"
#: By pool: its description without its name, its volume and the path that libvirt gives that.
POOLS = {
    "ceph": (
        "rbd",
        (
            "<name>rbd</name><host name='mon1' port='6789'/><host name='fd00::2'/>"
            f"<auth username='admin' type='ceph'><secret uuid='{SECRET}'/></auth>"
        ),
        "vol",
        "rbd/vol",
    ),
    # Another cluster, whose volume has the same path.
    "other-ceph": ("rbd", "<name>rbd</name><host name='mon9'/>", "vol", "rbd/vol"),
    "bricks": (
        "gluster",
        "<name>volume</name><host name='g1'/><dir path='/sub/'/>",
        "a b.img",
        "gluster://g1/volume/sub/a%20b.img",
    ),
    "targets": (
        "iscsi-direct",
        (
            "<host name='i1'/><device path='iqn.2013-06.com.example:pool'/>"
            "<initiator><iqn name='iqn.2013-06.com.example:me'/></initiator>"
            f"<auth type='chap' username='me'><secret uuid='{SECRET}'/></auth>"
        ),
        "unit:0:0:3",
        "ip-i1-iscsi-iqn.2013-06.com.example:pool-lun-3",
    ),
}
#: By pool: the disk's type, its source, and what is shown of it.
DISKS = {
    "ceph": (
        "network",
        (
            "<source protocol='rbd' name='rbd/vol'><host name='mon1' port='6789'/>"
            f"<host name='fd00::2'/><auth username='admin'><secret type='ceph' uuid='{SECRET}'/>"
            "</auth></source>"
        ),
        "rbd://mon1:6789/rbd/vol rbd://[fd00::2]/rbd/vol",
    ),
    "other-ceph": (
        "network",
        "<source protocol='rbd' name='rbd/vol'><host name='mon9'/></source>",
        "rbd://mon9/rbd/vol",
    ),
    "bricks": (
        "network",
        (
            "<source protocol='gluster' name='volume/sub/a b.img'>"
            "<host name='g1' port='24007'/></source>"
        ),
        "gluster://g1:24007/volume/sub/a%20b.img",
    ),
    "targets": (
        "volume",
        "<source pool='targets' volume='unit:0:0:3'/>",
        "iscsi://i1:3260/iqn.2013-06.com.example:pool/3",
    ),
}

RunningHost = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunningHost]:
    """`run(**options)` gives a toolstack over a host that has these pools, and a session."""
    pools = "".join(
        f"<pool type='{kind}'><name>{name}</name><source>{source}</source><volume type='network'>"
        f"<name>{volume}</name><capacity>1048576</capacity><target><path>{path}</path></target>"
        "</volume></pool>"
        for name, (kind, source, volume, path) in POOLS.items()
    )
    (tmp_path / "host.xml").write_text(host_xml().replace("</node>", f"{pools}</node>"))
    with ExitStack() as stack:

        def start(**options: Any) -> Any:
            options.setdefault("image_directories", ())
            uri = f"test://{tmp_path / 'host.xml'}"
            host = stack.enter_context(running_host(uri, **options))
            session = host.login()
            stack.callback(session("close"))
            return host, session, session.xenapi

        yield start


def vdi_in(session: XenAPI.Session, pool: str) -> str:
    [vdi] = session.xenapi.SR.get_VDIs(only(session, "SR", pool))
    return str(vdi)


def canonical(xml: str) -> str:
    return ElementTree.canonicalize(xml, strip_text=True)


def sources(host: Any, name: str) -> list[tuple[str, str]]:
    """The type and the source of each disk of a machine."""
    root = ElementTree.fromstring(host.libvirt.lookupByName(name).XMLDesc(2))
    return [
        (disk.get("type", ""), canonical(ElementTree.tostring(found, "unicode")))
        for disk in root.iterfind("devices/disk")
        if (found := disk.find("source")) is not None
    ]


@pytest.mark.parametrize("pool", DISKS)
def test_a_volume_on_the_network_is_attached_as_what_qemu_can_open(
    run: RunningHost, pool: str
) -> None:
    host, session, api = run()
    kind, source, uris = DISKS[pool]
    vdi = vdi_in(session, pool)
    record = api.VDI.get_record(vdi)
    assert record["location"] == POOLS[pool][3]
    assert record["sm_config"]["uris"] == uris
    vm = api.VM.create(vm_record("mine"))
    vbd = api.VBD.create({"VM": vm, "VDI": vdi, "type": "Disk", "mode": "RW"})
    assert sources(host, "mine") == [(kind, canonical(source))]
    # It is known as that volume again, and nothing changes when it is named again.
    assert api.VBD.get_VDI(vbd) == vdi
    assert api.VDI.get_VBDs(vdi) == [vbd]
    before = host.libvirt.lookupByName("mine").XMLDesc(2)
    api.virtcim.VM.modify(vm, {"changed_VBDs": [{"VBD": vbd, "VDI": vdi}]})
    assert host.libvirt.lookupByName("mine").XMLDesc(2) == before
    assert failure(api.VDI.destroy, vdi) == ["VDI_IN_USE", vdi, "destroy"]
    api.VBD.destroy(vbd)
    api.VDI.destroy(vdi)


def test_the_disk_of_another_program_is_known_as_the_volume(run: RunningHost) -> None:
    host, session, api = run()
    for pool, (kind, source, _) in DISKS.items():
        host.libvirt.defineXML(
            f"<domain type='test'><name>on-{pool}</name><memory>1024</memory><os><type>hvm</type>"
            f"</os><devices><disk type='{kind}'>{source}<target dev='vda'/></disk></devices>"
            "</domain>"
        )
        vdi = vdi_in(session, pool)
        assert failure(api.VDI.destroy, vdi) == ["VDI_IN_USE", vdi, "destroy"], pool


def test_a_new_volume_is_attached_with_its_hosts_at_once(run: RunningHost) -> None:
    host, session, api = run()
    image = {"SR": only(session, "SR", "ceph"), "name_label": "new", "virtual_size": "1048576"}
    made = api.virtcim.VM.define(
        {**vm_record("whole"), "VBDs": [{"type": "Disk", "mode": "RW", **image}], "VIFs": []}
    )
    assert made
    assert sources(host, "whole") == [
        ("network", canonical(DISKS["ceph"][1].replace("rbd/vol", "rbd/new")))
    ]


def test_a_uri_of_a_listed_volume_is_that_volume(run: RunningHost) -> None:
    host, _, api = run()
    disk = {"type": "Disk", "location": "rbd://mon1:6789/rbd/vol"}
    vm = api.VM.create(vm_record("mine"))
    api.virtcim.VM.modify(vm, {"added_VBDs": [disk]})
    # With all hosts, and the reference to the secret that its pool has.
    assert sources(host, "mine") == [("network", canonical(DISKS["ceph"][1]))]
    del disk["location"]
    other = {**disk, "location": "rbd://mon1:6789/rbd/other"}
    refused = failure(api.virtcim.VM.modify, vm, {"added_VBDs": [other]})
    assert (refused[0], refused[-1]) == ("VIRTCIM_OUTSIDE_FENCE", "--image-source")


def test_pools_on_the_network_are_inside_as_their_sources_are(
    run: RunningHost, tmp_path: Path
) -> None:
    # With directories, only what lies below --image-source; of an image with two hosts both.
    _, session, api = run(
        image_directories=(str(tmp_path),),
        image_sources=("rbd://mon1", "rbd://mon9/rbd", "iscsi://i1/iqn.2013-06.com.example:pool/3"),
    )
    vm = api.VM.create(vm_record("mine"))
    for pool, allowed in (
        ("ceph", False),
        ("other-ceph", True),
        ("bricks", False),
        ("targets", True),
    ):
        disk = {"VM": vm, "VDI": vdi_in(session, pool), "type": "Disk", "mode": "RW"}
        if allowed:
            assert api.VBD.create(disk)
        else:
            refused = failure(api.VBD.create, disk)
            assert (refused[0], refused[-1]) == ("VIRTCIM_OUTSIDE_FENCE", "--image-source")
    refused = failure(api.VDI.destroy, vdi_in(session, "bricks"))
    assert (refused[0], refused[-1]) == ("VIRTCIM_OUTSIDE_FENCE", "--image-source")


def test_other_pools_have_no_source_on_the_network() -> None:
    source = ElementTree.fromstring("<source><host name='h'/><dir path='/exports'/></source>")
    for kind in ("dir", "fs", "netfs", "logical", "disk", "iscsi", "scsi", "mpath", "zfs"):
        assert read_pool_source(kind, source) is None
    sheep = read_pool_source(
        "sheepdog",
        ElementTree.fromstring("<source><host name='s' port='7000'/><name>ignored</name></source>"),
    )
    assert sheep is not None
    assert sheep.uris("vdi") == ("sheepdog://s:7000/vdi",)


def test_a_format_that_is_stated_of_one_cluster_decides_nothing_on_another(
    run: RunningHost,
) -> None:
    _, session, api = run()
    vm = api.VM.create(vm_record("mine"))
    formats = {}
    for pool, stated in (("ceph", {"type": "qcow2"}), ("other-ceph", {}), ("ceph", {})):
        disk = {"VM": vm, "VDI": vdi_in(session, pool), "type": "Disk", "mode": "RW"}
        vbd = api.VBD.create({**disk, "other_config": stated})
        formats[pool] = api.VBD.get_runtime_properties(vbd)["type"]
        assert api.VDI.get_sm_config(vdi_in(session, pool))["type"] == formats[pool]
        api.VBD.destroy(vbd)
    assert formats == {"ceph": "qcow2", "other-ceph": "raw"}
