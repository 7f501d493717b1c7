"""Every kind of change that CIM offers: how it is asked for, and the edit by hand that it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pywbem

from tests.harness import edits
from tests.harness.client import DISK, PORT, SystemClient
from tests.harness.documents import Edit, Element

__all__ = ["FAILING", "KINDS", "Change", "Kind", "World"]

_KIB = 1 << 10
_MULTICAST = "01:00:5e:00:00:01"
_NEW_MAC = "52:54:00:aa:bb:{:02x}"
_BUSES = {"virtio": "scsi", "scsi": "sata", "sata": "scsi", "ide": "sata", "usb": "virtio"}
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_DEVICE_KINDS = ("hd", "cdrom", "network", "fd")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What there is beside the machine: images in a pool, a network, another machine."""

    image: str
    medium: str
    network: str
    network_uuid: str
    other_machine: str

    @property
    def pool_id(self) -> str:
        """The PoolID of the network."""
        return f"VirtCIM:{self.network_uuid}/NetworkPool"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change: what is asked, and the edit; without an edit it must be refused.

    ``autostart`` is what libvirt keeps beside the document, where that shall be another.
    """

    what: str
    ask: Callable[[SystemClient], None]
    edit: Edit | None
    autostart: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of change, and those of it that a document has a place for."""

    name: str
    changes: Callable[[Element, World], Iterator[Change]]


def _nothing(_root: Element) -> None:
    """The document stays."""


def _targets(root: Element, *devices: str) -> Iterator[tuple[Element, str]]:
    for disk in root.iterfind("devices/disk"):
        target = disk.find("target")
        if disk.get("device", "disk") in devices and target is not None:
            yield disk, target.get("dev", "")


def _ports(root: Element) -> Iterator[tuple[int, Element]]:
    yield from enumerate(root.findall("devices/interface"))


def _modify(part: str, **values: Any) -> Callable[[SystemClient], None]:
    return lambda client: client.modify((part, values))


def _modify_system(**values: Any) -> Callable[[SystemClient], None]:
    return lambda client: client.modify_system(**values)


def _mac(port: Element) -> str:
    mac = port.find("mac")
    return "" if mac is None else mac.get("address", "").lower()


def _port_part(client: SystemClient, root: Element, at: int) -> str:
    """The setting of the interface at a place: of those with its MAC the one in its turn."""
    wanted = _mac(edits.find_port(root, at))
    turn = [_mac(port) for _, port in _ports(root)][:at].count(wanted)
    found = [
        part
        for part, each in client.settings().items()
        if part.startswith("network/") and str(each["Address"]).lower() == wanted
    ]
    return sorted(found, key=lambda part: int(part.partition("/")[2]))[turn]


def _modify_port(root: Element, at: int, **values: Any) -> Callable[[SystemClient], None]:
    def ask(client: SystemClient) -> None:
        client.modify((_port_part(client, root, at), values))

    return ask


def _remove(class_name: str, part: str, client: SystemClient) -> None:
    client.remove(class_name, part)


def _remove_port(root: Element, at: int, client: SystemClient) -> None:
    client.remove(PORT, _port_part(client, root, at))


def _uint16(value: int) -> Any:
    return pywbem.Uint16(value)


def _uint64(value: int) -> Any:
    return pywbem.Uint64(value)


# --------------------------------------------------------------------------------------------------
# What can be changed
# --------------------------------------------------------------------------------------------------


def _description(_root: Element, _world: World) -> Iterator[Change]:
    said = "Said by a client: <&> 'ä'"
    yield Change(
        what="description",
        ask=_modify_system(Description=said),
        edit=edits.text("description", said),
    )


def _name(root: Element, _world: World) -> Iterator[Change]:
    name = f"{root.findtext('name')}-renamed"
    yield Change(what=name, ask=_modify_system(ElementName=name), edit=edits.text("name", name))


