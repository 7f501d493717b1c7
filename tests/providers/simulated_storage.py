"""The storage of the endpoint in memory."""

from __future__ import annotations

from dataclasses import replace
from os.path import normpath
from typing import TYPE_CHECKING

from tests.providers.simulated_population import identity
from virtcim.errormap import HypervisorError, from_libvirt, from_xapi
from virtcim.hypervisor import (
    DiskImageSpec,
    Monitor,
    StorageRepository,
    StorageRepositorySpec,
    VirtualDiskImage,
)
from virtcim.hypervisor.change import Made
from virtcim.hypervisor.storage import DIRECTORY

if TYPE_CHECKING:
    from tests.providers.simulated_endpoint import SimulatedEndpoint

__all__ = ["SimulatedStorage"]


#: The size of the disk of the host.
_DISK_BYTES = 1 << 40


class SimulatedStorage:
    """Implements Storage over the inventory of a SimulatedEndpoint."""

    def __init__(self, endpoint: SimulatedEndpoint) -> None:
        self._endpoint = endpoint
        self.images_made: list[DiskImageSpec] = []
        self._left_in: dict[str, list[VirtualDiskImage]] = {}

    def create_repository(self, spec: StorageRepositorySpec, monitor: Monitor | None = None) -> str:
        with self._endpoint.operation("SR.create", monitor) as task:
            _check_repository(spec)
            location = normpath(spec.location)
            known = self._endpoint.current.storage_repositories
            if any(each.name_label == spec.name_label for each in known.values()):
                raise _taken("pool", spec.name_label, "SR.create")
            for each in known.values():
                if each.location == location:
                    raise _refused("SR.create", "PBD_EXISTS", each.ref, "ref-host", "ref-pbd")
            made = StorageRepository(
                ref=f"ref-{spec.name_label}",
                uuid=identity("sr", spec.name_label),
                name_label=spec.name_label,
                name_description=spec.name_description,
                type=spec.type,
                location=location,
            )
            found = {
                image.uuid: replace(image, sr_uuid=made.uuid)
                for image in self._left_in.pop(location, ())
            }
            self._endpoint.publish(
                storage_repositories={**known, made.uuid: made},
                disk_images={**self._endpoint.current.disk_images, **found},
            )
            task.made = Made(repository=made.uuid)
        return made.uuid

    def remove_repository(self, uuid: str, monitor: Monitor | None = None) -> None:
        with self._endpoint.operation("SR.forget", monitor):
            repository = self._repository(uuid)
            known = dict(self._endpoint.current.storage_repositories)
            del known[repository.uuid]
            images = self._endpoint.current.disk_images
            left = [one for one in images.values() if one.sr_uuid == repository.uuid]
            self._left_in[repository.location] = left
            self._endpoint.publish(
                storage_repositories=known,
                disk_images={key: one for key, one in images.items() if one not in left},
            )

    def create_image(self, spec: DiskImageSpec, monitor: Monitor | None = None) -> str:
        with self._endpoint.operation("VDI.create", monitor) as task:
            repository = self._repository(spec.sr_uuid)
            _check_image(spec, repository)
            known = self._endpoint.current.disk_images
            if any(each.name_label == spec.name_label for each in known.values()):
                raise _taken("storage volume", spec.name_label, "VDI.create")
            self.images_made.append(spec)
            made = VirtualDiskImage(
                ref=f"ref-{spec.name_label}",
                uuid=identity("image", spec.name_label),
                name_label=spec.name_label,
                sr_uuid=repository.uuid,
                virtual_size_bytes=spec.size_bytes,
                location=f"{repository.location}/{spec.name_label}",
                format=spec.format or "qcow2",
            )
            self._endpoint.publish(disk_images={**known, made.uuid: made})
            task.made = Made(image=made.uuid)
        return made.uuid

    def resize_image(self, uuid: str, size_bytes: int, monitor: Monitor | None = None) -> None:
        with self._endpoint.operation("VDI.resize", monitor):
            image = self._image(uuid)
            if not image.virtual_size_bytes <= size_bytes < 1 << 63 or size_bytes <= 0:
                raise _not_supported("VDI.resize", "size", size_bytes)
            self._endpoint.put_image(replace(image, virtual_size_bytes=size_bytes))

    def delete_image(self, uuid: str, monitor: Monitor | None = None) -> None:
        with self._endpoint.operation("VDI.destroy", monitor):
            image = self._image(uuid)
            self.require_unused(image, "destroy")
            known = dict(self._endpoint.current.disk_images)
            del known[image.uuid]
            self._endpoint.publish(disk_images=known)

    def require_unused(self, image: VirtualDiskImage, operation: str) -> None:
        """Refuse what an image that a virtual system names is not there for."""
        if any(
            disk.image is not None and disk.image.uuid == image.uuid
            for system in self._endpoint.systems
            for disk in system.disks
        ):
            raise _refused(f"VDI.{operation}", "VDI_IN_USE", image.ref, operation)

    def _repository(self, uuid: str) -> StorageRepository:
        found = self._endpoint.current.storage_repositories.get(uuid.lower())
        if found is None:
            raise _refused("SR.get_by_uuid", "UUID_INVALID", "SR", uuid)
        return found

    def _image(self, uuid: str) -> VirtualDiskImage:
        found = self._endpoint.current.disk_images.get(uuid.lower())
        if found is None:
            raise _refused("VDI.get_by_uuid", "UUID_INVALID", "VDI", uuid)
        return found


def _check_repository(spec: StorageRepositorySpec) -> None:
    if spec.type != DIRECTORY:
        raise _refused("SR.create", "SR_UNKNOWN_DRIVER", spec.type)
    if not spec.location.startswith("/"):
        raise _not_supported("SR.create", "device_config:location", spec.location)
    if not spec.name_label:
        raise _not_supported("SR.create", "name_label", spec.name_label)


def _check_image(spec: DiskImageSpec, repository: StorageRepository) -> None:
    if spec.size_bytes < 0:
        raise _not_supported("VDI.create", "virtual_size", spec.size_bytes)
    if "/" in spec.name_label:
        raise _not_supported("VDI.create", "name_label", spec.name_label)
    if spec.format not in {"", "raw", "qcow2", "vmdk", "vdi"}:
        raise _not_supported("VDI.create", "sm_config:type", spec.format)
    if spec.fully_allocated and spec.size_bytes > (repository.physical_size_bytes or _DISK_BYTES):
        raise _refused("VDI.create", "SR_FULL", str(spec.size_bytes), "0")


def _not_supported(operation: str, field: str, value: object) -> HypervisorError:
    description = [field, str(value), "is not possible here"]
    return _refused(operation, "VALUE_NOT_SUPPORTED", *description)


def _refused(operation: str, *description: str) -> HypervisorError:
    return HypervisorError(from_xapi(list(description), operation=operation))


def _taken(kind: str, name: str, operation: str) -> HypervisorError:
    message = f"operation failed: {kind} '{name}' already exists"
    return HypervisorError(
        from_libvirt(
            code=9, code_name="VIR_ERR_OPERATION_FAILED", message=message, operation=operation
        )
    )
