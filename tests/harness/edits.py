"""The smallest edits by hand of a domain document, one for each change that CIM offers."""

from __future__ import annotations

from lxml import etree

from tests.harness.documents import Edit, Element

__all__ = [
    "add",
    "boot_order",
    "disk_access",
    "disk_bus",
    "disk_format",
    "disk_image",
    "find_disk",
    "find_port",
    "port_mac",
    "port_model",
    "port_network",
    "remove_disk",
    "remove_port",
    "text",
    "vcpus",
]

# What describes the image of a disk besides its source.
_OF_THE_IMAGE = ("source", "backingStore", "mirror", "auth", "encryption")
_KINDS = {"disk": "hd", "lun": "hd", "cdrom": "cdrom", "floppy": "fd"}


def find_disk(root: Element, target: str) -> Element:
    """The disk with this target."""
    for disk in root.iterfind("devices/disk"):
        element = disk.find("target")
        if element is not None and element.get("dev") == target:
            return disk
    raise LookupError(target)


def find_port(root: Element, at: int) -> Element:
    """The interface at this place in the document."""
    return root.findall("devices/interface")[at]


def _drop(element: Element, *tags: str) -> None:
    for tag in tags:
        for child in element.findall(tag):
            element.remove(child)


def _child(element: Element, tag: str) -> Element:
    found = element.find(tag)
    return etree.SubElement(element, tag) if found is None else found


def text(path: str, value: str) -> Edit:
    """Another text of an element, which is made where it is not."""

    def edit(root: Element) -> None:
        element = root
        for tag in path.split("/"):
            element = _child(element, tag)
        element.text = value
        if "unit" in element.attrib:
            element.set("unit", "KiB")

    return edit


def vcpus(*, current: int, most: int) -> Edit:
    """Other numbers of processors."""

    def edit(root: Element) -> None:
        element = _child(root, "vcpu")
        element.text = str(most)
        element.set("current", str(current))

    return edit


def disk_access(target: str, *, read_only: bool) -> Edit:
    """A disk that is only read, or not."""

    def edit(root: Element) -> None:
        disk = find_disk(root, target)
        _drop(disk, "readonly")
        if read_only:
            etree.SubElement(disk, "readonly")

    return edit


def disk_bus(target: str, bus: str) -> Edit:
    """Another bus; the address is libvirt's to choose."""

    def edit(root: Element) -> None:
        disk = find_disk(root, target)
        _child(disk, "target").set("bus", bus)
        _drop(disk, "address")

    return edit


def disk_format(target: str, image_format: str) -> Edit:
    """Another format of the same image."""

    def edit(root: Element) -> None:
        driver = _child(find_disk(root, target), "driver")
        driver.set("name", driver.get("name", "qemu"))
        driver.set("type", image_format)

    return edit


def disk_image(target: str, path: str) -> Edit:
    """Another image, a raw file, or none; what describes the old one goes with it."""

    def edit(root: Element) -> None:
        disk = find_disk(root, target)
        old = disk.find("source")
        policy = "" if old is None else old.get("startupPolicy", "")
        _drop(disk, *_OF_THE_IMAGE)
        disk.set("type", "file")
        if not path:
            return
        source = etree.SubElement(disk, "source", file=path)
        if policy:
            source.set("startupPolicy", policy)
        disk_format(target, "raw")(root)

    return edit


def port_mac(at: int, address: str) -> Edit:
    """Another MAC address."""

    def edit(root: Element) -> None:
        _child(find_port(root, at), "mac").set("address", address)

    return edit


def port_model(at: int, model: str) -> Edit:
    """Another model; the address is libvirt's to choose."""

    def edit(root: Element) -> None:
        port = find_port(root, at)
        _child(port, "model").set("type", model)
        _drop(port, "address")

    return edit


def port_network(at: int, network: str) -> Edit:
    """Another network of libvirt's."""

    def edit(root: Element) -> None:
        port = find_port(root, at)
        _drop(port, "source")
        port.set("type", "network")
        etree.SubElement(port, "source", network=network)

    return edit


def boot_order(kinds: list[str]) -> Edit:
    """Kinds of devices in another order: by kind, or device by device where it was so."""

    def edit(root: Element) -> None:
        ordered = [
            (int(boot.get("order", "0")), device)
            for device in root.iterfind("devices/*")
            if (boot := device.find("boot")) is not None
        ]
        if not ordered:
            os_element = _child(root, "os")
            _drop(os_element, "boot")
            for kind in kinds:
                etree.SubElement(os_element, "boot", dev=kind)
            return
        devices = [device for _, device in sorted(ordered, key=lambda pair: pair[0])]
        wanted = [device for kind in kinds for device in devices if _kind(device) == kind]
        for device in devices:
            _drop(device, "boot")
        for place, device in enumerate(wanted, 1):
            etree.SubElement(device, "boot", order=str(place))

    return edit


def _kind(device: Element) -> str:
    if device.tag == "disk":
        return _KINDS[device.get("device", "disk")]
    return "network" if device.tag == "interface" else str(device.tag)


def add(xml: str) -> Edit:
    """One more device."""

    def edit(root: Element) -> None:
        _child(root, "devices").append(etree.fromstring(xml))

    return edit


def remove_disk(target: str) -> Edit:
    """One disk less."""

    def edit(root: Element) -> None:
        _child(root, "devices").remove(find_disk(root, target))

    return edit


def remove_port(at: int) -> Edit:
    """One interface less."""

    def edit(root: Element) -> None:
        _child(root, "devices").remove(find_port(root, at))

    return edit
