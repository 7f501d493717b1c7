"""Changing storage over the XenAPI (``SR``, ``PBD``, ``VDI``)."""

from __future__ import annotations

from collections.abc import Callable

from virtcim.hypervisor.inventory import InventoryStore
from virtcim.hypervisor.monitor import Monitor
from virtcim.hypervisor.storage import DiskImageSpec, StorageRepositorySpec
from virtcim.hypervisor.xenapi.operations import TaskRunner
from virtcim.hypervisor.xenapi.recovery import Recovery
from virtcim.hypervisor.xenapi.session import XenApiSession

__all__ = ["XenApiStorage"]


class XenApiStorage:
    """Implements ``Storage``; ``wait_visible`` waits until readers see what was done."""

    def __init__(
        self,
        session: XenApiSession,
        tasks: TaskRunner,
        store: InventoryStore,
        recovery: Recovery,
        wait_visible: Callable[[], None],
    ) -> None:
        self._session = session
        self._tasks = tasks
        self._store = store
        self._recovery = recovery
        self._wait_visible = wait_visible

    def create_repository(self, spec: StorageRepositorySpec, monitor: Monitor | None = None) -> str:
        """Make a storage repository (XenAPI ``SR.create``) and give its UUID."""
        inventory = self._store.read()
        # The pool's coordinator where there are several hosts: any can reach what all share.
        host_ref = inventory.hosts[min(inventory.hosts)].ref
        ref = self._tasks.run(
            "SR.create",
            *(host_ref, {"location": spec.location}, "0", spec.name_label),
            *(spec.name_description, spec.type, "user", False, {}),
            monitor=monitor,
            decisive=True,
        )
        uuid = str(self._session.call("SR.get_uuid", ref)).lower()
        self._wait_visible()
        return uuid

    def remove_repository(self, uuid: str, monitor: Monitor | None = None) -> None:
        """Unplug a storage repository everywhere, and remove it.

        An empty one is destroyed (XenAPI ``SR.destroy``), one that holds images is only forgotten
        (``SR.forget``): no image is ever deleted with it.
        """
        ref = self._repository_ref(uuid)
        # Afterwards a detached one may seem to be empty.
        holds_images = bool(self._session.call("SR.get_VDIs", ref))
        removal = "SR.forget" if holds_images else "SR.destroy"
        rollback = self._recovery.begin(removal, uuid.lower())
        try:
            with rollback.all_or_nothing():
                for plug in self._session.call("SR.get_PBDs", ref):
                    if self._session.call("PBD.get_currently_attached", plug):
                        with rollback.step("PBD.plug", plug, does="PBD.unplug") as step:
                            watched = step.watched_by(monitor)
                            self._tasks.run("PBD.unplug", plug, monitor=watched)
                self._tasks.run(removal, ref, monitor=monitor, decisive=True)
        finally:
            self._wait_visible()

    def create_image(self, spec: DiskImageSpec, monitor: Monitor | None = None) -> str:
        """Make a disk image (XenAPI ``VDI.create``) and give its UUID."""
        options = {"type": spec.format} if spec.format else {}
        if spec.fully_allocated:
            options["allocation"] = "full"
        ref = self._tasks.run(
            "VDI.create",
            {
                "name_label": spec.name_label,
                "name_description": spec.name_description,
                "SR": self._repository_ref(spec.sr_uuid),
                "virtual_size": str(spec.size_bytes),
                "type": "user",
                "sharable": False,
                "read_only": False,
                "other_config": {},
                "xenstore_data": {},
                "sm_config": options,
                "tags": [],
            },
            monitor=monitor,
            decisive=True,
        )
        uuid = str(self._session.call("VDI.get_uuid", ref)).lower()
        self._wait_visible()
        return uuid

    def resize_image(self, uuid: str, size_bytes: int, monitor: Monitor | None = None) -> None:
        """Give a disk image another size (XenAPI ``VDI.resize``)."""
        self._tasks.run(
            "VDI.resize", self._image_ref(uuid), str(size_bytes), monitor=monitor, decisive=True
        )
        self._wait_visible()

    def delete_image(self, uuid: str, monitor: Monitor | None = None) -> None:
        """Delete a disk image (XenAPI ``VDI.destroy``)."""
        self._tasks.run("VDI.destroy", self._image_ref(uuid), monitor=monitor, decisive=True)
        self._wait_visible()

    def _repository_ref(self, uuid: str) -> str:
        known = self._store.read().storage_repositories.get(uuid.lower())
        return known.ref if known is not None else str(self._session.call("SR.get_by_uuid", uuid))

    def _image_ref(self, uuid: str) -> str:
        known = self._store.read().disk_images.get(uuid.lower())
        return known.ref if known is not None else str(self._session.call("VDI.get_by_uuid", uuid))
