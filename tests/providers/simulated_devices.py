"""The disks and network ports of the endpoint in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from virtcim.errormap import from_xapi
from virtcim.hypervisor import (
    AddedDevices,
    DiskChange,
    DiskSpec,
    ImageSize,
    Inventory,
    MediumChange,
    NetworkPortChange,
    NetworkPortSpec,
    RolledBackError,
    StorageRepository,
    VirtualDisk,
    VirtualDiskImage,
    VirtualNetworkPort,
    VirtualSystem,
    VirtualSystemChange,
)

__all__ = ["Devices", "refused"]

Identity = Callable[..., str]


def refused(operation: str, *description: str) -> RolledBackError:
    """What a XenAPI server says, where nothing remains of what it refused."""
    return RolledBackError(from_xapi(list(description), operation=operation))


@dataclass(kw_only=True)
class Devices:
    """Devices of one virtual system as one operation makes and removes them.

    Nothing is published here: ``system`` gives what the virtual system has then, and ``images``
    and ``repositories`` are all that the inventory then holds.
    """

    inventory: Inventory
    identity: Identity
    operation: str
    before: VirtualSystem
    disks: dict[str, VirtualDisk] = field(init=False)
    ports: dict[str, VirtualNetworkPort] = field(init=False)
    images: dict[str, VirtualDiskImage] = field(init=False)
    repositories: dict[str, StorageRepository] = field(init=False)

    def __post_init__(self) -> None:
        self.disks = {disk.id: disk for disk in self.before.disks}
        self.ports = {port.id: port for port in self.before.network_ports}
        self.images = dict(self.inventory.disk_images)
        self.repositories = dict(self.inventory.storage_repositories)

    @property
    def system(self) -> VirtualSystem:
        return replace(
            self.before,
            disks=tuple(self.disks.values()),
            network_ports=tuple(self.ports.values()),
        )

    def apply(self, change: VirtualSystemChange) -> AddedDevices:
        """Do what a change does to devices."""
        for place in change.removed_disks:
            del self.disks[self._disk(place).id]
        for place in change.removed_network_ports:
            del self.ports[self._port(place).id]
        for disk in change.changed_disks:
            self._change_disk(disk)
        for port in change.changed_network_ports:
            self._change_port(port)
        for medium in change.media:
            self._change_medium(medium)
        added = self.add(change.added_disks, change.added_network_ports, first_port=9)
        if change.image_size is not None:
            self._resize(change.image_size)
        return added

    def _disk(self, place: str) -> VirtualDisk:
        if place not in self.disks:
            raise refused(self.operation, "HANDLE_INVALID", "VBD", place)
        return self.disks[place]

    def _port(self, place: str) -> VirtualNetworkPort:
        if place not in self.ports:
            raise refused(self.operation, "HANDLE_INVALID", "VIF", place)
        return self.ports[place]

    def _change_disk(self, change: DiskChange) -> None:
        disk = self._disk(change.id)
        image = disk.image if change.image is None else self._image(change.id, change.image)
        kept = {"format": change.format, "bus": change.bus, "read_only": change.read_only}
        self.disks[change.id] = replace(disk, image=image, **_given(kept))

    def _change_port(self, change: NetworkPortChange) -> None:
        fields = _given(
            {
                "network_uuid": change.network_uuid,
                "mac_address": change.mac_address,
                "model": change.model,
            }
        )
        self.ports[change.id] = replace(self._port(change.id), **fields)

    def _change_medium(self, change: MediumChange) -> None:
        drive = self._disk(change.id)
        image = None if change.medium is None else self._image(change.id, change.medium)
        self.disks[change.id] = replace(drive, image=image, empty=image is None)

    def _resize(self, change: ImageSize) -> None:
        disk = self._disk(change.id)
        if disk.image is None:
            raise refused(self.operation, "HANDLE_INVALID", "VDI", change.id)
        image = replace(disk.image, virtual_size_bytes=change.size_bytes)
        self.images[image.uuid] = image
        self.disks[change.id] = replace(disk, image=image)

    def add(
        self,
        disks: Iterable[DiskSpec],
        ports: Iterable[NetworkPortSpec],
        *,
        disk_places: str = "new{}",
        first_port: int = 0,
    ) -> AddedDevices:
        """Make devices; those without a wanted place get the first free one."""
        wanted_disks, wanted_ports = tuple(disks), tuple(ports)
        reserved = {disk.id for disk in wanted_disks} | {port.id for port in wanted_ports}
        disk_ids = (disk_places.format(number) for number in count())
        port_ids = (str(number) for number in count(first_port))
        taken = reserved | set(self.disks)
        added_disks = [disk.id or _free(disk_ids, taken) for disk in wanted_disks]
        taken = reserved | set(self.ports)
        added_ports = [port.id or _free(port_ids, taken) for port in wanted_ports]
        for place, disk in zip(added_disks, wanted_disks, strict=True):
            self._add_disk(place, disk)
        for place, port in zip(added_ports, wanted_ports, strict=True):
            self._add_port(place, port)
        return AddedDevices(disks=tuple(added_disks), network_ports=tuple(added_ports))

    def _add_disk(self, place: str, spec: DiskSpec) -> None:
        if place in self.disks:
            raise refused(self.operation, "DEVICE_ALREADY_EXISTS", place)
        image = self._image(place, spec)
        made = self.identity("disk", self.before.uuid, place)
        self.disks[place] = VirtualDisk(
            ref=f"ref-{made}",
            uuid=made,
            id=place,
            number=str(len(self.disks)),
            kind=spec.kind,
            bootable=spec.bootable,
            read_only=spec.read_only,
            empty=image is None,
            bus=spec.bus,
            format=spec.format,
            image=image,
        )

    def _image(self, place: str, spec: DiskSpec) -> VirtualDiskImage | None:
        """What the disk is to be on, known to the inventory from then on."""
        image = self._named_image(place, spec)
        return None if image is None else self.images.setdefault(image.uuid, image)

    def _named_image(self, place: str, spec: DiskSpec) -> VirtualDiskImage | None:
        known = self.images.get(spec.image_uuid.lower())
        if known is not None:
            return known
        if spec.path:
            return self._of_path(spec)
        if spec.image_uuid:
            raise refused(self.operation, "HANDLE_INVALID", "VDI", spec.image_uuid)
        if not spec.sr_uuid:
            return None
        repository = self.repositories.get(spec.sr_uuid.lower())
        if repository is None:
            raise refused(self.operation, "HANDLE_INVALID", "SR", spec.sr_uuid)
        name = f"{self.before.name_label}-{place}"
        made = self.identity("image", self.before.uuid, place)
        return VirtualDiskImage(
            ref=f"ref-{made}",
            uuid=made,
            name_label=name,
            sr_uuid=repository.uuid,
            virtual_size_bytes=spec.size_bytes,
            location=f"{repository.location}/{name}",
            format=spec.format,
        )

    def _of_path(self, spec: DiskSpec) -> VirtualDiskImage:
        for image in self.images.values():
            if image.location == spec.path:
                return image
        made = self.identity("image", spec.path)
        return VirtualDiskImage(
            ref=f"ref-{made}",
            uuid=made,
            name_label=spec.path,
            sr_uuid=self._of_paths().uuid,
            virtual_size_bytes=0,
            location=spec.path,
            uris=spec.uris,
            format=spec.format,
        )

    def _of_paths(self) -> StorageRepository:
        """Where images outside storage pools are shown, from the first one on."""
        for repository in self.repositories.values():
            if repository.takes_paths:
                return repository
        made = StorageRepository(
            ref="ref-paths",
            uuid=self.identity("paths"),
            name_label="Paths outside storage pools",
            makes_images=False,
            takes_paths=True,
        )
        self.repositories[made.uuid] = made
        return made

    def _add_port(self, place: str, spec: NetworkPortSpec) -> None:
        if place in self.ports:
            raise refused(self.operation, "DEVICE_ALREADY_EXISTS", place)
        if spec.network_uuid.lower() not in self.inventory.networks:
            raise refused(self.operation, "HANDLE_INVALID", "network", spec.network_uuid)
        made = self.identity("port", self.before.uuid, place)
        self.ports[place] = VirtualNetworkPort(
            ref=f"ref-{made}",
            uuid=made,
            id=place,
            mac_address=spec.mac_address or ":".join(["52:54:00", made[:2], made[2:4], made[4:6]]),
            mtu=spec.mtu,
            network_uuid=spec.network_uuid.lower(),
            model=spec.model,
        )


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _free(places: Iterable[str], taken: set[str]) -> str:
    place = next(each for each in places if each not in taken)
    taken.add(place)
    return place
