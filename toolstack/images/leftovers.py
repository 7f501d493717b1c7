"""Cleaning up after operations that nobody finished: what they made belongs to nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Concatenate, ParamSpec
from xml.etree.ElementTree import ParseError

import libvirt

from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.images.provisional import Provisional, ProvisionalVolume
from virtcim.toolstack.images.users import named_by_machines
from virtcim.toolstack.native.connection import LibvirtConnection
from virtcim.toolstack.state import StateError

if TYPE_CHECKING:
    from virtcim.toolstack.native.objects import StorageVolume

__all__ = ["clean_up", "find_volume"]

_log = logging.getLogger(__name__)
_About = ParamSpec("_About")


def clean_up(connection: LibvirtConnection, provisional: Provisional) -> None:
    """Delete left over volumes that no machine names, and finish machines that are there.

    Each is said in the log. What cannot be done now is done when libvirt is reached anew.
    """
    for uuid, autostart in provisional.left_machines().items():
        _try(_finish_machine, connection, provisional, uuid, autostart)
    left = provisional.left_volumes()
    if not left:
        return
    try:
        named = set(named_by_machines(connection))
    except (XapiFailure, libvirt.libvirtError, ParseError) as error:
        _log.error(
            "%d volumes stay provisional: who names them cannot be read: %s", len(left), error
        )
        return
    for volume in left:
        _try(_clean_up_volume, connection, provisional, volume, named)


def _try(
    work: Callable[Concatenate[LibvirtConnection, Provisional, _About], None],
    connection: LibvirtConnection,
    provisional: Provisional,
    *about: _About.args,
    **named: _About.kwargs,
) -> None:
    try:
        work(connection, provisional, *about, **named)
    except (XapiFailure, libvirt.libvirtError, StateError) as error:
        _log.error("%s cannot be cleaned up yet: %s", about[0], error)


def _finish_machine(
    connection: LibvirtConnection, provisional: Provisional, uuid: str, autostart: bool
) -> None:
    try:
        domain = connection.call(connection.handle.lookupByUUIDString, uuid)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise
    else:
        if autostart:
            connection.call(domain.setAutostart, 1)
        _log.warning("machine %s was defined when the toolstack ended; it stays", uuid)
    provisional.end((), uuid)


def _clean_up_volume(
    connection: LibvirtConnection,
    provisional: Provisional,
    volume: ProvisionalVolume,
    named: set[str | tuple[str, str]],
) -> None:
    found = find_volume(connection, volume.pool, volume.name)
    if found is None:
        _log.info("volume %s of pool %s had not been made", volume.name, volume.pool)
    else:
        pool = connection.call(found.storagePoolLookupByVolume)
        if connection.call(found.path) in named or (pool.name(), volume.name) in named:
            _log.warning(
                "volume %s of pool %s was made for machine %s when the toolstack ended; a machine "
                "has it, and it stays",
                *volume,
            )
        else:
            connection.call(found.delete, 0)
            _log.warning(
                "volume %s of pool %s, made for machine %s that was never finished, is deleted",
                *(volume.name, volume.pool, volume.machine),
            )
    provisional.end([volume])


def find_volume(connection: LibvirtConnection, pool: str, name: str) -> StorageVolume | None:
    """Look a volume up by its pool's UUID and its name; None where there is none.

    Raises ``libvirt.libvirtError`` where that cannot be told, as in a pool that is not active.
    """
    try:
        found = connection.call(connection.handle.storagePoolLookupByUUIDString, pool)
        return connection.call(found.storageVolLookupByName, name)
    except libvirt.libvirtError as error:
        gone = {libvirt.VIR_ERR_NO_STORAGE_POOL, libvirt.VIR_ERR_NO_STORAGE_VOL}
        if error.get_error_code() in gone:
            return None
        raise
