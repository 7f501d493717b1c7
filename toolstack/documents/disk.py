"""``<disk>``: made, and changed in place.

https://libvirt.org/formatdomain.html#hard-drives-floppy-disks-cdroms
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from lxml import etree

from virtcim.toolstack.documents.document import Element, carriable, child_of, remove_children
from virtcim.toolstack.faults import value_not_supported

__all__ = [
    "DiskChange",
    "DiskSource",
    "asked",
    "build_disk",
    "change_disk",
    "is_removable",
    "local_source",
    "present_change",
    "replaced_items",
    "waits_for_next_start",
]

# The bus that a target name stands for, unless another is asked for.
_BUS_BY_PREFIX = {"vd": "virtio", "xvd": "xen", "sd": "sata", "hd": "ide", "fd": "fdc"}
# Devices whose image is a medium, which changes while the machine runs.
_REMOVABLE = frozenset({"cdrom", "floppy"})
# What describes the image of a disk, beside <source> and the format.
_OF_THE_IMAGE = ("source", "backingStore", "mirror", "auth", "encryption")
# Attributes of <source> that name no image.
_OF_NO_IMAGE = frozenset({"index", "startupPolicy"})
# libvirt takes it for these types of disks only.
_WITH_STARTUP_POLICY = frozenset({"file", "block", "volume"})
_STARTUP_POLICY = "startupPolicy"
# Elements in <source> that say which image it is, and what attributes mean that are not there.
_OF_SOURCES = ("snapshot", "config", "reconnect", "address")
_UNSAID = {"managed": "no"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSource:
    """``<source>`` of a disk: ``kind`` is the disk's type, ``hosts`` one map of attributes each.

    ``children`` are the elements in it besides the hosts: their tags and attributes. ``auth`` and
    ``secret`` are the attributes of ``<auth>`` and of the reference to a secret in it.
    """

    kind: str
    attributes: Mapping[str, str]
    hosts: tuple[Mapping[str, str], ...] = field(default=())
    children: tuple[tuple[str, Mapping[str, str]], ...] = field(default=())
    auth: Mapping[str, str] = field(default_factory=dict)
    secret: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskChange:
    """What shall be different in a disk; ``eject`` takes its medium out."""

    source: DiskSource | None = None
    eject: bool = False
    format: str = ""
    bus: str = ""
    read_only: bool | None = None

    @property
    def is_empty(self) -> bool:
        """Whether everything stays as it is."""
        return self == _NOTHING


_NOTHING = DiskChange()


def local_source(path: str, *, block: bool) -> DiskSource:
    """Give the source of a disk that is a file or a block device of the host."""
    if block:
        return DiskSource(kind="block", attributes={"dev": path})
    return DiskSource(kind="file", attributes={"file": path})


def build_disk(
    *,
    target: str,
    device: str,
    source: DiskSource | None = None,
    image_format: str = "",
    read_only: bool = False,
    bus: str = "",
) -> Element:
    """Make a ``<disk>``; without a source it is an empty drive."""
    kind = "file" if source is None else source.kind
    disk = etree.Element("disk", type=kind, device=device)
    if image_format:
        etree.SubElement(disk, "driver", name="qemu", type=image_format)
    if source is not None:
        disk.append(_build_source(source))
    prefix = next((known for known in _BUS_BY_PREFIX if target.startswith(known)), "")
    element = etree.SubElement(disk, "target", dev=carriable(target, "userdevice"))
    if bus or prefix:
        element.set("bus", carriable(bus, "bus") or _BUS_BY_PREFIX[prefix])
    if read_only:
        etree.SubElement(disk, "readonly")
    return disk


def _build_source(source: DiskSource) -> Element:
    element = etree.Element("source")
    for name, value in source.attributes.items():
        element.set(name, carriable(value, "VDI.location"))
    for tag, attributes in (*(("host", host) for host in source.hosts), *source.children):
        _add(element, tag, attributes)
    if source.auth:
        _add(_add(element, "auth", source.auth), "secret", source.secret)
    return element


def _add(element: Element, tag: str, attributes: Mapping[str, str]) -> Element:
    child = etree.SubElement(element, tag)
    for name, value in attributes.items():
        child.set(name, carriable(value, "VDI.location"))
    return child


def is_removable(disk: Element) -> bool:
    """Whether the image of a disk is a medium in a drive."""
    return disk.get("device", "disk") in _REMOVABLE


def present_change(disk: Element, change: DiskChange) -> DiskChange:
    """Give the part of a change that is not so already."""
    target, driver = disk.find("target"), disk.find("driver")
    bus = "" if target is None else target.get("bus", "")
    image_format = "" if driver is None else driver.get("type", "")
    read_only = disk.find("readonly") is not None
    return replace(
        change,
        source=None if change.source and _has_source(disk, change.source) else change.source,
        eject=change.eject and _has_medium(disk),
        format="" if change.format == image_format else change.format,
        bus="" if change.bus == bus else change.bus,
        read_only=None if change.read_only == read_only else change.read_only,
    )


def _has_medium(disk: Element) -> bool:
    # libvirt leaves a source with nothing but its index when it takes a medium out.
    source = disk.find("source")
    return source is not None and bool(
        len(source) or any(name not in _OF_NO_IMAGE for name in source.attrib)
    )


def _has_source(disk: Element, source: DiskSource) -> bool:
    present = disk.find("source")
    if present is None or disk.get("type", "file") != source.kind:
        return False
    hosts = [dict(host.attrib) for host in present.iterfind("host")]
    if hosts != [dict(host) for host in source.hosts]:
        return False
    wanted: Mapping[str, Mapping[str, str]] = dict(source.children)
    for tag in _OF_SOURCES:
        child = present.find(tag)
        found: dict[str, str] = {}
        if child is not None and child.get("enabled") != "no":
            found = {str(name): str(value) for name, value in child.items()}
        if found != wanted.get(tag, {}):
            return False
    return all(
        present.get(name, _UNSAID.get(name, "")) == source.attributes.get(name, "")
        for name in {*source.attributes, "query"}
    )


def waits_for_next_start(disk: Element, change: DiskChange) -> Iterator[str]:
    """Give the CIM properties of a change that a running machine cannot take at once."""
    if not is_removable(disk):
        if change.source is not None:
            yield "HostResource"
        if change.format:
            yield "ResourceSubType"
    elif change.format and change.source is None:
        yield "ResourceSubType"
    if change.bus:
        yield "BusType"
    if change.read_only is not None:
        yield "Access"


def replaced_items(change: DiskChange) -> tuple[str, ...]:
    """Give the paths of what a change replaces, and of what libvirt chooses anew with it."""
    paths: list[str] = []
    if change.source is not None or change.eject:
        paths += ["@type", "driver@type", *_OF_THE_IMAGE]
    if change.format:
        paths.append("driver@type")
    if change.bus:
        paths += ["target@bus", "address"]
    if change.read_only is not None:
        paths.append("readonly")
    return tuple(paths)


def asked(change: DiskChange) -> tuple[str, str]:
    """Give the name and value of what a change asks for first, for a refusal."""
    if change.bus:
        return "bus", change.bus
    if change.format:
        return "type", change.format
    if change.read_only is not None:
        return "mode", "RO" if change.read_only else "RW"
    return "VDI", "" if change.source is None else next(iter(change.source.attributes.values()))


def change_disk(disk: Element, change: DiskChange) -> None:
    """Change what was asked; what describes an image that is replaced goes with it.

    Raises ``VALUE_NOT_SUPPORTED`` for what a drive cannot be.
    """
    if change.eject:
        _take_out(disk)
    if change.source is not None:
        _replace_image(disk, change.source)
    if change.format:
        _driver(disk).set("type", carriable(change.format, "type"))
    if change.bus:
        child_of(disk, "target").set("bus", carriable(change.bus, "bus"))
        remove_children(disk, "address")
    if change.read_only is not None:
        _set_read_only(disk, read_only=change.read_only)


def _driver(disk: Element) -> Element:
    driver = disk.find("driver")
    if driver is None:
        driver = etree.Element("driver", name="qemu")
        disk.insert(0, driver)
    return driver


def _take_out(disk: Element) -> None:
    if not is_removable(disk):
        raise value_not_supported("VDI", "", "a disk that is no drive cannot be without an image")
    remove_children(disk, *_OF_THE_IMAGE)
    disk.set("type", "file")


def _replace_image(disk: Element, source: DiskSource) -> None:
    old = disk.find("source")
    policy = "" if old is None else old.get(_STARTUP_POLICY, "")
    remove_children(disk, *_OF_THE_IMAGE)
    new = _build_source(source)
    if policy and source.kind in _WITH_STARTUP_POLICY:
        new.set(_STARTUP_POLICY, policy)
    disk.append(new)
    disk.set("type", source.kind)


def _set_read_only(disk: Element, *, read_only: bool) -> None:
    if disk.get("device") == "cdrom" and not read_only:
        raise value_not_supported("mode", "RW", "a CD or DVD drive is always read-only")
    if read_only:
        child_of(disk, "readonly")
    else:
        remove_children(disk, "readonly")
