"""Making and removing storage repositories: directories as storage pools (XenAPI ``SR.create``)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from errno import ENOENT
from typing import TYPE_CHECKING
from uuid import uuid4

import libvirt
from lxml import etree

from virtcim.toolstack.calltable import CallTable, Context
from virtcim.toolstack.datamodel import Record
from virtcim.toolstack.documents import set_text, to_xml
from virtcim.toolstack.faults import XapiFailure, value_not_supported
from virtcim.toolstack.images.choice import require_directory_inside
from virtcim.toolstack.images.paths import canonical_path
from virtcim.toolstack.images.pools import find_pool, require_pool
from virtcim.toolstack.names import POOL, check_name
from virtcim.toolstack.refs import reference

if TYPE_CHECKING:
    from virtcim.toolstack.native.objects import StoragePool

__all__ = ["SR_LIFECYCLE_CALLS"]

_log = logging.getLogger(__name__)

SR_LIFECYCLE_CALLS = CallTable()

_DIRECTORY = "dir"
_LOCATION = "location"
# Noted on a repository whose directory was made with it, and is removed with it.
_MADE_DIRECTORY = "virtcim-made-directory"


@SR_LIFECYCLE_CALLS.add("SR.get_supported_types", "", inline=True, needs_libvirt=False)
def get_supported_types(_: Context) -> list[str]:
    """What SR.create can make."""
    return [_DIRECTORY]


@SR_LIFECYCLE_CALLS.add(
    "SR.create",
    "host host, map device_config, int physical_size, string name_label, "
    "string name_description, string type, string content_type, bool shared, map sm_config?",
    asynchronous=True,
)
def create(
    context: Context,
    _host: str,
    device_config: Mapping[str, str],
    _physical_size: int,
    name_label: str,
    name_description: str,
    kind: str,
    *_unused: object,
) -> str:
    """Make a directory a storage pool that starts with the host; one that is missing is made.

    ``device_config["location"]`` is the directory. Either all of it is done, or nothing remains.
    """
    if kind != _DIRECTORY:
        raise XapiFailure("SR_UNKNOWN_DRIVER", kind)
    location = device_config.get(_LOCATION, "")
    if not location.startswith("/"):
        raise value_not_supported("device_config:location", location, "must be an absolute path")
    if not name_label:
        raise value_not_supported("name_label", "", "must be given")
    check_name(POOL, name_label)
    require_directory_inside(context, "a storage pool", location)
    _require_other_directory(context, location)
    uuid = str(uuid4())
    pool = etree.Element("pool", type=_DIRECTORY)
    set_text(pool, "name", name_label, field="name_label")
    etree.SubElement(pool, "uuid").text = uuid
    set_text(etree.SubElement(pool, "target"), "path", location, field="device_config:location")
    services = context.services
    # Nobody sees it before it is whole: libvirt tells of it as soon as it is defined.
    services.made_pools.add(uuid)
    with services.inventory.changing(uuid):
        try:
            made_directory = _make(context, to_xml(pool))
        except (libvirt.libvirtError, XapiFailure):
            services.made_pools.remove(uuid)
            raise
        services.inventory.refresh_pool(uuid)
    ref = reference("SR", uuid)
    if made_directory:
        services.notes.set("SR", ref, "other_config", {_MADE_DIRECTORY: "true"})
    if name_description:
        services.notes.set("SR", ref, "name_description", name_description)
    return ref


def _require_other_directory(context: Context, location: str) -> None:
    """Refuse a directory that is a pool already, however it is spelled; raises ``PBD_EXISTS``."""
    services = context.services
    local = services.fence.local
    place = canonical_path(location, local=local)
    for pbd, plug in services.database.records("PBD").items():
        known = plug["device_config"].get(_LOCATION, "")
        if known and canonical_path(known, local=local) == place:
            raise XapiFailure("PBD_EXISTS", plug["SR"], plug["host"], pbd)


def _make(context: Context, xml: str) -> bool:
    """Define and start a pool; whether its directory had to be made for that."""
    connection = context.services.connection
    pool = connection.call(connection.handle.storagePoolDefineXML, xml, 0)
    made_directory = False
    try:
        made_directory = _start(context, pool)
        connection.call(pool.setAutostart, 1)
    except (libvirt.libvirtError, XapiFailure):
        _take_back(context, pool, made_directory=made_directory)
        raise
    return made_directory


def _start(context: Context, pool: StoragePool) -> bool:
    """Start a pool; whether its directory had to be made for that."""
    call = context.services.connection.call
    try:
        call(pool.create, 0)
    except libvirt.libvirtError as error:
        missing = (libvirt.VIR_ERR_SYSTEM_ERROR, ENOENT)
        if (error.get_error_code(), error.get_int1()) != missing:
            raise
    else:
        return False
    call(pool.build, 0)
    try:
        call(pool.create, 0)
    except libvirt.libvirtError:
        with suppress(libvirt.libvirtError):  # what made it fail is reported, not this
            call(pool.delete, 0)
        raise
    return True


def _take_back(context: Context, pool: StoragePool, *, made_directory: bool) -> None:
    """Leave nothing of a pool that could not be made whole; what fails is logged."""
    steps = [pool.destroy] if pool.isActive() else []
    if made_directory:
        steps.append(lambda: pool.delete(0))
    for step in (*steps, pool.undefine):
        try:
            context.services.connection.call(step)
        except libvirt.libvirtError as error:
            _log.error("a storage pool that could not be made remains in part: %s", error)


@SR_LIFECYCLE_CALLS.add("SR.destroy", "SR sr", asynchronous=True)
def destroy(context: Context, sr: str) -> None:
    """Remove a storage pool; its directory goes only where ``SR.create`` had made it.

    Raises ``SR_HAS_PBD`` while it is active.
    """
    record = _inactive(context, sr)
    call = context.services.connection.call
    with context.services.inventory.changing(record["uuid"]):
        pool = find_pool(context, record)
        if record["other_config"].get(_MADE_DIRECTORY) == "true":
            # Never with what is in it: libvirt refuses to remove a directory that is not empty.
            call(pool.delete, 0)
        call(pool.undefine)
        _forget(context, sr, record)


@SR_LIFECYCLE_CALLS.add("SR.forget", "SR sr", asynchronous=True)
def forget(context: Context, sr: str) -> None:
    """Take a storage pool from libvirt's list; what is in its directory stays.

    Raises ``SR_HAS_PBD`` while it is active.
    """
    record = _inactive(context, sr)
    with context.services.inventory.changing(record["uuid"]):
        context.services.connection.call(find_pool(context, record).undefine)
        _forget(context, sr, record)


def _inactive(context: Context, sr: str) -> Record:
    record = context.record("SR", sr)
    require_pool(record, sr)
    plugs = (context.services.database.get("PBD", ref) for ref in record["PBDs"])
    if any(plug is not None and plug["currently_attached"] for plug in plugs):
        raise XapiFailure("SR_HAS_PBD", sr)
    return record


def _forget(context: Context, sr: str, record: Record) -> None:
    """The pool is gone, and what was noted on it with it."""
    context.services.publisher.forget("SR", sr)
    context.services.made_pools.remove(record["uuid"])
    context.services.inventory.refresh_pool(record["uuid"])
    _log.info("the storage pool %s (%s) was removed", record["name_label"], sr)
