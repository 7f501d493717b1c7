"""What a host is made of, and where the disk images are: the resources that pools hand out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from virtcim.cim.records import Value
from virtcim.cim.value_maps import (
    Access,
    DataOrganization,
    EnabledDefault,
    EnabledState,
    HealthState,
    NameFormat,
    NameNamespace,
    OperationalStatus,
    RequestedState,
)
from virtcim.hypervisor.model import Host, VirtualDiskImage
from virtcim.providers.engine.identities import PREFIX, instance_id, parse_instance_id
from virtcim.providers.engine.instance_class import InstanceClass, Naming, Node, ServedClass
from virtcim.providers.engine.key_shapes import device_keys
from virtcim.providers.engine.per_object import per_host, per_host_number
from virtcim.providers.engine.problems import with_problem
from virtcim.providers.engine.sources import HostPart, OfHost
from virtcim.providers.engine.view import View
from virtcim.providers.host.host_system import HOST_CLASS
from virtcim.providers.resources.processor import UNKNOWN_FAMILY

__all__ = [
    "DISK_IMAGE",
    "HOST_DEVICES",
    "HOST_MEMORY",
    "HOST_PROCESSOR",
    "HostDeviceSources",
    "OfImage",
    "host_devices_of",
    "host_processors_of",
]

# What the name of an image is: nothing, a path on the host, or the URI of one elsewhere.
_NO_NAME: Mapping[str, Value] = MappingProxyType({"NameFormat": None, "NameNamespace": None})
_PATH_NAME: Mapping[str, Value] = MappingProxyType(
    {"NameFormat": NameFormat.OS_DEVICE_NAME, "NameNamespace": NameNamespace.OS_DEVICE_NAMESPACE}
)
_URI_NAME: Mapping[str, Value] = MappingProxyType(
    {
        "NameFormat": NameFormat.OTHER,
        "OtherNameFormat": "URI",
        "NameNamespace": NameNamespace.OTHER,
        "OtherNameNamespace": "URI",
    }
)


def _common(name: str, caption: str, *, known: bool = True) -> dict[str, Value]:
    return {
        "ElementName": name,
        "Caption": caption,
        "EnabledState": EnabledState.ENABLED if known else EnabledState.UNKNOWN,
        "RequestedState": RequestedState.NOT_APPLICABLE,
        "TransitioningToState": RequestedState.NOT_APPLICABLE,
        "EnabledDefault": EnabledDefault.ENABLED,
        "OperationalStatus": [OperationalStatus.OK if known else OperationalStatus.NO_CONTACT],
        "StatusDescriptions": ["OK" if known else "No contact"],
        "HealthState": HealthState.OK if known else HealthState.UNKNOWN,
    }


def _processor_values(host: Host, number: int) -> Mapping[str, Value]:
    model = " ".join(part for part in (host.cpu_vendor, host.cpu_model) if part)
    return {
        **_common(f"Processor {number} of {host.name_label}", "Host processor", known=host.live),
        "Description": model or None,
        "Role": "Central Processor",
        "Family": UNKNOWN_FAMILY,
        "CurrentClockSpeed": host.cpu_mhz or None,
        "NumberOfEnabledCores": 1,
    }


def _memory_values(host: Host) -> Mapping[str, Value]:
    return {
        **_common(f"Memory of {host.name_label}", "Host memory", known=host.live),
        "Volatile": True,
        "Access": Access.READ_WRITE_SUPPORTED,
        "BlockSize": 1,
        "NumberOfBlocks": host.memory_total_bytes or None,
        "ConsumableBlocks": host.memory_total_bytes or None,
        "Primordial": True,
    }


class OfImage(NamedTuple):
    """A disk image, at the host that stands for all: images are in storage that hosts share."""

    image: VirtualDiskImage
    host_uuid: str


def _image_values(of: OfImage) -> Mapping[str, Value]:
    image = of.image
    size = image.virtual_size_bytes or None
    values: dict[str, Value] = {
        **_common(image.name_label, "Disk image"),
        "Name": image.location or None,
        **(_URI_NAME if image.uris else _PATH_NAME if image.location else _NO_NAME),
        "DataOrganization": DataOrganization.FIXED_BLOCK,
        "Access": Access.READABLE if image.read_only else Access.READ_WRITE_SUPPORTED,
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


HOST_PROCESSOR = per_host_number(
    "VirtCIM_HostProcessor",
    "processor",
    _processors_of,
    _processor_values,
    shape=device_keys(HOST_CLASS, "VirtCIM_HostProcessor"),
)
HOST_MEMORY = per_host(
    "VirtCIM_HostMemory",
    _memory_values,
    part="memory",
    shape=device_keys(HOST_CLASS, "VirtCIM_HostMemory"),
)


def _find_image(view: View, given: str) -> OfImage | None:
    system_name, _, device_id = given.partition(" ")
    parsed = parse_instance_id(device_id)
    host = view.first_host
    if parsed is None or parsed[1] != "image" or host is None or host.uuid != system_name.lower():
        return None
    image = view.inventory.disk_images.get(parsed[0])
    return None if image is None else OfImage(image, host.uuid)


def _all_images(view: View) -> Iterator[OfImage]:
    host = view.first_host
    if host is not None:
        for image in view.inventory.disk_images.values():
            yield OfImage(image, host.uuid)


_IMAGE_KEYS = device_keys(HOST_CLASS, "VirtCIM_DiskImage")
DISK_IMAGE = InstanceClass(
    name="VirtCIM_DiskImage",
    shape=_IMAGE_KEYS,
    identity=lambda of: f"{of.host_uuid} {instance_id(of.image.uuid, 'image')}",
    naming=Naming(
        lambda of: (of.host_uuid, of.image.uuid),
        {**_IMAGE_KEYS.pieces(), _IMAGE_KEYS.variable: (PREFIX, 1, "/image")},
    ),
    found=_find_image,
    every=_all_images,
    values=_image_values,
)
HostDeviceSources = HostPart[int] | OfHost | OfImage
HOST_DEVICES: tuple[ServedClass[HostDeviceSources], ...] = (HOST_PROCESSOR, HOST_MEMORY, DISK_IMAGE)


def host_processors_of(host: Host) -> Iterator[Node[HostPart[int]]]:
    """The processors of one host."""
    return (HOST_PROCESSOR.node(HostPart(host, number)) for number in _processors_of(host))


def host_devices_of(view: View, host: Host) -> Iterator[Node[HostDeviceSources]]:
    """Every device of one host."""
    yield from host_processors_of(host)
    yield HOST_MEMORY.node(OfHost(host))
    if host is view.first_host:
        yield from DISK_IMAGE.all(view)
