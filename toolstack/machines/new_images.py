"""The images that are made with a machine, or with a change of one: kept with it, or deleted."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType

import libvirt

from virtcim.toolstack.calltable import Context
from virtcim.toolstack.faults import XapiFailure, libvirt_failure
from virtcim.toolstack.fields import GivenRecord
from virtcim.toolstack.images.image import Image, image_of_volume
from virtcim.toolstack.images.leftovers import find_volume
from virtcim.toolstack.images.provisional import ProvisionalVolume
from virtcim.toolstack.images.volumes import create_volume, read_volume
from virtcim.toolstack.reading.storage_queries import read_volume as read_made_volume
from virtcim.toolstack.reading.views import VolumeView
from virtcim.toolstack.state import StateError

__all__ = ["NewImages"]

_log = logging.getLogger(__name__)


class NewImages:
    """New images for the machine ``uuid``, provisional until ``keep``.

    ``with NewImages(context, uuid) as images:`` make them, give them to the machine, and ``keep``
    them; whoever leaves the block without that has them deleted. What cannot be deleted is said
    (``ROLLBACK_FAILED``: call, subject and reason of each, and what had failed), and is cleaned up
    as soon as libvirt is reached anew. Until they are kept they are seen with the machine only.
    """

    def __init__(self, context: Context, uuid: str) -> None:
        self._context = context
        self._uuid = uuid
        self._provisional = context.services.provisional
        self._volumes: list[ProvisionalVolume] = []
        self._kept = False

    def __enter__(self) -> NewImages:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self._kept:
            return
        if self._volumes:
            self._look_at_machine()
        remaining: list[str] = []
        for volume in reversed(self._volumes):
            try:
                self._delete(volume)
            except (XapiFailure, libvirt.libvirtError, StateError) as failed:
                _log.error("volume %s of pool %s stays for now: %s", *_named(volume), failed)
                remaining += ["VDI.destroy", volume.name, str(failed)]
        self._provisional.leave(self._volumes)
        if remaining and isinstance(error, XapiFailure | libvirt.libvirtError):
            raise XapiFailure("ROLLBACK_FAILED", *remaining, _text(error)) from error

    @property
    def pools(self) -> tuple[str, ...]:
        """The UUIDs of the pools that images were made in."""
        return tuple(sorted({volume.pool for volume in self._volumes}))

    def make(self, args: Mapping[str, object]) -> Image:
        """Make an image as a VDI.create record says."""
        plan = read_volume(self._context, GivenRecord("VDI", args))
        connection = self._context.services.connection
        if find_volume(connection, plan.pool, plan.name) is not None:
            # It must not be taken for ours later.
            raise XapiFailure("DB_UNIQUENESS_CONSTRAINT_VIOLATION", "VDI", "name_label", plan.name)
        volume = ProvisionalVolume(plan.pool, plan.name, self._uuid)
        self._provisional.begin(volume)
        self._volumes.append(volume)
        try:
            made = create_volume(self._context, plan)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_STORAGE_VOL_EXIST:
                # Somebody else's, made at this very moment.
                self._volumes.remove(volume)
                self._provisional.end([volume])
            raise
        # Whoever sees the machine with it shall see it as what it is.
        self._list(volume, read_made_volume(connection, made))
        path = connection.call(made.path)
        return image_of_volume(self._context, plan.sr, plan.name, path, plan.format or "raw")

    def keep(self, machine: str = "") -> None:
        """The machine has them, they are its own now; and ``machine``, if it is new, is whole."""
        self._kept = True
        try:
            self._provisional.end(self._volumes, machine)
        except StateError as error:
            # The next look finds that the machine names them.
            _log.error("the images of machine %s stay provisional: %s", self._uuid, error)
            self._provisional.leave(self._volumes, machine)

    def show(self) -> None:
        """Publish the machine and the images that it has now, so that they are seen together.

        Raises what reading them from libvirt raises.
        """
        inventory = self._context.services.inventory
        with ExitStack() as locks:
            # Whoever publishes has the lock of its object first.
            locks.enter_context(inventory.changing(self._uuid))
            for pool in self.pools:
                locks.enter_context(inventory.changing(pool))
            locks.enter_context(inventory.lock)
            for pool in self.pools:
                inventory.refresh_pool(pool)
            inventory.refresh_domain(self._uuid)

    def _look_at_machine(self) -> None:
        """Let nobody see the machine with images that it has no more, as they are deleted now."""
        try:
            self._context.services.inventory.refresh_domain(self._uuid)
        except (XapiFailure, libvirt.libvirtError) as error:
            _log.info("machine %s cannot be looked at: %s", self._uuid, error)

    def _delete(self, volume: ProvisionalVolume) -> None:
        connection = self._context.services.connection
        found = find_volume(connection, volume.pool, volume.name)
        if found is not None:
            connection.call(found.delete, 0)
        self._list(volume, None)
        self._provisional.end([volume])

    def _list(self, volume: ProvisionalVolume, view: VolumeView | None) -> None:
        """Let the pool have a volume (None: it has gone), without reading all that it has."""
        inventory = self._context.services.inventory
        with inventory.changing(volume.pool):
            known = inventory.pools.get(volume.pool)
            if known is not None:
                others = (one for one in known.volumes if one.name != volume.name)
                volumes = (*others, *(() if view is None else (view,)))
                inventory.replace_pool(known, replace(known, volumes=volumes))


def _named(volume: ProvisionalVolume) -> tuple[str, str]:
    return volume.name, volume.pool


def _text(error: XapiFailure | libvirt.libvirtError) -> str:
    failure = error if isinstance(error, XapiFailure) else libvirt_failure(error)
    return " ".join(failure.description)
