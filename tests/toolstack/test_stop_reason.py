"""Why a domain stopped by itself."""

from __future__ import annotations

from datetime import UTC, datetime

import libvirt
import pytest

from virtcim.toolstack.reading.stop_reason import (
    StopDetail,
    block_io_error,
    stop_view,
    stopped_by_itself,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
THEN = datetime(2026, 1, 1, tzinfo=UTC)
HALTED = {"state": libvirt.VIR_DOMAIN_SHUTOFF, "reason": libvirt.VIR_DOMAIN_SHUTOFF_CRASHED}
IO_ERROR = (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR)


@pytest.mark.parametrize(
    ("state", "reason", "word", "status"),
    [
        (*IO_ERROR, "io-error", "io-error"),
        (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_WATCHDOG, "watchdog", "watchdog"),
        (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_CRASHED, "crashed", "guest-panicked"),
        (libvirt.VIR_DOMAIN_CRASHED, 1, "crashed", "guest-panicked"),
    ],
)
def test_the_state_alone_tells_the_reason(state: int, reason: int, word: str, status: str) -> None:
    view = stop_view(state, reason, None, {}, NOW)
    assert view is not None
    assert (view.reason, view.time) == (word, NOW)
    assert view.event == {"query-status": {"status": status}}


@pytest.mark.parametrize(
    ("state", "reason", "word"),
    [("PAUSED", "UNKNOWN", "paused-unknown"), ("SHUTOFF", "CRASHED", "ended-unexpectedly")],
)
def test_nothing_is_claimed_that_only_an_event_could_tell(
    state: str, reason: str, word: str
) -> None:
    names = {"state": f"VIR_DOMAIN_{state}", "reason": f"VIR_DOMAIN_{state}_{reason}"}
    numbers = [getattr(libvirt, name) for name in names.values()]
    view = stop_view(*numbers, None, {}, NOW)
    assert view is not None
    assert (view.reason, view.event) == (word, names)


def test_why_a_domain_is_halted_is_known_although_libvirtd_has_forgotten_it() -> None:
    seen = StopDetail(time=THEN, **HALTED, stop_reason="failed", event={"event": "x"})
    view = stop_view(libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_UNKNOWN, seen, {}, NOW)
    assert view is not None
    assert (view.reason, view.time, view.event) == ("failed", THEN, {"event": "x"})
    paused = StopDetail(time=THEN, state=IO_ERROR[0], reason=IO_ERROR[1])
    for detail in (None, paused):
        assert stop_view(libvirt.VIR_DOMAIN_SHUTOFF, 0, detail, {}, NOW) is None


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (libvirt.VIR_DOMAIN_RUNNING, 1),
        (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER),
        (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN),
        (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED),
        (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_SAVED),
        (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_FAILED),
    ],
)
def test_what_was_asked_for_is_no_stop_by_itself(state: int, reason: int) -> None:
    assert not stopped_by_itself(state, reason)
    detail = StopDetail(time=THEN, state=5, reason=3)
    assert stop_view(state, reason, detail, {"vda": 2}, NOW) is None


@pytest.mark.parametrize(
    ("errors", "device", "reason"),
    [
        ({"vda": 2}, "vda", "enospc"),
        ({"vda": 1}, "vda", ""),
        ({"vda": 1, "vdb": 2, "vdc": 1}, "vdb", "enospc"),
    ],
)
def test_a_late_look_finds_the_disk_that_failed(
    errors: dict[str, int], device: str, reason: str
) -> None:
    view = stop_view(*IO_ERROR, None, errors, NOW)
    assert view is not None
    assert view.event["event"] == "BLOCK_IO_ERROR"
    data = view.event["data"]
    assert (data["device"], data["reason"], data["nospace"]) == (device, reason, reason != "")


def test_what_was_seen_when_it_happened_goes_before_a_late_look() -> None:
    detail = StopDetail(
        time=THEN,
        state=IO_ERROR[0],
        reason=IO_ERROR[1],
        event=block_io_error("virtio-disk0", "eio", "/i"),
    ).naming_disks({"virtio-disk0": "vda"})
    view = stop_view(*IO_ERROR, detail, {"vdb": 2}, NOW)
    assert view is not None
    assert view.time == THEN
    assert view.event["data"] == {
        "device": "vda",
        "action": "stop",
        "nospace": False,
        "reason": "eio",
        "path": "/i",
    }


def test_what_was_seen_of_another_stop_does_not_count() -> None:
    detail = StopDetail(time=THEN, state=5, reason=3, stop_reason="failed")
    view = stop_view(*IO_ERROR, detail, {}, NOW)
    assert view is not None
    assert (view.reason, view.time) == ("io-error", NOW)


def test_what_was_seen_survives_being_kept() -> None:
    detail = StopDetail(
        time=THEN, state=5, reason=3, stop_reason="failed", event={"query-status": {"status": "x"}}
    )
    assert StopDetail.from_fields(detail.to_fields()) == detail
