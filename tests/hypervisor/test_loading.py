"""While everything is read for the first time: how far that is, instead of an old error."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.hypervisor.xenapi_server import XenApiServer
from tests.wire.serving import DEADLINE_S
from virtcim.errormap import ErrorCode, HypervisorError, translate
from virtcim.hypervisor import XenApiEndpoint
from virtcim.hypervisor.inventory import InventoryStore
from virtcim.hypervisor.loading import InventoryLoadingError, Loading
from virtcim.hypervisor.xenapi.progress import ReadingProgress
from virtcim.wire import parse_endpoint_url
from virtcim.wire.decode import ResponseDecoder
from virtcim.wire.encode import encode_response


class _Held:
    """An answer that waits until it is let go."""

    def __init__(self, server: XenApiServer, class_name: str) -> None:
        self._table = server.tables[class_name]
        self._go = threading.Event()
        self.wanted = threading.Event()
        server.orders[f"{class_name}.get_all_records"] = self._answer

    async def _answer(self) -> Any:
        self.wanted.set()
        await asyncio.to_thread(self._go.wait, DEADLINE_S)
        return self._table

    def let_go(self) -> None:
        self._go.set()


@contextmanager
def _connecting(server: XenApiServer) -> Iterator[XenApiEndpoint]:
    """An endpoint that may not have connected yet."""
    with server.running() as port:
        endpoint = XenApiEndpoint(parse_endpoint_url(f"xapi+http://127.0.0.1:{port}"))
        try:
            yield endpoint
        finally:
            endpoint.close()


def _refusal(endpoint: XenApiEndpoint) -> HypervisorError:
    with pytest.raises(HypervisorError) as caught:
        endpoint.inventory()
    return caught.value


def _eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def _furnished(systems: int) -> XenApiServer:
    server = XenApiServer()
    server.furnish()
    server.remove("VM", "OpaqueRef:one")
    server.remove("VM", "OpaqueRef:template")
    for number in range(systems):
        server.put_vm(f"vm{number}")
    return server


def test_reads_say_how_much_has_been_read() -> None:
    server = _furnished(1200)
    first, middle = _Held(server, "pool"), _Held(server, "VM_metrics")
    with _connecting(server) as endpoint:
        assert first.wanted.wait(DEADLINE_S)
        assert str(_refusal(endpoint)).endswith("loading, 0 of 1,200")
        first.let_go()
        assert middle.wanted.wait(DEADLINE_S)
        # Of five classes with objects of virtual systems two are complete.
        refusal = _refusal(endpoint)
        assert isinstance(refusal, InventoryLoadingError)
        assert refusal.loading == Loading(480, 1200)
        assert str(refusal).endswith("loading, 480 of 1,200")
        told = translate(refusal.fault)
        assert told.code is ErrorCode.ERR_COMMUNICATION_NOT_ESTABLISHED
        assert told.rule == "transport.being_read"
        assert not endpoint.wait_attempted(0.0)
        middle.let_go()
        assert endpoint.wait_attempted(DEADLINE_S)
        assert len(endpoint.inventory().virtual_systems) == 1200


def test_an_error_of_before_is_not_told_while_everything_is_read_again() -> None:
    server = _furnished(2)
    with _connecting(server) as endpoint:
        assert endpoint.wait_attempted(DEADLINE_S)
        held = _Held(server, "VM")
        server.orders["event.from"] = lambda *_: {"token": 7}  # no answer of this API
        _eventually(lambda: "holds no" in str(_reading(endpoint)))
        del server.orders["event.from"]
        assert held.wanted.wait(DEADLINE_S)
        assert "loading, " in str(_refusal(endpoint))
        held.let_go()
        _eventually(lambda: _reading(endpoint) is None)


def _reading(endpoint: XenApiEndpoint) -> HypervisorError | None:
    try:
        endpoint.inventory()
    except HypervisorError as error:
        return error
    return None


def test_a_server_that_tells_no_number_is_read_without() -> None:
    server = _furnished(3)
    held = _Held(server, "VM")
    server.orders["VM.get_all"] = lambda: None
    with _connecting(server) as endpoint:
        assert held.wanted.wait(DEADLINE_S)
        assert str(_refusal(endpoint)).endswith("loading")
        held.let_go()
        assert endpoint.wait_attempted(DEADLINE_S)
        assert len(endpoint.inventory().virtual_systems) == 3


def test_records_count_as_they_arrive() -> None:
    reported: list[Loading] = []
    progress = ReadingProgress(100, reported.append)
    progress.finished("SR", {"a": {"VDIs": ["1"] * 150}, "b": {"VDIs": ["2"] * 50}, "c": "odd"})
    progress.arrived("VDI", 50)
    progress.finished("VDI", {})
    progress.arrived("VM", 10)
    progress.finished("VM", {"a": {"VBDs": ["1", "2"], "VIFs": []}})
    progress.arrived("VBD", 1)
    progress.arrived("VIF", 7)  # that nobody has told of
    progress.arrived("VBD", 5)  # more than there were
    progress.arrived("console", 5)
    assert [one.read for one in reported] == [0, 5, 20, 22, 40, 50, 60]
    assert {one.of for one in reported} == {100}


def test_a_decoder_counts_the_records_of_an_answer() -> None:
    record = {"name": "x", "other_config": {"a": {"deeper": "1"}}, "list": [{"b": "2"}]}
    answer = encode_response(
        {"Status": "Success", "Value": {f"ref{number}": record for number in range(10)}}
    )
    decoder = ResponseDecoder()
    counts = []
    for begin in range(0, len(answer), 200):
        decoder.feed(answer[begin : begin + 200])
        counts.append(decoder.records)
    decoder.close()
    assert counts == sorted(counts)
    assert 0 < counts[len(counts) // 2] < 10
    assert decoder.records == 10


def test_the_age_of_an_inventory_grows_until_the_next_news() -> None:
    now = [100.0]
    store = InventoryStore(clock=lambda: now[0])
    assert store.age_s == 0.0
    inventory: Any = object()
    store.publish(inventory, "1")
    now[0] += 5.0
    assert store.age_s == 5.0
    store.publish(inventory, "2")
    assert store.age_s == 0.0
