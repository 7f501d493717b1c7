"""libvirt's events of domains: what they say has happened, and what is out of date."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import libvirt

from virtcim.toolstack.following.domain_history import DomainHistory
from virtcim.toolstack.following.messages import DOMAIN, Changed, Rebooted, Report, StopSeen
from virtcim.toolstack.reading.stop_reason import StopDetail, block_io_error, libvirt_event

if TYPE_CHECKING:
    from virtcim.toolstack.native.objects import Domain

__all__ = ["domain_handlers"]

_Handler = Callable[..., None]

# What changes a domain without a lifecycle event of its own, and without more to be said.
_CHANGES = (
    libvirt.VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE,
    libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED,
    libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED,
    libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
    libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2,
    libvirt.VIR_DOMAIN_EVENT_ID_CONTROL_ERROR,
)

# After these an earlier stop is history.
_GOES_ON = frozenset({libvirt.VIR_DOMAIN_EVENT_STARTED, libvirt.VIR_DOMAIN_EVENT_RESUMED})
_NO_CHANGE = frozenset({libvirt.VIR_DOMAIN_EVENT_DEFINED, libvirt.VIR_DOMAIN_EVENT_UNDEFINED})

# VIR_DOMAIN_EVENT_WATCHDOG_*, in the words of libvirt's <watchdog action=...>. A dump is told as a
# pause, which it begins with.
_WATCHDOG = {
    libvirt.VIR_DOMAIN_EVENT_WATCHDOG_NONE: "none",
    libvirt.VIR_DOMAIN_EVENT_WATCHDOG_PAUSE: "pause",
    libvirt.VIR_DOMAIN_EVENT_WATCHDOG_RESET: "reset",
    libvirt.VIR_DOMAIN_EVENT_WATCHDOG_POWEROFF: "poweroff",
    libvirt.VIR_DOMAIN_EVENT_WATCHDOG_SHUTDOWN: "shutdown",
    libvirt.VIR_DOMAIN_EVENT_WATCHDOG_DEBUG: "debug",
    libvirt.VIR_DOMAIN_EVENT_WATCHDOG_INJECTNMI: "inject-nmi",
}
# libvirt's words for an errno, where it has one.
_ERRNO = {"enospc": "No space left on device", "eio": "Input/output error"}


class _DomainEvents:
    """The handlers; they are called on libvirt's event thread."""

    def __init__(self, report: Report, history: DomainHistory) -> None:
        self._report = report
        self._history = history

    def changed(self, _conn: object, domain: Domain, *_rest: object) -> None:
        self._report(Changed(DOMAIN, domain.UUIDString()))

    def lifecycle(
        self, _conn: object, domain: Domain, event: int, detail: int, _opaque: object
    ) -> None:
        uuid, now = domain.UUIDString(), datetime.now(UTC)
        _note(self._history, domain, event, now)
        if event in _GOES_ON:
            self._report(StopSeen(uuid, None))
        elif event == libvirt.VIR_DOMAIN_EVENT_STOPPED:
            history = self._history
            stop = _stopped(
                detail, history.watchdog_of(uuid), now, panicked=history.saw_panic(uuid)
            )
            if stop is not None:
                self._report(StopSeen(uuid, stop))
        elif (event, detail) == _PAUSED_BY_WATCHDOG:
            action = self._history.watchdog_of(uuid)
            self._report(StopSeen(uuid, _paused_by_watchdog(action, now)))
        self._report(Changed(DOMAIN, uuid))

    def watchdog(self, _conn: object, domain: Domain, action: int, _opaque: object) -> None:
        word = _WATCHDOG.get(action, str(action))
        now = datetime.now(UTC)
        self._history.watchdog_expired(domain.UUIDString(), domain.ID(), word, now)
        self._report(Changed(DOMAIN, domain.UUIDString()))

    def io_error(
        self,
        _conn: object,
        domain: Domain,
        path: str,
        alias: str,
        action: int,
        reason: str,
        _o: object,
    ) -> None:
        uuid, now = domain.UUIDString(), datetime.now(UTC)
        if action == libvirt.VIR_DOMAIN_EVENT_IO_ERROR_PAUSE:
            self._report(StopSeen(uuid, _io_error(path, alias, reason, now)))
        elif action != libvirt.VIR_DOMAIN_EVENT_IO_ERROR_REPORT or not self._history.disk_failed(
            *(uuid, domain.ID(), alias, _reported(reason, now)),
            *(block_io_error(alias, reason, path, action="report"), now),
        ):
            # The guest may try again as fast as it can: only the first one is news.
            return
        self._report(Changed(DOMAIN, uuid))

    def rebooted(self, _conn: object, domain: Domain, *_rest: object) -> None:
        self._history.reboots.happened(domain.UUIDString())
        self._report(Rebooted(domain.UUIDString()))
        self._report(Changed(DOMAIN, domain.UUIDString()))

    def disk_changed(
        self, conn: object, domain: Domain, _old: str, _new: str, alias: str, *_rest: object
    ) -> None:
        self.device_changed(conn, domain, alias)

    def device_changed(self, _conn: object, domain: Domain, alias: str, *_rest: object) -> None:
        self._history.disk_changed(domain.UUIDString(), alias)
        self._report(Changed(DOMAIN, domain.UUIDString()))


