"""Defining a whole virtual machine in one call of our own (``virtcim.VM.define``)."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence

import libvirt

from virtcim.toolstack.calls.vm import plan_machine, require_new
from virtcim.toolstack.calltable import CallTable, Context
from virtcim.toolstack.documents.build import build_domain
from virtcim.toolstack.faults import XapiFailure, field_type_error, libvirt_failure
from virtcim.toolstack.fields import GivenRecord
from virtcim.toolstack.machines.device_kinds import KINDS
from virtcim.toolstack.machines.new_devices import (
    PlacedDevice,
    note_new_devices,
    place_devices,
    references,
)
from virtcim.toolstack.machines.new_disk import read_new_disk
from virtcim.toolstack.machines.new_images import NewImages
from virtcim.toolstack.machines.new_interface import read_new_interface
from virtcim.toolstack.native.connection import LibvirtConnection
from virtcim.toolstack.records.identity import vm_ref

__all__ = ["DEFINITION_CALLS"]

DEFINITION_CALLS = CallTable()

_log = logging.getLogger(__name__)


@DEFINITION_CALLS.add("virtcim.VM.define", "record args", asynchronous=True)
def define(context: Context, args: dict[str, object]) -> str:
    """Define a machine with all its disks and interfaces, or nothing of it.

    ``args`` is a VM.create record with two lists more: ``VBDs`` and ``VIFs``, records as VBD.create
    and VIF.create take them, without ``VM``. Instead of ``VDI`` a disk may have ``location`` and
    ``sm_config``, or what VDI.create takes (``SR``, ``virtual_size``, ...) for a new image.

    Gives ``{"VM": ref, "VBDs": [refs], "VIFs": [refs]}`` as JSON. Raises
    ``DB_UNIQUENESS_CONSTRAINT_VIOLATION`` when a wanted UUID is taken, and ``ROLLBACK_FAILED`` when
    new images could not be deleted again, or when nobody knows whether the machine was defined.
    """
    plan = plan_machine(context, GivenRecord("VM", args))
    interfaces = [read_new_interface(context, one) for one in _records(args, "VIFs")]
    # A name that is taken is known before anything is written for it.
    require_new(context, plan.uuid)
    with NewImages(context, plan.uuid) as images:
        disks = [read_new_disk(context, one, images) for one in _records(args, "VBDs")]
        document = build_domain(plan)
        placed = place_devices([*disks, *interfaces], {})
        for device in placed:
            document.add_device(device.element)
        autostart = GivenRecord("VM", args).map("other_config").get("auto_poweron") == "true"
        _remember(context, plan.uuid, placed)
        try:
            _define(context, plan.uuid, document.text, images, autostart=autostart)
        except BaseException:
            context.services.devices.forget(plan.uuid)
            raise
    note_new_devices(context, plan.uuid, placed)
    return json.dumps({"VM": vm_ref(plan.uuid), **references(plan.uuid, placed)})


def _remember(context: Context, uuid: str, placed: Sequence[PlacedDevice]) -> None:
    """Let the devices have the names that were chosen for them."""
    for kind in KINDS.values():
        known = [device.known for device in placed if device.new.kind is kind]
        context.services.devices.expect(uuid, kind.tag, known)


def _records(args: Mapping[str, object], name: str) -> list[dict[str, object]]:
    records = args.get(name, [])
    if not isinstance(records, list) or not all(isinstance(one, dict) for one in records):
        raise field_type_error(name)
    return records


def _define(context: Context, uuid: str, xml: str, images: NewImages, *, autostart: bool) -> None:
    services = context.services
    inventory = services.inventory
    with inventory.changing(uuid):
        require_new(context, uuid)
        services.provisional.begin_machine(uuid, autostart=autostart)
        try:
            _define_now(context, uuid, xml, autostart=autostart)
        except XapiFailure as failure:
            if failure.code == "ROLLBACK_FAILED":
                services.provisional.leave((), uuid)
            else:
                services.provisional.end((), uuid)
            raise
        images.keep(machine=uuid)
        try:
            images.show()
        except (XapiFailure, libvirt.libvirtError) as error:
            # It is defined. Everything is read anew as soon as libvirt is reached again.
            _log.warning("machine %s is defined, but cannot be read: %s", uuid, error)


def _define_now(context: Context, uuid: str, xml: str, *, autostart: bool) -> None:
    """Define it and let it start with the host, or raise XapiFailure."""
    connection = context.services.connection
    handle = connection.handle
    try:
        domain = connection.call(handle.defineXML, xml)
    except libvirt.libvirtError as error:
        if _is_same(connection, handle):
            raise libvirt_failure(error) from error
        # The answer was lost with the connection: it may be there.
        raise XapiFailure("ROLLBACK_FAILED", "VM.destroy", vm_ref(uuid), str(error)) from error
    if not autostart:
        return
    try:
        connection.call(domain.setAutostart, 1)
    except (libvirt.libvirtError, XapiFailure) as error:
        try:
            connection.call(domain.undefine)
        except (libvirt.libvirtError, XapiFailure) as remains:
            described = ("VM.destroy", vm_ref(uuid), str(remains), str(error))
            raise XapiFailure("ROLLBACK_FAILED", *described) from error
        raise error if isinstance(error, XapiFailure) else libvirt_failure(error) from error


def _is_same(connection: LibvirtConnection, handle: object) -> bool:
    try:
        return connection.handle is handle
    except XapiFailure:
        return False