def _recovery(root: Element, _world: World) -> Iterator[Change]:
    # A restart after a dump is shown as one, too.
    restarts = "restart" in (root.findtext("on_crash") or "")
    word, action = ("destroy", 2) if restarts else ("restart", 3)
    yield Change(
        what=word,
        ask=_modify_system(AutomaticRecoveryAction=_uint16(action)),
        edit=edits.text("on_crash", word),
    )


def _autostart(_root: Element, _world: World) -> Iterator[Change]:
    for action in (4, 2):
        yield Change(
            what=str(action),
            ask=_modify_system(AutomaticStartupAction=_uint16(action)),
            edit=_nothing,
            autostart=action == 4,
        )


def _boot(root: Element, _world: World) -> Iterator[Change]:
    per_device = list(root.iterfind("devices/*/boot"))
    present = [boot.get("dev", "") for boot in root.iterfind("os/boot")]
    if per_device:
        kinds = {edits_kind for boot in per_device if (edits_kind := _boot_kind(boot.getparent()))}
        wanted = [kind for kind in _DEVICE_KINDS if kind in kinds]
        if len(wanted) < 2:
            return
        orders = sorted(
            (int(boot.get("order", "0")), _boot_kind(boot.getparent())) for boot in per_device
        )
        if wanted == list(dict.fromkeys(kind for _, kind in orders if kind)):
            wanted.reverse()
    else:
        wanted = ["network", "hd"] if present != ["network", "hd"] else ["hd", "cdrom"]
    yield Change(
        what=" ".join(wanted),
        ask=_modify_system(BootDevices=wanted),
        edit=edits.boot_order(wanted),
    )


def _boot_kind(device: Element | None) -> str:
    assert device is not None
    if device.tag == "disk":
        kinds = {"disk": "hd", "lun": "hd", "cdrom": "cdrom", "floppy": "fd"}
        return kinds[device.get("device", "disk")]
    return "network" if device.tag == "interface" else ""


def _kib(root: Element, tag: str) -> int:
    return int(root.findtext(tag) or root.findtext("memory") or "0")


def _memory(root: Element, _world: World) -> Iterator[Change]:
    half = _kib(root, "currentMemory") // 2
    if half >= _KIB:
        yield Change(
            what=f"{half} KiB",
            ask=_modify("memory", VirtualQuantity=_uint64(half * _KIB)),
            edit=edits.text("currentMemory", str(half)),
        )


def _most_memory(root: Element, _world: World) -> Iterator[Change]:
    more = _kib(root, "memory") + _KIB
    yield Change(
        what=f"{more} KiB",
        ask=_modify("memory", Limit=_uint64(more * _KIB)),
        edit=edits.text("memory", str(more)),
    )


def _numbers(root: Element) -> tuple[int, int]:
    vcpu = root.find("vcpu")
    assert vcpu is not None
    most = int(vcpu.text or "1")
    return int(vcpu.get("current", most)), most


def _processors(root: Element, _world: World) -> Iterator[Change]:
    current, most = _numbers(root)
    # Where each processor is said one by one, libvirt chooses which of them are on.
    if most > 1 and root.find("vcpus") is None:
        wanted = current - 1 or most
        yield Change(
            what=f"{wanted} of {most}",
            ask=_modify("processor", VirtualQuantity=_uint64(wanted)),
            edit=edits.vcpus(current=wanted, most=most),
        )


def _most_processors(root: Element, _world: World) -> Iterator[Change]:
    current, most = _numbers(root)
    if root.find("vcpus") is None:
        yield Change(
            what=f"{current} of {most + 1}",
            ask=_modify("processor", Limit=_uint64(most + 1)),
            edit=edits.vcpus(current=current, most=most + 1),
        )


