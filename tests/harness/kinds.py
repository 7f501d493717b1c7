"""Every kind of change that CIM offers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tests.harness import edits
from tests.harness.changes import (
    Change,
    Kind,
    World,
    modify,
    modify_port,
    modify_system,
    ports,
    remove_part,
    remove_port,
    targets,
    uint16,
    uint64,
)
from tests.harness.client import DISK, PORT, SystemClient
from tests.harness.documents import Element

__all__ = ["KINDS"]

_KIB = 1 << 10
_NEW_MAC = "52:54:00:aa:bb:{:02x}"
_BUSES = {"virtio": "scsi", "scsi": "sata", "sata": "scsi", "ide": "sata", "usb": "virtio"}
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_DEVICE_KINDS = ("hd", "cdrom", "network", "fd", "hostdev", "redirdev")


def _nothing(_root: Element) -> None:
    """The document stays."""


def _description(_root: Element, _world: World) -> Iterator[Change]:
    said = "Said by a client: <&> 'ä'"
    yield Change(
        what="description",
        ask=modify_system(Description=said),
        edit=edits.text("description", said),
    )


def _name(root: Element, _world: World) -> Iterator[Change]:
    name = f"{root.findtext('name')}-renamed"
    yield Change(what=name, ask=modify_system(ElementName=name), edit=edits.text("name", name))


def _recovery(root: Element, _world: World) -> Iterator[Change]:
    # A restart after a dump is shown as one, too.
    restarts = "restart" in (root.findtext("on_crash") or "")
    word, action = ("destroy", 2) if restarts else ("restart", 3)
    yield Change(
        what=word,
        ask=modify_system(AutomaticRecoveryAction=uint16(action)),
        edit=edits.text("on_crash", word),
    )


def _autostart(_root: Element, _world: World) -> Iterator[Change]:
    for action in (4, 2):
        yield Change(
            what=str(action),
            ask=modify_system(AutomaticStartupAction=uint16(action)),
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
        ask=modify_system(BootDevices=wanted),
        edit=edits.boot_order(wanted),
    )


def _boot_kind(device: Element | None) -> str:
    assert device is not None
    if device.tag == "disk":
        kinds = {"disk": "hd", "lun": "hd", "cdrom": "cdrom", "floppy": "fd"}
        return kinds[device.get("device", "disk")]
    return "network" if device.tag == "interface" else str(device.tag)


def _kib(root: Element, tag: str) -> int:
    return int(root.findtext(tag) or root.findtext("memory") or "0")


def _memory(root: Element, _world: World) -> Iterator[Change]:
    half = _kib(root, "currentMemory") // 2
    if half >= _KIB:
        yield Change(
            what=f"{half} KiB",
            ask=modify("memory", VirtualQuantity=uint64(half * _KIB)),
            edit=edits.text("currentMemory", str(half)),
        )


def _most_memory(root: Element, _world: World) -> Iterator[Change]:
    more = _kib(root, "memory") + _KIB
    yield Change(
        what=f"{more} KiB",
        ask=modify("memory", Limit=uint64(more * _KIB)),
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
            ask=modify("processor", VirtualQuantity=uint64(wanted)),
            edit=edits.vcpus(current=wanted, most=most),
        )


def _most_processors(root: Element, _world: World) -> Iterator[Change]:
    current, most = _numbers(root)
    if root.find("vcpus") is None:
        yield Change(
            what=f"{current} of {most + 1}",
            ask=modify("processor", Limit=uint64(most + 1)),
            edit=edits.vcpus(current=current, most=most + 1),
        )


def _access(root: Element, _world: World) -> Iterator[Change]:
    for disk, target in targets(root, "disk", "lun", "floppy"):
        read_only = disk.find("readonly") is None
        yield Change(
            what=f"{target}: {'read-only' if read_only else 'read-write'}",
            ask=modify(f"disk/{target}", Access=uint16(1 if read_only else 3)),
            edit=edits.disk_access(target, read_only=read_only),
        )


def _bus(root: Element, _world: World) -> Iterator[Change]:
    for disk, target in targets(root, "disk", "lun", "cdrom"):
        element = disk.find("target")
        bus = "" if element is None else _BUSES.get(element.get("bus", ""), "")
        if bus and not (disk.get("device") == "cdrom" and bus == "virtio"):
            yield Change(
                what=f"{target}: {bus}",
                ask=modify(f"disk/{target}", BusType=bus),
                edit=edits.disk_bus(target, bus),
            )


def _format(root: Element, _world: World) -> Iterator[Change]:
    for disk, target in targets(root, "disk"):
        driver = disk.find("driver")
        known = "" if driver is None else driver.get("type", "")
        wanted = "qcow2" if known == "raw" else "raw"
        yield Change(
            what=f"{target}: {known} to {wanted}",
            ask=modify(f"disk/{target}", ResourceSubType=wanted),
            edit=edits.disk_format(target, wanted),
        )


def _image(root: Element, world: World) -> Iterator[Change]:
    for disk, target in targets(root, "disk"):
        yield Change(
            what=f"{target}: {disk.get('type')} to file",
            ask=modify(
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
    for disk, target in targets(root, "cdrom", "floppy"):
        present = disk.find("source")
        for path in ("", world.medium) if present is not None else (world.medium, ""):
            yield Change(
                what=f"{target}: {'in' if path else 'out'}",
                ask=modify(f"disk/{target}", HostResource=[path], **dict.fromkeys(names)),
                edit=edits.disk_image(target, path),
            )


def _mac_address(root: Element, _world: World) -> Iterator[Change]:
    for at, _ in ports(root):
        address = _NEW_MAC.format(at)
        yield Change(
            what=f"{at}: {address}",
            ask=modify_port(root, at, Address=address),
            edit=edits.port_mac(at, address),
        )


def _model(root: Element, _world: World) -> Iterator[Change]:
    for at, port in ports(root):
        model = port.find("model")
        wanted = "e1000" if model is not None and model.get("type") == "virtio" else "virtio"
        yield Change(
            what=f"{at}, {port.get('type')}: {wanted}",
            ask=modify_port(root, at, ResourceSubType=wanted),
            edit=edits.port_model(at, wanted),
        )


def _network(root: Element, world: World) -> Iterator[Change]:
    for at, port in ports(root):
        yield Change(
            what=f"{at}: {port.get('type')} to network",
            ask=modify_port(root, at, PoolID=world.pool_id, Connection=None, HostResource=None),
            edit=edits.port_network(at, world.network),
        )


def _free_target(root: Element) -> str:
    taken = {target for _, target in targets(root, "disk", "lun", "cdrom", "floppy")}
    return next(f"vd{letter}" for letter in _LETTERS if f"vd{letter}" not in taken)


def _added_disk(root: Element, world: World) -> Iterator[Change]:
    target = _free_target(root)

    def ask(client: SystemClient) -> None:
        client.add(
            DISK,
            ResourceType=uint16(31),
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
            ResourceType=uint16(10),
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
    for _, target in list(targets(root, "disk"))[:1]:
        yield Change(
            what=target,
            ask=partial(remove_part, DISK, f"disk/{target}"),
            edit=edits.remove_disk(target),
        )


def _removed_port(root: Element, _world: World) -> Iterator[Change]:
    for at, port in list(ports(root))[:1]:
        yield Change(
            what=f"{at}, {port.get('type')}",
            ask=partial(remove_port, root, at),
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
