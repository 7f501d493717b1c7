"""libvirt's events: which part of the inventory they say is out of date."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import libvirt

from virtcim.toolstack.following.domain_events import domain_handlers
from virtcim.toolstack.following.domain_history import DomainHistory
from virtcim.toolstack.following.messages import NETWORK, POOL, Changed, Report

if TYPE_CHECKING:
    from virtcim.toolstack.native.objects import Connection, Network, StoragePool

__all__ = ["register_events"]

_POOL_EVENTS = (
    libvirt.VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE,
    libvirt.VIR_STORAGE_POOL_EVENT_ID_REFRESH,
)


def register_events(
    connection: Connection,
    report: Report,
    history: DomainHistory,
    at_close: Callable[[Callable[[], object]], None],
) -> None:
    """Register for all events that concern the inventory.

    ``report`` and ``history`` are told on libvirt's event thread, where libvirt itself must not be
    called. ``at_close`` is given what takes each registration back: without that libvirt keeps a
    closed connection, with a file descriptor, as long as the process lives.
    Raises libvirt.libvirtError when the connection is lost meanwhile.
    """

    def register(names: str, event_id: int, handler: Callable[..., None]) -> None:
        """Register for an event, unless the driver has no such; reconciling makes up for it."""
        try:
            number = getattr(connection, f"{names}RegisterAny")(None, event_id, handler, None)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
                raise
        else:
            at_close(partial(getattr(connection, f"{names}DeregisterAny"), number))

    def pool_changed(_conn: object, pool: StoragePool, *_rest: object) -> None:
        report(Changed(POOL, pool.UUIDString()))

    def network_changed(_conn: object, network: Network, *_rest: object) -> None:
        report(Changed(NETWORK, network.UUIDString()))

    for event_id, handler in domain_handlers(report, history).items():
        register("domainEvent", event_id, handler)
    for event_id in _POOL_EVENTS:
        register("storagePoolEvent", event_id, pool_changed)
    register("networkEvent", libvirt.VIR_NETWORK_EVENT_ID_LIFECYCLE, network_changed)
