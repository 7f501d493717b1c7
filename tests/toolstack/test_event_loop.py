"""While thousands of domains are read, libvirt's event loop rests; no event is lost by that."""

from __future__ import annotations

import threading
from typing import Any

import libvirt
import pytest

from tests.toolstack.host import DEADLINE_S, domain_uuid
from virtcim.toolstack.native.event_loop import EVENT_LOOP


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Released each time that the loop begins to look for events."""
    begun = threading.Semaphore(0)
    look = libvirt.virEventRunDefaultImpl

    def counted() -> Any:
        begun.release()
        return look()

    monkeypatch.setattr(libvirt, "virEventRunDefaultImpl", counted)
    return begun


def test_events_wait_for_the_end_of_a_rest(host_uri: str, looks: threading.Semaphore) -> None:
    EVENT_LOOP.start()
    connection = libvirt.open(host_uri)
    seen: list[int] = []
    all_seen = threading.Event()

    def happened(_conn: object, _domain: object, event: int, *_rest: object) -> None:
        seen.append(event)
        if len(seen) == 6:
            all_seen.set()

    number = connection.domainEventRegisterAny(
        None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, happened, None
    )
    domain = connection.lookupByUUIDString(domain_uuid("runs"))
    try:
        with EVENT_LOOP.resting():
            while looks.acquire(blocking=False):
                pass
            looked = 0
            for _ in range(3):
                domain.suspend()
                domain.resume()
                looked += looks.acquire(timeout=0.1)
            assert looked <= 1  # it was just about to, when the rest began
        assert all_seen.wait(DEADLINE_S)
        assert seen == [libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_RESUMED] * 3
    finally:
        connection.domainEventDeregisterAny(number)
        connection.close()


def test_a_rest_within_another_one_ends_with_that() -> None:
    with EVENT_LOOP.resting():
        with EVENT_LOOP.resting():
            assert not EVENT_LOOP.is_running
        assert not EVENT_LOOP.is_running
    assert EVENT_LOOP.is_running


def test_a_rest_ends_where_reading_fails() -> None:
    with pytest.raises(ZeroDivisionError), EVENT_LOOP.resting():
        _ = 1 / 0
    assert EVENT_LOOP.is_running
