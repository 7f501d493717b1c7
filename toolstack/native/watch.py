"""libvirt's events: which part of the inventory they say is out of date."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import libvirt

from virtcim.toolstack.native.stop_reason import StopDetail, block_io_error

__all__ = ["DETAIL", "DOMAIN", "NETWORK", "POOL", "REBOOTED", "STARTED", "register_events"]

# The kinds of messages that are reported; each comes with a UUID and a payload or None.
DOMAIN, POOL, NETWORK = "domain", "pool", "network"
DETAIL, STARTED, REBOOTED = "detail", "started", "rebooted"

Report = Callable[[str, str, Any], None]

# What changes a domain without a lifecycle event of its own.
_DOMAIN_EVENTS = (
    libvirt.VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE,
    libvirt.VIR_DOMAIN_EVENT_ID_TRAY_CHANGE,
    libvirt.VIR_DOMAIN_EVENT_ID_DISK_CHANGE,
    libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED,
    libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
    libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED,
    libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
    libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2,
    libvirt.VIR_DOMAIN_EVENT_ID_WATCHDOG,
    libvirt.VIR_DOMAIN_EVENT_ID_CONTROL_ERROR,
)

_POOL_EVENTS = (
    libvirt.VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE,
    libvirt.VIR_STORAGE_POOL_EVENT_ID_REFRESH,
)

# After these an earlier stop is history.
_GOES_ON = frozenset({libvirt.VIR_DOMAIN_EVENT_STARTED, libvirt.VIR_DOMAIN_EVENT_RESUMED})

_STOPPED_DETAILS = {
    libvirt.VIR_DOMAIN_EVENT_STOPPED_FAILED: ("failed", "internal-error"),
    libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED: ("crashed", "guest-panicked"),
}


def register_events(connection: Any, report: Report) -> None:
    """Register for all events that concern the inventory.

    ``report`` is called on libvirt's event thread, where libvirt itself must not be called.
    Raises libvirt.libvirtError when the connection is lost meanwhile.
    """

    def pool_changed(_conn: object, pool: Any, *_rest: object) -> None:
        report(POOL, pool.UUIDString(), None)

    def network_changed(_conn: object, network: Any, *_rest: object) -> None:
        report(NETWORK, network.UUIDString(), None)

    for event_id, handler in _domain_handlers(report).items():
        _register(connection.domainEventRegisterAny, event_id, handler)
    for event_id in _POOL_EVENTS:
        _register(connection.storagePoolEventRegisterAny, event_id, pool_changed)
    _register(
        connection.networkEventRegisterAny,
        libvirt.VIR_NETWORK_EVENT_ID_LIFECYCLE,
        network_changed,
    )


def _domain_handlers(report: Report) -> dict[int, Callable[..., None]]:
    def lifecycle(_conn: object, domain: Any, event: int, detail: int, _opaque: object) -> None:
        uuid = domain.UUIDString()
        if event == libvirt.VIR_DOMAIN_EVENT_STARTED:
            report(STARTED, uuid, datetime.now(UTC))
        if event in _GOES_ON:
            report(DETAIL, uuid, None)
        elif event == libvirt.VIR_DOMAIN_EVENT_STOPPED and detail in _STOPPED_DETAILS:
            report(DETAIL, uuid, _stopped(*_STOPPED_DETAILS[detail]))
        report(DOMAIN, uuid, None)

    def io_error(
        _conn: object, domain: Any, path: str, alias: str, action: int, reason: str, _o: object
    ) -> None:
        if action == libvirt.VIR_DOMAIN_EVENT_IO_ERROR_PAUSE:
            report(DETAIL, domain.UUIDString(), _io_error(path, alias, reason))
        report(DOMAIN, domain.UUIDString(), None)

    def rebooted(_conn: object, domain: Any, *_rest: object) -> None:
        report(REBOOTED, domain.UUIDString(), None)
        report(DOMAIN, domain.UUIDString(), None)

    def changed(_conn: object, domain: Any, *_rest: object) -> None:
        report(DOMAIN, domain.UUIDString(), None)

    handlers: dict[int, Callable[..., None]] = dict.fromkeys(_DOMAIN_EVENTS, changed)
    handlers[libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE] = lifecycle
    handlers[libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON] = io_error
    handlers[libvirt.VIR_DOMAIN_EVENT_ID_REBOOT] = rebooted
    return handlers


def _register(register: Callable[..., object], event_id: int, handler: Callable[..., None]) -> None:
    """Register for an event, unless the driver has no such; reconciling makes up for it."""
    try:
        register(None, event_id, handler, None)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise


def _stopped(stop_reason: str, status: str) -> StopDetail:
    return StopDetail(
        time=datetime.now(UTC),
        state=libvirt.VIR_DOMAIN_SHUTOFF,
        reason=libvirt.VIR_DOMAIN_SHUTOFF_CRASHED,
        stop_reason=stop_reason,
        event={"query-status": {"status": status}},
    )


def _io_error(path: str, alias: str, reason: str) -> StopDetail:
    return StopDetail(
        time=datetime.now(UTC),
        state=libvirt.VIR_DOMAIN_PAUSED,
        reason=libvirt.VIR_DOMAIN_PAUSED_IOERROR,
        event=block_io_error(alias, reason, path),
    )
