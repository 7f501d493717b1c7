"""What a host is made of, and where the disk images are: the resources that pools hand out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from virtcim.cim.records import Value
from virtcim.hypervisor.model import Host, VirtualDiskImage
from virtcim.providers.engine.identities import instance_id, parse_instance_id
from virtcim.providers.engine.instance_class import InstanceClass, Node, Sources
from virtcim.providers.engine.problems import with_problem
from virtcim.providers.engine.view import View
from virtcim.providers.host.host_system import HOST_CLASS
from virtcim.providers.resources.devices import device_shape

__all__ = ["DISK_IMAGE", "HOST_DEVICES", "HOST_MEMORY", "HOST_PROCESSOR", "host_devices_of"]

_NOT_APPLICABLE = 12
_ENABLED, _UNKNOWN = 2, 0
_OK, _NO_CONTACT, _HEALTHY = 2, 12, 5
_UNKNOWN_FAMILY = 2
_READABLE, _READ_WRITE = 1, 3
_FIXED_BLOCK = 2
_OTHER, _OS_DEVICE_NAME, _OS_DEVICE_NAMESPACE = 1, 12, 8
# What the name of an image is: nothing, a path on the host, or the URI of one elsewhere.
_NO_NAME: Mapping[str, Value] = MappingProxyType({"NameFormat": None, "NameNamespace": None})
_PATH_NAME: Mapping[str, Value] = MappingProxyType(
    {"NameFormat": _OS_DEVICE_NAME, "NameNamespace": _OS_DEVICE_NAMESPACE}
)
_URI_NAME: Mapping[str, Value] = MappingProxyType(
    {
        "NameFormat": _OTHER,
        "OtherNameFormat": "URI",
        "NameNamespace": _OTHER,
        "OtherNameNamespace": "URI",
    }
)


def _common(name: str, caption: str, *, known: bool = True) -> dict[str, Value]:
    return {
        "ElementName": name,
        "Caption": caption,
        "EnabledState": _ENABLED if known else _UNKNOWN,
        "RequestedState": _NOT_APPLICABLE,
        "TransitioningToState": _NOT_APPLICABLE,
        "EnabledDefault": 2,
        "OperationalStatus": [_OK if known else _NO_CONTACT],
        "StatusDescriptions": ["OK" if known else "No contact"],
        "HealthState": _HEALTHY if known else 0,
    }


def _processor_values(host: Host, number: int) -> Mapping[str, Value]:
    model = " ".join(part for part in (host.cpu_vendor, host.cpu_model) if part)
    return {
        **_common(f"Processor {number} of {host.name_label}", "Host processor", known=host.live),
        "Description": model or None,
        "Role": "Central Processor",
        "Family": _UNKNOWN_FAMILY,
        "CurrentClockSpeed": host.cpu_mhz or None,
        "NumberOfEnabledCores": 1,
    }


def _memory_values(host: Host, _: str) -> Mapping[str, Value]:
    return {
        **_common(f"Memory of {host.name_label}", "Host memory", known=host.live),
        "Volatile": True,
        "Access": _READ_WRITE,
        "BlockSize": 1,
        "NumberOfBlocks": host.memory_total_bytes or None,
        "ConsumableBlocks": host.memory_total_bytes or None,
        "Primordial": True,
    }


def _image_values(image: VirtualDiskImage, _: str) -> Mapping[str, Value]:
    size = image.virtual_size_bytes or None
    values: dict[str, Value] = {
        **_common(image.name_label, "Disk image"),
        "Name": image.location or None,
        **(_URI_NAME if image.uris else _PATH_NAME if image.location else _NO_NAME),
        "DataOrganization": _FIXED_BLOCK,
        "Access": _READABLE if image.read_only else _READ_WRITE,
        "BlockSize": 1,
        "NumberOfBlocks": size,
        "ConsumableBlocks": size,
        "Primordial": False,
        "OtherIdentifyingInfo": [image.uuid, *image.uris],
        "IdentifyingDescriptions": ["UUID", *["URI"] * len(image.uris)],
    }
    return with_problem(values, image.problem)


def _processors_of(host: Host) -> range:
    return range(host.cpu_count)


def _memory_of(_: Host) -> tuple[str]:
    return ("",)


def _host_device_class(
    name: str,
    part: str,
    devices: Callable[[Host], Iterable[str | int]],
    values: Callable[..., Mapping[str, Value]],
) -> InstanceClass:
    def part_of(device: str | int) -> str:
        return part if device == "" else f"{part}/{device}"

    def find(view: View, given: str) -> Sources | None:
        system_name, _, device_id = given.partition(" ")
        parsed = parse_instance_id(device_id)
        host = view.inventory.hosts.get(system_name.lower())
        if host is None or parsed is None or parsed[0] != host.uuid:
            return None
        found = (each for each in devices(host) if part_of(each) == parsed[1])
        return next(((host, each) for each in found), None)

    return InstanceClass(
        name=name,
        shape=device_shape(HOST_CLASS, name),
        identity=lambda host, device: f"{host.uuid} {instance_id(host.uuid, part_of(device))}",
        find=find,
        all=lambda view: (
            (host, each) for host in view.inventory.hosts.values() for each in devices(host)
        ),
        values=values,
    )


HOST_PROCESSOR = _host_device_class(
    "VirtCIM_HostProcessor", "processor", _processors_of, _processor_values
)
HOST_MEMORY = _host_device_class("VirtCIM_HostMemory", "memory", _memory_of, _memory_values)


def _find_image(view: View, given: str) -> Sources | None:
    system_name, _, device_id = given.partition(" ")
    parsed = parse_instance_id(device_id)
    host = view.first_host
    if parsed is None or parsed[1] != "image" or host is None or host.uuid != system_name.lower():
        return None
    image = view.inventory.disk_images.get(parsed[0])
    return None if image is None else (image, host.uuid)


def _all_images(view: View) -> Iterable[Sources]:
    host = view.first_host
    if host is None:
        return ()
    return ((image, host.uuid) for image in view.inventory.disk_images.values())


DISK_IMAGE = InstanceClass(
    name="VirtCIM_DiskImage",
    shape=device_shape(HOST_CLASS, "VirtCIM_DiskImage"),
    # The host that stands for all: images belong to storage that hosts share.
    identity=lambda image, host_uuid: f"{host_uuid} {instance_id(image.uuid, 'image')}",
    find=_find_image,
    all=_all_images,
    values=_image_values,
)
HOST_DEVICES = (HOST_PROCESSOR, HOST_MEMORY, DISK_IMAGE)


def host_devices_of(view: View, host: Host) -> Iterable[Node]:
    """Every device of one host."""
    for number in _processors_of(host):
        yield Node(HOST_PROCESSOR, (host, number))
    yield Node(HOST_MEMORY, (host, ""))
    if host is view.first_host:
        for sources in _all_images(view):
            yield Node(DISK_IMAGE, sources)
