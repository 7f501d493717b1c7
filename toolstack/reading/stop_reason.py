"""Why a domain stopped by itself, from its state and from what was seen when it happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import libvirt

from virtcim.toolstack.reading.views import StopView

__all__ = ["StopDetail", "block_io_error", "libvirt_event", "stop_view", "stopped_by_itself"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StopDetail:
    """What an event said: ``stop_reason`` refines the state's, ``event`` is in the form it came."""

    time: datetime
    state: int
    reason: int
    stop_reason: str = ""
    event: Mapping[str, Any] | None = None

    def to_fields(self) -> dict[str, Any]:
        """Give what the state directory keeps."""
        return {
            "time": self.time.isoformat(),
            "state": self.state,
            "reason": self.reason,
            "stop_reason": self.stop_reason,
            "event": None if self.event is None else dict(self.event),
        }

    def is_of(self, state: int, reason: int) -> bool:
        """Whether it says how a domain came into this state.

        libvirtd forgets, when it restarts, why a domain does not run.
        """
        forgotten = (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_UNKNOWN)
        same = self.state == state and self.reason == reason
        return same or ((state, reason) == forgotten and self.state == state)

    def naming_disks(self, targets: Mapping[str, str]) -> StopDetail:
        """Name the device of a disk error by its target (vda) instead of libvirt's alias."""
        data = {} if self.event is None else self.event.get("data", {})
        target = targets.get(data.get("device", ""))
        if target is None:
            return self
        return replace(self, event={**(self.event or {}), "data": {**data, "device": target}})

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> StopDetail:
        """Read what ``to_fields`` gave."""
        return cls(**{**fields, "time": datetime.fromisoformat(fields["time"])})


def libvirt_event(event: str, detail: str) -> Mapping[str, Any]:
    """Give an event of libvirt's in the names of its constants."""
    return {"event": event, "detail": detail}


def _state(state: str, reason: str) -> Mapping[str, Any]:
    return {"state": state, "reason": reason}


def _status(word: str) -> Mapping[str, Any]:
    return {"query-status": {"status": word}}


_PAUSED = libvirt.VIR_DOMAIN_PAUSED
_SHUTOFF = libvirt.VIR_DOMAIN_SHUTOFF
_CRASHED = libvirt.VIR_DOMAIN_CRASHED

# (state, reason) -> (our word, the source's own form when nothing more is known).
# VIR_DOMAIN_SHUTOFF_FAILED is not among them: that is a start that failed, whose caller was told.
_STOPS: Mapping[tuple[int, int], tuple[str, Mapping[str, Any]]] = {
    (_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR): ("io-error", _status("io-error")),
    (_PAUSED, libvirt.VIR_DOMAIN_PAUSED_WATCHDOG): ("watchdog", _status("watchdog")),
    (_PAUSED, libvirt.VIR_DOMAIN_PAUSED_CRASHED): ("crashed", _status("guest-panicked")),
    # QMP's stop, by whomever, and QEMU's internal-error (seen with KVM) look the same to libvirt.
    (_PAUSED, libvirt.VIR_DOMAIN_PAUSED_UNKNOWN): (
        "paused-unknown",
        _state("VIR_DOMAIN_PAUSED", "VIR_DOMAIN_PAUSED_UNKNOWN"),
    ),
    (_PAUSED, libvirt.VIR_DOMAIN_PAUSED_POSTCOPY_FAILED): (
        "postcopy-failed",
        {"query-migrate": {"status": "postcopy-paused"}},
    ),
    (_CRASHED, libvirt.VIR_DOMAIN_CRASHED_UNKNOWN): ("crashed", _status("guest-panicked")),
    (_CRASHED, libvirt.VIR_DOMAIN_CRASHED_PANICKED): ("crashed", _status("guest-panicked")),
    # A panic, a watchdog and a killed emulator look the same; only events tell them apart.
    (_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED): (
        "ended-unexpectedly",
        _state("VIR_DOMAIN_SHUTOFF", "VIR_DOMAIN_SHUTOFF_CRASHED"),
    ),
}


def stopped_by_itself(state: int, reason: int) -> bool:
    """Whether a domain in this state stopped by itself."""
    return (state, reason) in _STOPS


def stop_view(
    state: int,
    reason: int,
    detail: StopDetail | None,
    disk_errors: Mapping[str, int],
    now: datetime,
) -> StopView | None:
    """Give why a domain is stopped, or None if it runs or was stopped on request.

    State and reason decide, as far as libvirtd remembers them; ``detail`` and ``disk_errors``
    (virDomainGetDiskErrors, which keeps errors of the past) only add what happened, if it was in
    this state.
    """
    known = _STOPS.get((state, reason))
    if detail is not None and detail.is_of(state, reason):
        of_state = known or _STOPS.get((detail.state, detail.reason))
        if of_state is None:
            return None
        return StopView(
            reason=detail.stop_reason or of_state[0],
            time=detail.time,
            event=detail.event or of_state[1],
        )
    if known is None:
        return None
    word, event = known
    if word == "io-error" and disk_errors:
        event = _block_io_error(disk_errors)
    return StopView(reason=word, time=now, event=event)


def _block_io_error(disk_errors: Mapping[str, int]) -> Mapping[str, Any]:
    # A full storage is what somebody can act on: it comes before errors of unknown kind.
    device, error = max(disk_errors.items(), key=lambda item: item[1])
    nospace = error == libvirt.VIR_DOMAIN_DISK_ERROR_NO_SPACE
    return block_io_error(device, "enospc" if nospace else "", "")


def block_io_error(
    device: str, reason: str, path: str, *, action: str = "stop"
) -> Mapping[str, Any]:
    """Give QEMU's BLOCK_IO_ERROR; ``reason`` is libvirt's word for the errno (enospc, eio, ...)."""
    return {
        "event": "BLOCK_IO_ERROR",
        "data": {
            "device": device,
            "action": action,
            "nospace": reason == "enospc",
            "reason": reason,
            "path": path,
        },
    }
