"""What libvirt tells of all objects of a kind at once: lists by flags, one call for each set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import libvirt

from virtcim.toolstack.native.connection import LibvirtConnection

if TYPE_CHECKING:
    from virtcim.toolstack.native.objects import ApiObject, Domain, Network, StoragePool

__all__ = ["ListedDomain", "ListedObject", "list_domains", "list_networks", "list_pools"]

_Native = TypeVar("_Native", bound="ApiObject")

# What a driver answers that knows the list, but not the flag.
_NO_SUCH_LIST = frozenset(
    {libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_CONFIG_UNSUPPORTED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDomain:
    """A domain as the lists show it; None is what the driver has no list for."""

    native: Domain
    uuid: str
    name: str
    state: int
    reason: int
    persistent: bool | None = None
    autostart: bool | None = None
    saved: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedObject(Generic[_Native]):
    """A storage pool or network as the lists show it; None is what the driver has no list for."""

    native: _Native
    uuid: str
    active: bool | None = None
    autostart: bool | None = None


def list_domains(connection: LibvirtConnection) -> list[ListedDomain]:
    """Give all domains; raises libvirt.libvirtError where there is no list of them."""
    listed = connection.handle.listAllDomains
    transient = _marked(connection, listed, libvirt.VIR_CONNECT_LIST_DOMAINS_TRANSIENT)
    autostart = _marked(connection, listed, libvirt.VIR_CONNECT_LIST_DOMAINS_AUTOSTART)
    saved = _marked(connection, listed, libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE)
    return [
        ListedDomain(
            native=native,
            uuid=(uuid := native.UUIDString()),
            name=_name(native),
            state=state,
            reason=reason,
            persistent=None if transient is None else uuid not in transient,
            autostart=None if autostart is None else uuid in autostart,
            saved=None if saved is None else uuid in saved,
        )
        for native, state, reason in _states(connection)
    ]


def list_pools(connection: LibvirtConnection) -> list[ListedObject[StoragePool]]:
    """Give all storage pools; raises libvirt.libvirtError where they cannot be listed."""
    return _list(
        connection,
        connection.handle.listAllStoragePools,
        active=libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE,
        autostart=libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_AUTOSTART,
    )


def list_networks(connection: LibvirtConnection) -> list[ListedObject[Network]]:
    """Give all networks; raises libvirt.libvirtError where they cannot be listed."""
    return _list(
        connection,
        connection.handle.listAllNetworks,
        active=libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE,
        autostart=libvirt.VIR_CONNECT_LIST_NETWORKS_AUTOSTART,
    )


def _list(
    connection: LibvirtConnection,
    function: Callable[[int], list[_Native]],
    *,
    active: int,
    autostart: int,
) -> list[ListedObject[_Native]]:
    try:
        natives = connection.call(function, 0)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT:
            return []  # an embedded driver: there really are none
        raise
    if not natives:
        return []
    are_active = _marked(connection, function, active)
    start_with_host = _marked(connection, function, autostart)
    return [
        ListedObject(
            native=native,
            uuid=(uuid := native.UUIDString()),
            active=None if are_active is None else uuid in are_active,
            autostart=None if start_with_host is None else uuid in start_with_host,
        )
        for native in natives
    ]


def _marked(
    connection: LibvirtConnection, function: Callable[[int], Sequence[ApiObject]], flag: int
) -> set[str] | None:
    """Give the UUIDs of the objects that a flag picks."""
    try:
        natives = connection.call(function, flag)
    except libvirt.libvirtError as error:
        if error.get_error_code() in _NO_SUCH_LIST:
            return None
        raise
    return {native.UUIDString() for native in natives}


def _states(connection: LibvirtConnection) -> list[tuple[Domain, int, int]]:
    """Give all domains with state and reason, in one call where the driver can."""
    call, handle = connection.call, connection.handle
    try:
        stats = call(handle.getAllDomainStats, libvirt.VIR_DOMAIN_STATS_STATE, 0)
        return [(domain, fields["state.state"], fields["state.reason"]) for domain, fields in stats]
    except KeyError:
        pass  # one of them has no state there: each is asked by itself
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise
    return [(domain, *_state(connection, domain)) for domain in call(handle.listAllDomains, 0)]


def _state(connection: LibvirtConnection, domain: Domain) -> tuple[int, int]:
    try:
        state, reason = connection.call(domain.state)
    except libvirt.libvirtError:
        # Gone meanwhile, or odd: reading it will tell.
        return libvirt.VIR_DOMAIN_NOSTATE, 0
    return state, reason


def _name(native: Domain) -> str:
    try:
        return str(native.name())
    except UnicodeDecodeError:
        return ""