def domain_handlers(report: Report, history: DomainHistory) -> Mapping[int, _Handler]:
    """Give the handlers by event; they are called on libvirt's event thread."""
    events = _DomainEvents(report, history)
    return {
        **dict.fromkeys(_CHANGES, events.changed),
        libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE: events.lifecycle,
        libvirt.VIR_DOMAIN_EVENT_ID_WATCHDOG: events.watchdog,
        libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON: events.io_error,
        libvirt.VIR_DOMAIN_EVENT_ID_REBOOT: events.rebooted,
        libvirt.VIR_DOMAIN_EVENT_ID_DISK_CHANGE: events.disk_changed,
        libvirt.VIR_DOMAIN_EVENT_ID_TRAY_CHANGE: events.device_changed,
        libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED: events.device_changed,
    }


_PANIC: Mapping[str, object] = {"event": "GUEST_PANICKED"}
_PAUSED_BY_WATCHDOG = (
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED,
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED_WATCHDOG,
)


def _note(history: DomainHistory, domain: Domain, event: int, now: datetime) -> None:
    uuid = domain.UUIDString()
    if event == libvirt.VIR_DOMAIN_EVENT_STARTED:
        history.started(uuid, domain.ID(), now)
    elif event == libvirt.VIR_DOMAIN_EVENT_RESUMED:
        history.resumed(uuid, now)
    elif event == libvirt.VIR_DOMAIN_EVENT_CRASHED:
        history.panicked(uuid, domain.ID(), now)
    elif event == libvirt.VIR_DOMAIN_EVENT_SHUTDOWN:
        pass  # it is about to stop, or to restart: that is told of as well
    elif event not in _NO_CHANGE:
        history.changed(uuid, now)


def _stopped(detail: int, watchdog: str, now: datetime, *, panicked: bool) -> StopDetail | None:
    """Give what a domain's end was that nobody asked for; None for any other."""
    word: str = ""
    event: Mapping[str, object] | None = None
    if detail == libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED:
        # libvirt calls it so as well when somebody ends a domain with a dump of its memory.
        if panicked:
            word, event = "crashed", _PANIC
    elif detail != libvirt.VIR_DOMAIN_EVENT_STOPPED_FAILED:
        return None
    elif watchdog == "poweroff":
        word, event = "watchdog", _watchdog_event(watchdog)
    else:
        word = "failed"
        event = libvirt_event("VIR_DOMAIN_EVENT_STOPPED", "VIR_DOMAIN_EVENT_STOPPED_FAILED")
    return StopDetail(
        time=now,
        state=libvirt.VIR_DOMAIN_SHUTOFF,
        reason=libvirt.VIR_DOMAIN_SHUTOFF_CRASHED,
        stop_reason=word,
        event=event,
    )


def _paused_by_watchdog(action: str, now: datetime) -> StopDetail:
    return StopDetail(
        time=now,
        state=libvirt.VIR_DOMAIN_PAUSED,
        reason=libvirt.VIR_DOMAIN_PAUSED_WATCHDOG,
        stop_reason="watchdog",
        event=_watchdog_event(action or "pause"),
    )


def _watchdog_event(action: str) -> dict[str, object]:
    return {"event": "WATCHDOG", "data": {"action": action}}


def _io_error(path: str, alias: str, reason: str, now: datetime) -> StopDetail:
    return StopDetail(
        time=now,
        state=libvirt.VIR_DOMAIN_PAUSED,
        reason=libvirt.VIR_DOMAIN_PAUSED_IOERROR,
        event=block_io_error(alias, reason, path),
    )


def _reported(reason: str, now: datetime) -> str:
    why = _ERRNO.get(reason, reason)
    since = now.isoformat(timespec="seconds")
    return (
        "its image could not be read or written"
        f"{f' ({why})' if why else ''}, which the guest has been told since {since}"
    )