def _access(root: Element, _world: World) -> Iterator[Change]:
    for disk, target in _targets(root, "disk", "lun", "floppy"):
        read_only = disk.find("readonly") is None
        yield Change(
            what=f"{target}: {'read-only' if read_only else 'read-write'}",
            ask=_modify(f"disk/{target}", Access=_uint16(1 if read_only else 3)),
            edit=edits.disk_access(target, read_only=read_only),
        )


def _bus(root: Element, _world: World) -> Iterator[Change]:
    for disk, target in _targets(root, "disk", "lun", "cdrom"):
        element = disk.find("target")
        bus = "" if element is None else _BUSES.get(element.get("bus", ""), "")
        if bus and not (disk.get("device") == "cdrom" and bus == "virtio"):
            yield Change(
                what=f"{target}: {bus}",
                ask=_modify(f"disk/{target}", BusType=bus),
                edit=edits.disk_bus(target, bus),
            )


def _format(root: Element, _world: World) -> Iterator[Change]:
    for disk, target in _targets(root, "disk"):
        driver = disk.find("driver")
        known = "" if driver is None else driver.get("type", "")
        wanted = "qcow2" if known == "raw" else "raw"
        yield Change(
            what=f"{target}: {known} to {wanted}",
            ask=_modify(f"disk/{target}", ResourceSubType=wanted),
            edit=edits.disk_format(target, wanted),
        )


def _image(root: Element, world: World) -> Iterator[Change]:
    for disk, target in _targets(root, "disk"):
        yield Change(
            what=f"{target}: {disk.get('type')} to file",
            ask=_modify(
                f"disk/{target}",
                HostResource=[world.image],
                ResourceSubType="raw",
                # Those would name the old image again.
                Address=None,
                HostExtentName=None,
                PoolID=None,
                VirtualQuantity=None,
            ),
            edit=edits.disk_image(target, world.image),
        )


def _medium(root: Element, world: World) -> Iterator[Change]:
    names = ("Address", "HostExtentName", "PoolID", "VirtualQuantity", "ResourceSubType")
    for disk, target in _targets(root, "cdrom", "floppy"):
        present = disk.find("source")
        for path in ("", world.medium) if present is not None else (world.medium, ""):
            yield Change(
                what=f"{target}: {'in' if path else 'out'}",
                ask=_modify(f"disk/{target}", HostResource=[path], **dict.fromkeys(names)),
                edit=edits.disk_image(target, path),
            )


def _mac_address(root: Element, _world: World) -> Iterator[Change]:
    for at, _ in _ports(root):
        address = _NEW_MAC.format(at)
        yield Change(
            what=f"{at}: {address}",
            ask=_modify_port(root, at, Address=address),
            edit=edits.port_mac(at, address),
        )


def _model(root: Element, _world: World) -> Iterator[Change]:
    for at, port in _ports(root):
        model = port.find("model")
        wanted = "e1000" if model is not None and model.get("type") == "virtio" else "virtio"
        yield Change(
            what=f"{at}, {port.get('type')}: {wanted}",
            ask=_modify_port(root, at, ResourceSubType=wanted),
            edit=edits.port_model(at, wanted),
        )


def _network(root: Element, world: World) -> Iterator[Change]:
    for at, port in _ports(root):
        yield Change(
            what=f"{at}: {port.get('type')} to network",
            ask=_modify_port(root, at, PoolID=world.pool_id, Connection=None, HostResource=None),
            edit=edits.port_network(at, world.network),
        )


def _free_target(root: Element) -> str:
    taken = {target for _, target in _targets(root, "disk", "lun", "cdrom", "floppy")}
    return next(f"vd{letter}" for letter in _LETTERS if f"vd{letter}" not in taken)


def _added_disk(root: Element, world: World) -> Iterator[Change]:
    target = _free_target(root)

    def ask(client: SystemClient) -> None:
        client.add(
            DISK,
            ResourceType=_uint16(31),
            HostResource=[world.image],
            ResourceSubType="raw",
            BusType="virtio",
            AddressOnParent=target,
        )

    xml = (
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
        f"<source file='{world.image}'/><target dev='{target}' bus='virtio'/></disk>"
    )
    yield Change(what=target, ask=ask, edit=edits.add(xml))


