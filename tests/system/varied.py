"""A simulated host with virtual machines of many shapes (`test:///FILE`)."""

from __future__ import annotations

import uuid
from xml.sax.saxutils import escape

__all__ = ["varied_host_xml"]

_NAMESPACE = uuid.UUID("4b9f1a56-6f5e-4c38-8f52-6f0a8d2f1c1e")
# libvirt's domain states: running, paused, shut off.
_STATES = (1, 5, 3)
_NAMES = ("plain", "two words", "<&\"'>", "größe-中", "dots.and-dashes_", "a" * 60)
_BUSES = (("vd", "virtio"), ("sd", "scsi"), ("hd", "ide"), ("sd", "usb"))
_MODELS = ("virtio", "e1000", "rtl8139")
_BOOT = (("hd",), ("cdrom", "hd"), ("network",), ("fd", "hd", "network"), ())


def varied_host_xml(machines: int) -> str:
    """Describe a host with two networks, two storage pools, and machines of many shapes.

    State, sizes, name, description, disks and drives, interfaces, consoles and boot order depend
    on the number of the machine, each with a period of its own.
    """
    networks = "".join(
        f"<network><name>{name}</name>{forward}<bridge name='{bridge}'/>"
        f"<ip address='{address}' netmask='255.255.255.0'/></network>"
        for name, forward, bridge, address in (
            ("default", "<forward mode='nat'/>", "virbr0", "192.168.122.1"),
            ("isolated &amp; quiet", "", "virbr1", "10.1.1.1"),
        )
    )
    pools = "".join(
        f"<pool type='dir'><name>{name}</name><target><path>{path}</path></target></pool>"
        for name, path in (("default", "/images"), ("second", "/more images"))
    )
    return (
        "<node><cpu><mhz>2600</mhz><model>x86_64</model><active>8</active><nodes>1</nodes>"
        "<sockets>1</sockets><cores>8</cores><threads>1</threads></cpu><memory>67108864</memory>"
        + networks
        + pools
        + "".join(_machine(number) for number in range(machines))
        + "</node>"
    )


def _machine(number: int) -> str:
    name = f"{number}-{_NAMES[number % len(_NAMES)]}"
    description = (
        "" if number % 3 else "<description>Line one\nline two, &lt;&amp;&gt;</description>"
    )
    boot = "".join(f"<boot dev='{device}'/>" for device in _BOOT[number % len(_BOOT)])
    processors = 1 + number % 5
    return (
        "<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>"
        f"<test:runstate>{_STATES[number % len(_STATES)]}</test:runstate>"
        f"<name>{escape(name)}</name><uuid>{uuid.uuid5(_NAMESPACE, name)}</uuid>{description}"
        f"<memory unit='MiB'>{64 * (1 + number % 7)}</memory>"
        f"<currentMemory unit='MiB'>{64 * (1 + number % 7) - number % 2 * 32}</currentMemory>"
        f"<vcpu current='{1 + number % processors}'>{processors}</vcpu>"
        f"<os><type>hvm</type>{boot}</os>"
        f"<on_crash>{('destroy', 'restart', 'preserve')[number % 3]}</on_crash>"
        f"<devices>{_disks(number)}{_drives(number)}{_interfaces(number)}{_consoles(number)}"
        "</devices></domain>"
    )


def _disks(number: int) -> str:
    prefix, bus = _BUSES[number % len(_BUSES)]
    directory = ("/images", "/more images", "/elsewhere")[number % 3]
    return "".join(
        f"<disk type='file' device='disk'><driver name='qemu' type='{('qcow2', 'raw')[disk % 2]}'/>"
        f"<source file='{directory}/{number}-{disk}.img'/>"
        f"<target dev='{prefix}{chr(ord('a') + disk)}' bus='{bus}'/>"
        f"{'<readonly/>' if disk == 1 else ''}</disk>"
        for disk in range(number % 4)
    )


def _drives(number: int) -> str:
    drives = ""
    if number % 4 == 1:
        source = "<source file='/images/tools.iso'/>" if number % 8 == 1 else ""
        drives += (
            f"<disk type='file' device='cdrom'>{source}"
            "<target dev='sdz' bus='sata'/><readonly/></disk>"
        )
    if number % 10 == 3:
        drives += (
            "<disk type='file' device='floppy'><source file='/images/floppy.img'/>"
            "<target dev='fda' bus='fdc'/></disk>"
        )
    return drives


def _interfaces(number: int) -> str:
    interfaces = ""
    for port in range(number % 3 + number % 2):
        mac = f"52:54:01:00:{number:02x}:{port:02x}"
        network = ("default", "isolated &amp; quiet")[port % 2]
        kind, source = ("network", f"<source network='{network}'/>")
        if (number + port) % 5 == 4:
            kind, source = ("user", "")
        interfaces += (
            f"<interface type='{kind}'><mac address='{mac}'/>{source}"
            f"<model type='{_MODELS[(number + port) % len(_MODELS)]}'/></interface>"
        )
    return interfaces


def _consoles(number: int) -> str:
    graphics = f"<graphics type='vnc' port='{5900 + number}' autoport='no' listen='127.0.0.1'/>"
    serial = f"<serial type='file'><source path='/log/{number}'/><target port='0'/></serial>"
    return (graphics if number % 2 == 0 else "") + (serial if number % 5 == 0 else "")
