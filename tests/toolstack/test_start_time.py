"""When a machine was started is known as soon as the start has been answered."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import XenAPI

from tests.toolstack.host import Host, domain_uuid, only, reconcile

EPOCH = 1970


def start_time(api: Any, vm: str) -> str:
    return str(api.VM_metrics.get_start_time(api.VM.get_metrics(vm)))


def test_a_start_is_known_before_its_event_has_come(
    host: Host, session: XenAPI.Session, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = host.toolstack._inventory.history
    held_back: list[Any] = []
    events = history.started
    monkeypatch.setattr(history, "started", lambda *event: held_back.append(event))
    vm, uuid = only(session, "VM", "rests"), domain_uuid("rests")
    assert str(EPOCH) in start_time(api, vm)
    api.VM.start(vm, False, False)
    told = start_time(api, vm)
    assert str(EPOCH) not in told
    # The event tells the same, and is no news.
    view = host.toolstack._inventory.domains[uuid]
    assert view.started is not None
    events(uuid, view.id, view.started + timedelta(milliseconds=300))
    host.toolstack._inventory.refresh_domain(uuid)
    assert start_time(api, vm) == told
    # One that was much later is another start, which no look has seen.
    events(uuid, view.id, view.started + timedelta(minutes=5))
    host.toolstack._inventory.refresh_domain(uuid)
    assert start_time(api, vm) != told


def test_nothing_is_claimed_of_a_machine_that_was_seen_for_the_first_time(
    host: Host, session: XenAPI.Session, api: Any
) -> None:
    vm = only(session, "VM", "runs")
    reconcile(host)
    assert str(EPOCH) in start_time(api, vm)