def _added_port(_root: Element, world: World) -> Iterator[Change]:
    address = "52:54:00:cc:dd:ee"

    def ask(client: SystemClient) -> None:
        client.add(
            PORT,
            ResourceType=_uint16(10),
            PoolID=world.pool_id,
            Address=address,
            ResourceSubType="virtio",
        )

    xml = (
        f"<interface type='network'><mac address='{address}'/>"
        f"<source network='{world.network}'/><model type='virtio'/></interface>"
    )
    yield Change(what=address, ask=ask, edit=edits.add(xml))


def _removed_disk(root: Element, _world: World) -> Iterator[Change]:
    for _, target in list(_targets(root, "disk"))[:1]:
        yield Change(
            what=target,
            ask=partial(_remove, DISK, f"disk/{target}"),
            edit=edits.remove_disk(target),
        )


def _removed_port(root: Element, _world: World) -> Iterator[Change]:
    for at, port in list(_ports(root))[:1]:
        yield Change(
            what=f"{at}, {port.get('type')}",
            ask=partial(_remove_port, root, at),
            edit=edits.remove_port(at),
        )


# Those that replace or remove what others look at come last.
KINDS = (
    Kind(name="description", changes=_description),
    Kind(name="recovery action", changes=_recovery),
    Kind(name="autostart", changes=_autostart),
    Kind(name="boot devices", changes=_boot),
    Kind(name="memory", changes=_memory),
    Kind(name="most memory", changes=_most_memory),
    Kind(name="processors", changes=_processors),
    Kind(name="most processors", changes=_most_processors),
    Kind(name="disk access", changes=_access),
    Kind(name="disk format", changes=_format),
    Kind(name="disk bus", changes=_bus),
    Kind(name="port MAC", changes=_mac_address),
    Kind(name="port model", changes=_model),
    Kind(name="medium", changes=_medium),
    Kind(name="added disk", changes=_added_disk),
    Kind(name="added port", changes=_added_port),
    Kind(name="disk image", changes=_image),
    Kind(name="port network", changes=_network),
    Kind(name="removed disk", changes=_removed_disk),
    Kind(name="removed port", changes=_removed_port),
    Kind(name="name", changes=_name),
)


# --------------------------------------------------------------------------------------------------
# What must be refused
# --------------------------------------------------------------------------------------------------


def _refused_system(what: str, **values: Any) -> Kind:
    def changes(_root: Element, _world: World) -> Iterator[Change]:
        yield Change(what=what, ask=_modify_system(**values), edit=None)

    return Kind(name=what, changes=changes)


def _refused_resource(what: str, part: str, **values: Any) -> Kind:
    def changes(_root: Element, _world: World) -> Iterator[Change]:
        yield Change(what=what, ask=_modify(part, **values), edit=None)

    return Kind(name=what, changes=changes)


def _refused_disk(what: str, **values: Any) -> Kind:
    def changes(root: Element, _world: World) -> Iterator[Change]:
        for _, target in _targets(root, "disk"):
            yield Change(
                what=f"{what}, {target}", ask=_modify(f"disk/{target}", **values), edit=None
            )

    return Kind(name=what, changes=changes)


def _refused_port(what: str, **values: Any) -> Kind:
    def changes(root: Element, _world: World) -> Iterator[Change]:
        for at, _ in _ports(root):
            yield Change(what=f"{what}, {at}", ask=_modify_port(root, at, **values), edit=None)

    return Kind(name=what, changes=changes)


def _taken_name(_root: Element, world: World) -> Iterator[Change]:
    yield Change(
        what=world.other_machine, ask=_modify_system(ElementName=world.other_machine), edit=None
    )


