"""Making disks and network ports of virtual machines (XenAPI ``VBD``, ``VIF`` and ``VDI``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from uuid import uuid4

from virtcim.errormap import HypervisorError, from_xapi
from virtcim.hypervisor.model import DiskSpec, NetworkPortSpec
from virtcim.hypervisor.xenapi.records import NULL_REF
from virtcim.hypervisor.xenapi.steps import Steps
from virtcim.wire.labels import image_label

__all__ = ["DeviceMaker", "free_device"]

_DEFAULT_MTU = 1500
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class DeviceMaker:
    """Makes the devices of one virtual machine, and writes down how to remove them."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def add_disk(self, vm_ref: str, spec: DiskSpec, vm_name: str) -> str:
        """Make a disk or drive for the next start, and give its reference."""
        image_ref = self.image(spec, vm_name)
        record: dict[str, object] = {
            "VM": vm_ref,
            "VDI": image_ref,
            "userdevice": spec.id or "autodetect",
            "bootable": spec.bootable,
            "mode": "RO" if spec.read_only else "RW",
            "type": str(spec.kind),
            "unpluggable": True,
            "empty": image_ref == NULL_REF,
            "other_config": {
                name: value for name, value in (("bus", spec.bus), ("type", spec.format)) if value
            },
            "qos_algorithm_type": "",
            "qos_algorithm_params": {},
        }
        return self._create("VBD", record)

    def add_port(self, vm_ref: str, spec: NetworkPortSpec, device: str) -> str:
        """Make a network port for the next start, and give its reference."""
        network = self._steps.inventory.networks.get(spec.network_uuid.lower())
        if network is not None:
            network_ref = network.ref
        else:
            network_ref = str(self._steps.session.call("network.get_by_uuid", spec.network_uuid))
        mtu = spec.mtu or (network.mtu if network is not None else 0) or _DEFAULT_MTU
        record: dict[str, object] = {
            "VM": vm_ref,
            "network": network_ref,
            "device": device,
            "MAC": spec.mac_address,
            "MTU": str(mtu),
            "other_config": {"model": spec.model} if spec.model else {},
            "qos_algorithm_type": "",
            "qos_algorithm_params": {},
        }
        return self._create("VIF", record)

    def _create(self, class_name: str, record: Mapping[str, object]) -> str:
        with self._steps.rollback.making(class_name) as step:
            return step.made(
                str(self._steps.tasks.call(f"{class_name}.create", step.marked(record)))
            )

    def image(self, spec: DiskSpec, vm_name: str) -> str:
        """Find or make the image of a disk, and give its reference; null for an empty drive."""
        if spec.image_uuid:
            known = self._steps.inventory.disk_images.get(spec.image_uuid.lower())
            if known is not None:
                return known.ref
            if not spec.path:
                return str(self._steps.session.call("VDI.get_by_uuid", spec.image_uuid))
        if spec.path:
            return self._image_at(spec)
        if spec.sr_uuid:
            return self._new_image(spec, vm_name)
        return NULL_REF

    def _image_at(self, spec: DiskSpec) -> str:
        for image in self._steps.inventory.disk_images.values():
            if image.location == spec.path:
                return image.ref
        repositories = self._steps.inventory.storage_repositories.values()
        sr_ref = next((sr.ref for sr in repositories if sr.takes_paths), "")
        if not sr_ref:
            fault = from_xapi(["VDI_LOCATION_MISSING", "", spec.path], operation="VDI.introduce")
            raise HypervisorError(fault)
        name = spec.path.rpartition("/")[2]
        sm_config = {"type": spec.format} if spec.format else {}
        found_by = {"SR": sr_ref, "location": spec.path}
        with self._steps.rollback.step(
            "VDI.forget", does="VDI.introduce", found_by=found_by
        ) as step:
            image_ref = self._steps.tasks.call(
                "VDI.introduce",
                *("", name, "", sr_ref, "user", False, spec.read_only, {}, spec.path),
                *({}, sm_config, True, "0", "0", NULL_REF, False, _NEVER, NULL_REF),
            )
            return step.made(str(image_ref))

    def _new_image(self, spec: DiskSpec, vm_name: str) -> str:
        repository = self._steps.inventory.storage_repositories.get(spec.sr_uuid.lower())
        if repository is not None:
            sr_ref = repository.ref
        else:
            sr_ref = str(self._steps.session.call("SR.get_by_uuid", spec.sr_uuid))
        record = {
            # Some storage wants names to differ; and it is found again by its name.
            "name_label": image_label(vm_name, spec.id or "disk", uuid4().hex[:8]),
            "name_description": "",
            "SR": sr_ref,
            "virtual_size": str(spec.size_bytes),
            "type": "user",
            "sharable": False,
            "read_only": False,
            "other_config": {},
            "xenstore_data": {},
            "sm_config": {"type": spec.format} if spec.format else {},
            "tags": [],
        }
        found_by = {"SR": sr_ref, "name_label": record["name_label"]}
        with self._steps.rollback.making("VDI", found_by) as step:
            return step.made(self._steps.run(step, "VDI.create", record))


def free_device(taken: Collection[str]) -> str:
    """The lowest number that no network port has yet."""
    return next(str(number) for number in range(len(taken) + 1) if str(number) not in taken)
