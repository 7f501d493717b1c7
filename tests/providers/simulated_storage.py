"""The storage of the endpoint in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from virtcim.errormap import HypervisorError, from_libvirt
from virtcim.hypervisor import (
    DiskImageSpec,
    Monitor,
    StorageRepository,
    StorageRepositorySpec,
    VirtualDiskImage,
)

if TYPE_CHECKING:
    from tests.providers.simulated_endpoint import SimulatedEndpoint


class SimulatedStorage:
    """Implements Storage over the inventory of a SimulatedEndpoint."""

    def __init__(self, endpoint: SimulatedEndpoint) -> None:
        self._endpoint = endpoint
        self.images_made: list[DiskImageSpec] = []

    def create_repository(self, spec: StorageRepositorySpec, monitor: Monitor | None = None) -> str:
        self._endpoint.begin(monitor)
        known = self._endpoint.current.storage_repositories
        if any(each.name_label == spec.name_label for each in known.values()):
            raise _taken("pool", spec.name_label, "SR.create")
        made = StorageRepository(
            ref=f"ref-{spec.name_label}",
            uuid=self._endpoint.identity("sr", spec.name_label),
            name_label=spec.name_label,
            name_description=spec.name_description,
            type=spec.type,
            location=spec.location,
        )
        self._endpoint.publish(storage_repositories={**known, made.uuid: made})
        return made.uuid

    def remove_repository(self, uuid: str, monitor: Monitor | None = None) -> None:
        self._endpoint.begin(monitor)
        known = dict(self._endpoint.current.storage_repositories)
        del known[uuid]
        self._endpoint.publish(storage_repositories=known)

    def create_image(self, spec: DiskImageSpec, monitor: Monitor | None = None) -> str:
        self._endpoint.begin(monitor)
        assert spec.sr_uuid in self._endpoint.current.storage_repositories
        known = self._endpoint.current.disk_images
        if any(each.name_label == spec.name_label for each in known.values()):
            raise _taken("storage volume", spec.name_label, "VDI.create")
        self.images_made.append(spec)
        made = VirtualDiskImage(
            ref=f"ref-{spec.name_label}",
            uuid=self._endpoint.identity("image", spec.name_label),
            name_label=spec.name_label,
            sr_uuid=spec.sr_uuid,
            virtual_size_bytes=spec.size_bytes,
            format=spec.format,
        )
        self._endpoint.publish(disk_images={**known, made.uuid: made})
        return made.uuid

    def resize_image(self, uuid: str, size_bytes: int, monitor: Monitor | None = None) -> None:
        self._endpoint.begin(monitor)
        known = self._endpoint.current.disk_images
        resized = replace(known[uuid], virtual_size_bytes=size_bytes)
        self._endpoint.publish(disk_images={**known, uuid: resized})

    def delete_image(self, uuid: str, monitor: Monitor | None = None) -> None:
        self._endpoint.begin(monitor)
        known = dict(self._endpoint.current.disk_images)
        del known[uuid]
        self._endpoint.publish(disk_images=known)


def _taken(kind: str, name: str, operation: str) -> HypervisorError:
    message = f"operation failed: {kind} '{name}' already exists"
    return HypervisorError(
        from_libvirt(
            code=9, code_name="VIR_ERR_OPERATION_FAILED", message=message, operation=operation
        )
    )