def _second_of_two(root: Element, _world: World) -> Iterator[Change]:
    """The first part of a call can be had, the second cannot."""
    disks, ports = list(_targets(root, "disk")), list(_ports(root))
    if not disks or not ports:
        return
    disk, target = disks[0]
    access = _uint16(1 if disk.find("readonly") is None else 3)

    def ask(client: SystemClient) -> None:
        client.modify(
            (f"disk/{target}", {"Access": access}),
            (_port_part(client, root, 0), {"Address": _MULTICAST}),
        )

    yield Change(what=f"{target} and port 0", ask=ask, edit=None)


def _missing_medium(root: Element, _world: World) -> Iterator[Change]:
    names = ("Address", "HostExtentName", "PoolID", "VirtualQuantity", "ResourceSubType")
    for _, target in _targets(root, "cdrom", "floppy"):
        values = {"HostResource": ["/nonexistent/of-a-client.iso"], **dict.fromkeys(names)}
        yield Change(what=target, ask=_modify(f"disk/{target}", **values), edit=None)


def _disk_at_taken_place(root: Element, world: World) -> Iterator[Change]:
    for _, target in list(_targets(root, "disk"))[:1]:

        def ask(client: SystemClient, target: str = target) -> None:
            client.add(
                DISK,
                ResourceType=_uint16(31),
                HostResource=[world.image],
                ResourceSubType="raw",
                AddressOnParent=target,
            )

        yield Change(what=target, ask=ask, edit=None)


def _multicast_port(_root: Element, world: World) -> Iterator[Change]:
    def ask(client: SystemClient) -> None:
        client.add(PORT, ResourceType=_uint16(10), PoolID=world.pool_id, Address=_MULTICAST)

    yield Change(what=_MULTICAST, ask=ask, edit=None)


def _no_such_disk(_root: Element, _world: World) -> Iterator[Change]:
    yield Change(what="vdzz", ask=partial(_remove, DISK, "disk/vdzz"), edit=None)


def _no_such_port(_root: Element, _world: World) -> Iterator[Change]:
    yield Change(what="99", ask=partial(_remove, PORT, "network/99"), edit=None)


_NO_IMAGE = {
    "HostResource": ["/nonexistent/of-a-client.img"],
    "Address": None,
    "HostExtentName": None,
    "PoolID": None,
    "VirtualQuantity": None,
}
_NO_NETWORK = {
    "PoolID": "VirtCIM:00000000-0000-0000-0000-000000000000/NetworkPool",
    "Connection": None,
    "HostResource": None,
}
FAILING = (
    Kind(name="a name that is taken", changes=_taken_name),
    _refused_system("no recovery action", AutomaticRecoveryAction=_uint16(77)),
    _refused_system("no startup action", AutomaticStartupAction=_uint16(77)),
    _refused_system("no boot device", BootDevices=["hd", "wheel"]),
    _refused_system("no name", ElementName="../other"),
    _refused_resource("too much memory", "memory", VirtualQuantity=_uint64(1 << 60)),
    _refused_resource("no processors", "processor", VirtualQuantity=_uint64(0)),
    _refused_resource("too many processors", "processor", Limit=_uint64(100_000)),
    _refused_disk("no access mode", Access=_uint16(7)),
    _refused_disk("no bus", BusType="warp"),
    _refused_disk("no format", ResourceSubType="no such format"),
    _refused_disk("no image", **_NO_IMAGE),
    _refused_port("a multicast MAC", Address=_MULTICAST),
    _refused_port("no model", ResourceSubType="no such model!"),
    _refused_port("no network", **_NO_NETWORK),
    Kind(name="the second of two changes", changes=_second_of_two),
    Kind(name="no medium", changes=_missing_medium),
    Kind(name="a disk at a taken place", changes=_disk_at_taken_place),
    Kind(name="a port with a multicast MAC", changes=_multicast_port),
    Kind(name="removing no disk", changes=_no_such_disk),
    Kind(name="removing no port", changes=_no_such_port),
)
