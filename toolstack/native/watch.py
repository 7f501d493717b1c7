"""libvirt's events: which part of the inventory they say is out of date."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libvirt

from virtcim.toolstack.native.domain_events import (
    DETAIL,
    DOMAIN,
    REBOOTED,
    Report,
    domain_handlers,
)
from virtcim.toolstack.native.domain_history import DomainHistory

__all__ = ["DETAIL", "DOMAIN", "NETWORK", "POOL", "REBOOTED", "register_events"]

# Further kinds of messages that are reported.
POOL, NETWORK = "pool", "network"

_POOL_EVENTS = (
    libvirt.VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE,
    libvirt.VIR_STORAGE_POOL_EVENT_ID_REFRESH,
)


def register_events(connection: Any, report: Report, history: DomainHistory) -> None:
    """Register for all events that concern the inventory.

    ``report`` and ``history`` are told on libvirt's event thread, where libvirt itself must not be
    called.
    Raises libvirt.libvirtError when the connection is lost meanwhile.
    """

    def pool_changed(_conn: object, pool: Any, *_rest: object) -> None:
        report(POOL, pool.UUIDString(), None)

    def network_changed(_conn: object, network: Any, *_rest: object) -> None:
        report(NETWORK, network.UUIDString(), None)

    for event_id, handler in domain_handlers(report, history).items():
        _register(connection.domainEventRegisterAny, event_id, handler)
    for event_id in _POOL_EVENTS:
        _register(connection.storagePoolEventRegisterAny, event_id, pool_changed)
    _register(
        connection.networkEventRegisterAny,
        libvirt.VIR_NETWORK_EVENT_ID_LIFECYCLE,
        network_changed,
    )


def _register(register: Callable[..., object], event_id: int, handler: Callable[..., None]) -> None:
    """Register for an event, unless the driver has no such; reconciling makes up for it."""
    try:
        register(None, event_id, handler, None)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise
