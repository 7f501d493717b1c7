"""Machines that others made: every kind of disk, port and console is shown as what it is."""

from __future__ import annotations

import socket
import uuid
from contextlib import ExitStack
from pathlib import Path
from xml.etree.ElementTree import fromstring

import libvirt
import pytest
import pywbem
from private_libvirt import PrivateLibvirt

from tests.system.cim import find_system, request_state, service_path, system_path
from tests.system.stack import Stack
from tests.system.waiting import wait_for

DISK = "VirtCIM_DiskResourceAllocationSettingData"
PORT = "VirtCIM_NetworkPortResourceAllocationSettingData"
CONSOLE = "VirtCIM_ConsoleResourceAllocationSettingData"

#: libvirt's element and what HostResource says; IMAGES is the directory of the pool `default`.
SOURCES = {
    "vda": (
        (
            "<disk type='network'><driver name='qemu' type='raw'/>"
            "<source protocol='http' name='images/a.img'><host name='alpha.example' port='80'/>"
            "</source>"
        ),
        ["http://alpha.example:80/images/a.img"],
    ),
    "vdb": (
        (
            "<disk type='network'><driver name='qemu' type='qcow2'/>"
            "<source protocol='http' name='images/a.img'><host name='beta.example' port='80'/>"
            "</source>"
        ),
        ["http://beta.example:80/images/a.img"],
    ),
    "vdc": (
        (
            "<disk type='network'><driver name='qemu' type='raw'/>"
            "<auth username='admin'><secret type='ceph' usage='hidden'/></auth>"
            "<source protocol='rbd' name='pool/image'><host name='mon1' port='6321'/>"
            "<host name='fd00::2' port='6322'/><host name='mon3'/></source>"
        ),
        [
            "rbd://mon1:6321/pool/image",
            "rbd://[fd00::2]:6322/pool/image",
            "rbd://mon3/pool/image",
        ],
    ),
    "vdd": (
        (
            "<disk type='network'><driver name='qemu' type='raw'/>"
            "<source protocol='nbd' name='export'><host transport='unix' socket='/run/n b.sock'/>"
            "</source>"
        ),
        ["nbd+unix:///export?socket=/run/n%20b.sock"],
    ),
    "vde": (
        (
            "<disk type='network'><driver name='qemu' type='raw'/>"
            "<source protocol='https' name='f/d' query='dcPath=data&amp;token=hidden'>"
            "<host name='vc.example' port='443'/></source>"
        ),
        ["https://vc.example:443/f/d?dcPath=data&token=..."],
    ),
    "vdf": (
        (
            "<disk type='network'><driver name='qemu' type='raw'/>"
            "<source protocol='iscsi' name='iqn.2013-07.com.example:pool/1'>"
            "<host name='iscsi.example' port='3260'/></source>"
        ),
        ["iscsi://iscsi.example:3260/iqn.2013-07.com.example:pool/1"],
    ),
    "vdg": (
        (
            "<disk type='network'><driver name='qemu' type='qcow2'/>"
            "<source protocol='gluster' name='vol/image'><host name='g1'/>"
            "<host name='g2' port='24007'/></source>"
        ),
        ["gluster://g1:24007/vol/image", "gluster://g2:24007/vol/image"],
    ),
    "vdh": (
        (
            "<disk type='nvme'><driver name='qemu' type='raw'/>"
            "<source type='pci' managed='yes' namespace='1'>"
            "<address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></source>"
        ),
        ["nvme:///0000:01:00.0/1"],
    ),
    "vdi": (
        (
            "<disk type='volume'><driver name='qemu' type='qcow2'/>"
            "<source pool='missing' volume='v 1'/>"
        ),
        ["volume:///missing/v%201"],
    ),
    "vdj": (
        "<disk type='block'><driver name='qemu' type='qcow2'/><source dev='/dev/nonesuch'/>",
        ["file:///dev/nonesuch"],
    ),
    "sda": ("<disk type='file' device='cdrom'>", []),
    "sdb": (
        (
            "<disk type='file'><driver name='qemu' type='raw'/>"
            "<source file='IMAGES/100% #1? \u00fc.img'/>"
        ),
        ["file://IMAGES/100%25%20%231%3F%20%C3%BC.img"],
    ),
    "sdc": (
        # A guest can write such a header: what counts is what the machine says.
        "<disk type='file'><driver name='qemu' type='raw'/><source file='IMAGES/header.img'/>",
        ["file://IMAGES/header.img"],
    ),
}
PORTS = """
<interface type='network'><mac address='52:54:00:00:00:01'/><source network='missing'/>
  <model type='virtio'/><boot order='1'/></interface>
<interface type='mcast'><mac address='52:54:00:00:00:02'/>
  <source address='230.0.0.1' port='5558'/></interface>
"""


