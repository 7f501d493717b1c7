"""What one process has done at a hypervisor, another one that follows it knows that it shows."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from tests.hypervisor.xenapi_server import XenApiServer, endpoint_of, failing
from tests.wire.serving import DEADLINE_S
from virtcim.hypervisor import XenApiEndpoint
from virtcim.hypervisor.xenapi.tokens import is_at_least, is_same_life

_NEW = "OpaqueRef:new"
_LIFE = "0000000000001"


class SlowServer(XenApiServer):
    """Holds back what an event.from that waits has found, until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.furnish()
        self.timeouts: list[float] = []
        self.slow = threading.Event()
        self.held = threading.Event()
        self.go = threading.Event()
        self.orders["event.from"] = self._answer_slowly

    async def _answer_slowly(
        self, classes: list[str], token: str, timeout_s: float
    ) -> dict[str, Any]:
        newest, wanted = self.token, {name.lower() for name in classes}
        new = [one for one in self.events if one[0] > int(token or newest)]
        events = [self._event(*one) for one in new if one[1].lower() in wanted]
        answer = {"events": events, "token": f"{newest:020}", "valid_ref_counts": {}}
        if self.slow.is_set():
            self.timeouts.append(timeout_s)
            if timeout_s:
                self.held.set()
                await asyncio.to_thread(self.go.wait, DEADLINE_S)
        elif timeout_s:
            await asyncio.sleep(0.02)
        return answer


@pytest.fixture
def slow() -> Iterator[tuple[SlowServer, XenApiEndpoint]]:
    server = SlowServer()
    with server.running() as port, endpoint_of(port) as endpoint:
        server.slow.set()
        assert server.held.wait(DEADLINE_S)
        yield server, endpoint
        server.go.set()


@contextmanager
def reaching(endpoint: XenApiEndpoint, position: str) -> Iterator[Future[bool]]:
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(endpoint.reach, position, DEADLINE_S)


@pytest.mark.parametrize("position", ["", "00000000000000000001", "later"])
def test_tokens_of_others_mean_nothing_so_that_an_event_from_that_began_later_decides(
    slow: tuple[SlowServer, XenApiEndpoint], position: str
) -> None:
    server, endpoint = slow
    server.put_vm("new")
    assert not endpoint.has_reached(position)
    with reaching(endpoint, position) as future:
        # The one that runs has seen nothing, and ends.
        server.go.set()
        assert future.result(DEADLINE_S)
        assert "new" in endpoint.inventory().virtual_systems
    assert server.timeouts[:2] == [3.0, 0.0]


def test_what_is_not_said_in_time_is_not_reached(
    slow: tuple[SlowServer, XenApiEndpoint],
) -> None:
    _, endpoint = slow
    assert not endpoint.reach("", 0.01)


def test_where_nothing_is_shown_nothing_older_is() -> None:
    server = XenApiServer()
    server.furnish()
    with server.running() as port, endpoint_of(port) as endpoint:
        server.password = "another"
        server.sessions.clear()
        failing(endpoint)
        assert endpoint.position == ""
        assert endpoint.reach("", DEADLINE_S)


def test_own_tokens_compare_within_one_life() -> None:
    first, second = f"{_LIFE}0000000000007", f"{_LIFE}0000000000008"
    other_life = f"0000000000002{0:013}"
    assert is_at_least(second, first)
    assert is_at_least(first, first)
    assert not is_at_least(first, second)
    assert not is_at_least(other_life, first)
    assert not is_at_least(first, other_life)
    assert is_same_life(first, second)
    for foreign in ("", "7", "00000000000000000007,00000000000000000000", first + "0", "x" * 26):
        assert not is_same_life(foreign, foreign)
