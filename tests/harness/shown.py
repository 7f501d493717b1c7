"""Whether what CIM shows of a machine agrees with libvirt's document of it."""

from __future__ import annotations

from collections.abc import Iterator

import pywbem

from tests.harness.client import SystemClient
from tests.harness.documents import Element

__all__ = ["disagreements"]

_UNITS = {"b": 1, "bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
# More than that is not told, so that sums over many machines fit 64 bits.
_MOST_MEMORY = 1 << 56
_BOOT_WORDS = {"disk": "hd", "lun": "hd", "cdrom": "cdrom", "floppy": "fd"}
_RESOURCE_TYPES = {"disk": 17, "lun": 17, "cdrom": 15, "floppy": 14}


def disagreements(client: SystemClient, root: Element) -> list[str]:
    """What is shown otherwise than the document says, as sentences."""
    settings = client.settings()
    return [
        *_of_system(client.system(), root),
        *_of_amounts(settings, root),
        *_of_disks(settings, root),
        *_of_ports(settings, root),
    ]


def _of_system(system: pywbem.CIMInstance, root: Element) -> Iterator[str]:
    if system["ElementName"] != root.findtext("name"):
        yield f"name: {system['ElementName']!r}"
    orders = [boot.get("dev") for boot in root.iterfind("os/boot")] or _device_order(root)
    shown = system["BootDevices"] or []
    if orders and shown != orders:
        yield f"boot: {shown} for {orders}"


def _device_order(root: Element) -> list[str]:
    """The kinds of devices in the order that they have one by one."""
    places = [
        (int(boot.get("order", "0")), device)
        for device in root.iterfind("devices/*")
        if (boot := device.find("boot")) is not None
    ]
    words = []
    for _, device in sorted(places, key=lambda place: place[0]):
        if device.tag == "disk":
            words.append(_BOOT_WORDS[device.get("device", "disk")])
        else:
            words.append("network" if device.tag == "interface" else str(device.tag))
    return list(dict.fromkeys(words))


def _bytes(element: Element | None) -> int:
    assert element is not None
    return int(element.text or "0") * _UNITS[element.get("unit", "KiB")]


def _of_amounts(settings: dict[str, pywbem.CIMInstance], root: Element) -> Iterator[str]:
    memory, processor = settings["memory"], settings["processor"]
    now = root.find("currentMemory")
    most = _bytes(root.find("memory"))
    vcpu = root.find("vcpu")
    assert vcpu is not None
    for name, shown, said in (
        ("memory", memory["VirtualQuantity"], most if now is None else _bytes(now)),
        ("most memory", memory["Limit"], most),
        (
            "processors",
            processor["VirtualQuantity"],
            int(vcpu.get("current", vcpu.text or "1")),
        ),
        ("most processors", processor["Limit"], int(vcpu.text or "1")),
    ):
        wanted = said if said <= _MOST_MEMORY else None
        if (None if shown is None else int(shown)) != wanted:
            yield f"{name}: {shown} for {said}"


def _of_disks(settings: dict[str, pywbem.CIMInstance], root: Element) -> Iterator[str]:
    shown = [each for part, each in settings.items() if part.startswith("disk/")]
    disks = root.findall("devices/disk")
    if len(shown) != len(disks):
        yield f"{len(shown)} disks for {len(disks)}"
    by_target: dict[str, pywbem.CIMInstance] = {each["AddressOnParent"]: each for each in shown}
    for disk in disks:
        target = disk.find("target")
        assert target is not None
        name = target.get("dev", "")
        found = by_target.get(name)
        if found is None:
            yield f"disk {name} is not there"
            continue
        kind = _RESOURCE_TYPES[disk.get("device", "disk")]
        if int(found["ResourceType"]) != kind:
            yield f"disk {name}: ResourceType {found['ResourceType']} for {kind}"
        if (found["BusType"] or "") != target.get("bus", ""):
            yield f"disk {name}: bus {found['BusType']} for {target.get('bus')}"
        read_only = disk.find("readonly") is not None or disk.get("device") == "cdrom"
        if int(found["Access"]) != (1 if read_only else 3):
            yield f"disk {name}: Access {found['Access']}"
        yield from _of_source(name, found, disk)


def _of_source(name: str, found: pywbem.CIMInstance, disk: Element) -> Iterator[str]:
    source = disk.find("source")
    has_source = source is not None and len(source.attrib) + len(source) > 0
    shown = [text for text in found["HostResource"] or [] if text]
    if has_source != bool(shown):
        yield f"disk {name}: HostResource {shown}"
    path = "" if source is None else source.get("file") or source.get("dev") or ""
    if path and disk.get("type") in ("file", "block") and found["HostExtentName"] != path:
        yield f"disk {name}: HostExtentName {found['HostExtentName']} for {path}"
    driver = disk.find("driver")
    said = "" if driver is None else driver.get("type", "")
    if has_source and said and (found["ResourceSubType"] or "") != said:
        yield f"disk {name}: ResourceSubType {found['ResourceSubType']} for {said}"


def _of_ports(settings: dict[str, pywbem.CIMInstance], root: Element) -> Iterator[str]:
    shown = [each for part, each in settings.items() if part.startswith("network/")]
    said: list[tuple[str, str]] = []
    for interface in root.iterfind("devices/interface"):
        mac, model = interface.find("mac"), interface.find("model")
        assert mac is not None
        said.append((mac.get("address", ""), "" if model is None else model.get("type", "")))
    found = [(str(each["Address"]).lower(), each["ResourceSubType"] or "") for each in shown]
    if sorted(found) != sorted(said):
        yield f"ports: {sorted(found)} for {sorted(said)}"