def shown(instance: pywbem.CIMInstance, key: str) -> str:
    """The last part of an identity."""
    return str(instance[key]).rpartition("/")[2]


@pytest.fixture
def odd(qemu: libvirt.virConnect, shared_libvirt: PrivateLibvirt) -> libvirt.virDomain:
    """A halted machine with every kind of disk."""
    for name in ("100% #1? \u00fc.img", "header.img"):
        path = shared_libvirt.images / name
        path.write_bytes(b"QFI\xfb\0\0\0\3".ljust(1 << 20, b"\0"))
        shared_libvirt.give(path)
    qemu.storagePoolLookupByName("default").refresh()
    disks = "".join(
        source.replace("IMAGES", str(shared_libvirt.images))
        + f"<target dev='{target}' bus='{'virtio' if target[0] == 'v' else 'sata'}'/></disk>"
        for target, (source, _) in SOURCES.items()
    )
    return qemu.defineXML(
        f"<domain type='qemu'><name>odd-{uuid.uuid4().hex[:8]}</name><title>An odd one</title>"
        "<memory unit='MiB'>64</memory><os><type arch='x86_64' machine='q35'>hvm</type></os>"
        f"<devices>{disks}{PORTS}</devices></domain>"
    )


def settings_of(
    cim: pywbem.WBEMConnection, domain: libvirt.virDomain, class_name: str
) -> dict[str, pywbem.CIMInstance]:
    wait_for(lambda: find_system(cim, domain.name()), lambda found: found is not None, "it")
    return {
        shown(each, "InstanceID"): each
        for each in cim.EnumerateInstances(class_name)
        if domain.UUIDString() in each["InstanceID"]
    }


def test_every_kind_of_disk_says_where_its_image_is(
    cim: pywbem.WBEMConnection, odd: libvirt.virDomain, shared_libvirt: PrivateLibvirt
) -> None:
    disks = settings_of(cim, odd, DISK)
    images = str(shared_libvirt.images)
    assert {
        target: [uri.replace(images, "IMAGES") for uri in each["HostResource"] or []]
        for target, each in disks.items()
    } == {target: uris for target, (_, uris) in SOURCES.items()}
    assert not any("hidden" in str(each.items()) for each in disks.values())
    formats = {target: each["ResourceSubType"] for target, each in disks.items()}
    described = fromstring(odd.XMLDesc())
    assert formats.pop("sda") is None
    assert formats == {
        element.find("target").get("dev"): element.find("driver").get("type")  # type: ignore[union-attr]
        for element in described.iterfind("devices/disk")
        if element.find("source") is not None
    }
    # No two disks have an image in common: not even those of equal name on two servers.
    based = [
        cim.AssociatorNames(disk.path, ResultClass="VirtCIM_DiskImage")
        for disk in cim.EnumerateInstances("VirtCIM_LogicalDisk")
        if disk["SystemName"] == odd.UUIDString()
    ]
    identities = [path["DeviceID"] for paths in based for path in paths]
    assert len(identities) == len(set(identities)) == len(SOURCES) - 1


def test_what_was_shown_can_be_sent_back_and_changes_nothing(
    cim: pywbem.WBEMConnection, odd: libvirt.virDomain
) -> None:
    flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    before = odd.XMLDesc(flags)
    resources = [*settings_of(cim, odd, DISK).values(), *settings_of(cim, odd, PORT).values()]
    service = service_path(cim)
    status, _ = cim.InvokeMethod("ModifyResourceSettings", service, ResourceSettings=resources)
    assert status == 0
    [system] = settings_of(cim, odd, "VirtCIM_VirtualSystemSettingData").values()
    assert system["BootDevices"] == ["network"]
    assert system["Caption"] == "An odd one"
    status, _ = cim.InvokeMethod("ModifySystemSettings", service, SystemSettings=system)
    assert status == 0
    assert odd.XMLDesc(flags) == before


def test_ports_name_their_networks_also_those_that_are_not_there(
    cim: pywbem.WBEMConnection, odd: libvirt.virDomain
) -> None:
    ports = settings_of(cim, odd, PORT)
    missing, group = ports["0"], ports["1"]
    assert (missing["PoolID"], missing["Connection"]) == (None, ["missing"])
    [pool] = [
        each
        for each in cim.EnumerateInstances("VirtCIM_NetworkPool")
        if each["InstanceID"] == group["PoolID"]
    ]
    assert pool["ElementName"] == "mcast 230.0.0.1:5558"
    [port] = [
        each
        for each in cim.EnumerateInstances("VirtCIM_NetworkPort")
        if each["PermanentAddress"] == "525400000001"
    ]
    assert port["StatusDescriptions"][0] == "the network 'missing' does not exist"
    assert port["OperationalStatus"][0] == 3


def free_port() -> int:
    """A TCP port that nobody uses at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def graphics_of(qemu: libvirt.virConnect, directory: Path) -> str:
    """Graphics of each protocol that this QEMU has."""
    capabilities = fromstring(qemu.getDomainCapabilities())
    known = {each.text for each in capabilities.iterfind("devices/graphics/enum/value")}
    spice = "<graphics type='spice' autoport='yes' listen='0.0.0.0'/>" if "spice" in known else ""
    listen = f"<listen type='socket' socket='{directory}/v.sock'/>"
    return f"<graphics type='vnc'>{listen}</graphics>{spice}"


def machine_with_consoles(
    qemu: libvirt.virConnect, directory: Path
) -> tuple[libvirt.virDomain, int]:
    """A machine that exists only while it runs, and the TCP port that it listens on."""
    while True:
        tcp_port = free_port()
        try:
            return qemu.createXML(
                f"<domain type='qemu'><name>consoles-{uuid.uuid4().hex[:8]}</name>"
                "<memory unit='MiB'>32</memory><os><type arch='x86_64' machine='q35'>hvm</type>"
                f"</os><devices>{graphics_of(qemu, directory)}"
                f"<serial type='tcp'><source mode='bind' host='0.0.0.0' service='{tcp_port}'/>"
                "<protocol type='telnet'/><target port='0'/></serial>"
                f"<serial type='file'><source path='{directory}/log'/><target port='1'/></serial>"
                f"<serial type='unix'><source mode='bind' path='{directory}/s 2.sock'/>"
                "<target port='2'/></serial>"
                "<console type='pty'><target type='virtio'/></console>"
                "<interface type='user'><mac address='52:54:00:00:00:01'/><link state='down'/>"
                "</interface></devices></domain>"
            ), tcp_port
        except libvirt.libvirtError as error:
            # Somebody else was quicker.
            if "Address already in use" not in str(error):
                raise


def test_consoles_can_be_opened_where_they_say(
    cim: pywbem.WBEMConnection,
    stack: Stack,
    qemu: libvirt.virConnect,
    shared_libvirt: PrivateLibvirt,
) -> None:
    directory = shared_libvirt.directory / uuid.uuid4().hex[:8]
    directory.mkdir()
    shared_libvirt.give(directory)
    domain, tcp_port = machine_with_consoles(qemu, directory)
    hostname = qemu.getHostname()
    described = fromstring(domain.XMLDesc())
    tty = described.find("devices/console[@tty]")
    assert tty is not None
    expected = {
        "vnc0": f"vnc+unix://{directory}/v.sock",
        "serial0": f"telnet://{hostname}:{tcp_port}",
        "serial2": f"unix://{directory}/s%202.sock",
        "console0": f"file://{tty.get('tty')}",
    }
    spice = described.find("devices/graphics[@type='spice']")
    if spice is not None:
        expected["spice0"] = f"spice://{hostname}:{spice.get('port')}"

    def shown_addresses() -> dict[str, str]:
        consoles = settings_of(cim, domain, CONSOLE)
        return {name: each["Address"] for name, each in consoles.items()}

    # A look at libvirt can meet the machine while it starts, when not all of them are there.
    addresses = wait_for(shown_addresses, lambda now: now == expected, "the consoles")
    # They are there indeed.
    with ExitStack() as opened:
        for name in ("v.sock", "s 2.sock"):
            client = opened.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(str(directory / name))
        opened.enter_context(socket.create_connection(("127.0.0.1", tcp_port)))
    # Only what shows a display is one.
    displays = [
        shown(each, "DeviceID") for each in cim.EnumerateInstances("VirtCIM_DisplayController")
    ]
    assert sorted(displays) == sorted({"vnc0", "spice0"} & set(addresses))
    [port] = cim.EnumerateInstances("VirtCIM_NetworkPort")
    assert (port["EnabledState"], port["StatusDescriptions"]) == (6, ["The link is down"])
    # Debian's wbemcli shows the same.
    answer = stack.wbemcli().run("ei", CONSOLE)
    assert answer.succeeded
    told = {
        each.properties["InstanceID"].rpartition("/")[2]: each.properties
        for each in answer.instances()
    }
    assert {name: each["Address"] for name, each in told.items()} == addresses
    request_state(cim, domain.UUIDString(), "switch off")
    assert cim.EnumerateInstances(CONSOLE) == []
    with pytest.raises(pywbem.CIMError):
        cim.GetInstance(system_path(domain.UUIDString()))
