"""Reading everything in pages of rows: what is known then is what records would have told."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tests.hypervisor.test_odd_records import BOTH, FIELDS, VALUES, objects
from tests.hypervisor.xenapi_server import (
    EPOCH,
    Refusal,
    XenApiServer,
    endpoint_of,
    eventually,
)
from tests.wire.serving import DEADLINE_S
from virtcim.hypervisor import Inventory, XenApiEndpoint
from virtcim.hypervisor.loading import Loading
from virtcim.hypervisor.xenapi import first_reading, follower, records
from virtcim.hypervisor.xenapi.fields import Fields, RecordError
from virtcim.hypervisor.xenapi.progress import ReadingProgress
from virtcim.hypervisor.xenapi.read_fields import READ_FIELDS, TIMES
from virtcim.hypervisor.xenapi.records import PARTS, read_record
from virtcim.wire import Limits, decode_response, encode_response, parse_endpoint_url
from virtcim.wire.rows import decode_page, encode_page

_ROWS = "virtcim.get_rows"
_FLAGS = ("bootable", "empty", "currently_attached", "read_only", "live", "managed")
_MAPS = (
    *("other_config", "runtime_properties", "sm_config", "current_operations"),
    *("device_config", "HVM_boot_params"),
)
_NUMBERS = ("memory", "VCPUs", "physical", "virtual", "MTU", "speed")


class RowServer(XenApiServer):
    """A server that calls itself ours and has rows, two to a page."""

    def __init__(self) -> None:
        super().__init__()
        self.furnish()
        self.put("host", "OpaqueRef:host", API_version_vendor="virtcim")
        self.put("console", "OpaqueRef:console", VM="OpaqueRef:one", protocol="rfb", location="x")
        self.pages: list[tuple[str, str]] = []
        self.between: Callable[[str, str], None] = lambda *_: None
        self.orders[_ROWS] = self._rows

    def _rows(self, class_name: str, fields: list[str], after: str) -> str:
        self.pages.append((class_name, after))
        self.between(class_name, after)
        table = self.tables[class_name]
        refs = sorted(ref for ref in table if ref > after)
        rows = [
            [ref, *(table[ref].get(field, _default(field)) for field in fields)] for ref in refs[:2]
        ]
        return encode_page(rows, len(table), more=len(refs) > 2)

    @property
    def read_whole(self) -> set[str]:
        """The classes of which all records were asked for."""
        return {name.partition(".")[0] for name in self.calls if name.endswith(".get_all_records")}


def _default(field: str) -> Any:
    """What a field is that this server does not have; a reader without it has the same."""
    if field.startswith("is_") or field in _FLAGS:
        return field == "managed"
    if field in TIMES:
        return EPOCH
    if field in _MAPS:
        return {}
    if field == "allowed_operations":
        return []
    return "0" if field.startswith(_NUMBERS) else ""


@pytest.fixture
def server() -> RowServer:
    server = RowServer()
    for number in range(5):
        server.put_vm(f"vm{number}")
    return server


def whole(server: XenApiServer) -> Inventory:
    """What is known of a server that has no rows."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(first_reading, "READ_FIELDS", {})
        with server.running() as port, endpoint_of(port) as endpoint:
            return endpoint.inventory()


def test_everything_is_read_in_rows_and_is_what_the_records_tell(server: RowServer) -> None:
    with server.running() as port, endpoint_of(port) as endpoint:
        inventory = endpoint.inventory()
    assert server.read_whole == {"pool", "host", "task"}
    assert [after for name, after in server.pages if name == "VM"] == [
        "",
        "OpaqueRef:template",
        "OpaqueRef:vm1",
        "OpaqueRef:vm3",
    ]
    assert objects(inventory) == objects(whole(server))
    assert inventory.problems == {}


def test_what_changes_afterwards_is_followed(server: RowServer) -> None:
    with server.running() as port, endpoint_of(port) as endpoint:
        server.put("VM", "OpaqueRef:vm1", name_description="changed")
        server.remove("VM", "OpaqueRef:vm2")
        now = eventually(endpoint, lambda now: "vm2" not in now.virtual_systems)
        assert now.virtual_systems["vm1"].name_description == "changed"


def test_what_changes_between_two_pages_is_neither_lost_nor_old(server: RowServer) -> None:
    def change(class_name: str, after: str) -> None:
        if (class_name, after) == ("VM", "OpaqueRef:vm1"):
            # Of the pages before this one, of this one, and of later ones.
            server.put("VM", "OpaqueRef:one", name_description="changed")
            server.remove("VM", "OpaqueRef:vm0")
            server.remove("VM", "OpaqueRef:vm1")
            server.put_vm("another")
            server.put("VM", "OpaqueRef:vm2", name_description="changed")
            server.remove("VM", "OpaqueRef:vm4")
            server.put_vm("vm9")
            server.put("VBD", "OpaqueRef:vbd", VM="OpaqueRef:vm9")

    server.between = change
    with server.running() as port, endpoint_of(port) as endpoint:
        inventory = endpoint.inventory()
    systems = inventory.virtual_systems
    assert set(systems) == {"one", "another", "vm2", "vm3", "vm9"}
    assert {name for name, one in systems.items() if one.name_description} == {"one", "vm2"}
    assert [disk.ref for disk in systems["vm9"].disks] == ["OpaqueRef:vbd"]
    assert objects(inventory) == objects(whole(server))


def test_a_toolstack_without_rows_is_asked_once_and_then_for_records(server: RowServer) -> None:
    def unknown(*_: object) -> None:
        raise Refusal("MESSAGE_METHOD_UNKNOWN", _ROWS)

    server.orders[_ROWS] = unknown
    with server.running() as port, endpoint_of(port) as endpoint:
        inventory = endpoint.inventory()
    assert server.calls[_ROWS] == 1
    assert server.read_whole == set(PARTS)
    assert len(inventory.virtual_systems) == 6
    assert inventory.problems == {}


def test_other_vendors_are_not_asked_for_rows(server: RowServer) -> None:
    server.put("host", "OpaqueRef:host", API_version_vendor="XenSource")
    with server.running() as port, endpoint_of(port) as endpoint:
        endpoint.inventory()
    assert server.calls[_ROWS] == 0
    assert server.read_whole == set(PARTS)


def _refuse(*_: object) -> None:
    raise Refusal("INTERNAL_ERROR", "incident 7")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda *_: "no JSON", "no JSON"),
        (lambda *_: {}, "the answer is no page"),
        (lambda *_: encode_page([["OpaqueRef:one", "1"]], 1, more=False), "no reference with"),
        (_refuse, "incident 7"),
    ],
)
def test_a_class_whose_rows_cannot_be_read_is_read_as_records(
    server: RowServer,
    caplog: pytest.LogCaptureFixture,
    answer: Callable[..., object],
    said: str,
) -> None:
    rows = server.orders[_ROWS]

    def odd(class_name: str, fields: list[str], after: str) -> object:
        is_odd = class_name == "VM" and after
        return answer() if is_odd else rows(class_name, fields, after)

    server.orders[_ROWS] = odd
    with (
        caplog.at_level(logging.WARNING),
        server.running() as port,
        endpoint_of(port) as endpoint,
    ):
        inventory = endpoint.inventory()
    assert len(inventory.virtual_systems) == 6
    assert server.read_whole == {"pool", "host", "task", "VM"}
    [told] = [text for text in caplog.messages if "rows of" in text]
    assert "rows of VM cannot be read" in told
    assert said in told


def test_pages_that_have_no_end_are_not_read_for_ever(
    server: RowServer, caplog: pytest.LogCaptureFixture
) -> None:
    def same(class_name: str, fields: list[str], _after: str) -> str:
        row = ["OpaqueRef:one", *map(_default, fields)]
        return encode_page([row], 1, more=class_name == "VM")

    server.orders[_ROWS] = same
    with server.running() as port, endpoint_of(port) as endpoint:
        assert len(endpoint.inventory().virtual_systems) == 6
    assert "the pages have no end" in caplog.text


def test_pages_are_not_longer_together_than_one_answer_may_be(
    server: RowServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(first_reading, "RESPONSE_LIMITS", Limits(max_bytes=1000))
    with server.running() as port, endpoint_of(port) as endpoint:
        assert len(endpoint.inventory().virtual_systems) == 6
    assert "rows of VM cannot be read" in caplog.text
    assert "VM" in server.read_whole


def test_an_object_that_is_odd_in_its_row_costs_only_itself(server: RowServer) -> None:
    server.put("VM", "OpaqueRef:vm1", uuid="../x")
    server.put("VM", "OpaqueRef:vm2", VCPUs_max="many")
    with server.running() as port, endpoint_of(port) as endpoint:
        inventory = endpoint.inventory()
    assert set(inventory.virtual_systems) == {"one", "vm0", "vm2", "vm3", "vm4"}
    assert inventory.virtual_systems["vm2"].problem == "VCPUs_max is no integer"
    assert "VM OpaqueRef:vm1 is left out" in inventory.hosts["host"].left_out
    assert objects(inventory) == objects(whole(server))


def test_a_connection_that_is_cut_between_two_pages_leaves_no_half(server: RowServer) -> None:
    cut = threading.Event()

    def lose_the_session(class_name: str, after: str) -> None:
        if class_name == "VM" and after and not cut.is_set():
            cut.set()
            server.remove("VM", "OpaqueRef:vm0")
            server.sessions.clear()
            raise Refusal("SESSION_INVALID", "ended")

    server.between = lose_the_session
    with server.running() as port, endpoint_of(port) as endpoint:
        now = eventually(endpoint, lambda now: bool(now.virtual_systems))
        assert set(now.virtual_systems) == {"one", "vm1", "vm2", "vm3", "vm4"}
    assert cut.is_set()
    assert not readers()


def test_the_next_class_is_read_while_one_is_understood(
    server: RowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()

    def note(class_name: str, _after: str) -> None:
        if class_name == "VM_metrics":
            asked.set()

    def understand(class_name: str, ref: str, record: object) -> object:
        if class_name == "VM":
            assert asked.wait(DEADLINE_S)
        return read_record(class_name, ref, record)

    server.between = note
    monkeypatch.setattr(follower, "read_record", understand)
    with server.running() as port, endpoint_of(port) as endpoint:
        assert len(endpoint.inventory().virtual_systems) == 6
        assert not readers()
    assert list(READ_FIELDS) == [name for name in PARTS if name in READ_FIELDS]


def readers() -> list[str]:
    """The threads that read."""
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith("virtcim-reader")]


def test_closing_waits_for_no_page(server: RowServer) -> None:
    wanted, go = threading.Event(), threading.Event()
    rows = server.orders[_ROWS]

    async def hold(class_name: str, fields: list[str], after: str) -> object:
        if class_name == "VM_metrics":
            wanted.set()
            await asyncio.to_thread(go.wait, DEADLINE_S)
        return rows(class_name, fields, after)

    server.orders[_ROWS] = hold
    with server.running() as port:
        endpoint = XenApiEndpoint(parse_endpoint_url(f"xapi+http://127.0.0.1:{port}"))
        try:
            assert wanted.wait(DEADLINE_S)
            started = time.monotonic()
        finally:
            endpoint.close()
        assert time.monotonic() - started < DEADLINE_S / 2
        go.set()
    assert not readers()


@pytest.mark.parametrize("fails", [False, True])
def test_garbage_is_looked_for_again_afterwards(
    server: RowServer, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    during: set[bool] = set()

    def understand(class_name: str, ref: str, record: object) -> object:
        during.add(gc.isenabled())
        if fails:
            raise RuntimeError("nobody expected this")
        return read_record(class_name, ref, record)

    monkeypatch.setattr(follower, "read_record", understand)
    with server.running() as port, endpoint_of(port) as endpoint:
        assert endpoint.wait_attempted(DEADLINE_S)
    assert during == {False}
    assert gc.isenabled()


def test_how_far_it_is_comes_with_the_pages() -> None:
    told: list[Loading] = []
    progress = ReadingProgress(100, told.append)
    progress.finished("SR", {})
    progress.arrived_of("VDI", 50, 200)
    progress.arrived_of("VDI", 200, 200)
    progress.finished("VDI", {})
    progress.arrived_of("console", 1, 1)
    progress.arrived_of("VM", 50, 100)
    assert [one.read for one in told] == [0, 5, 20, 20, 30]


class _Watched(Fields):
    """Fields that note which of them were asked for."""

    asked: set[str]

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)


@pytest.mark.parametrize("class_name", READ_FIELDS)
def test_what_is_asked_for_is_what_is_read(
    class_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[str] = set()

    class Watched(_Watched):
        pass

    Watched.asked = asked
    monkeypatch.setattr(records, "Fields", Watched)
    # Each way that a reader goes: with words and without, with operations and without.
    for text in ("", "x", "hvm"):
        for operations in ({}, {"task": "vdi_create"}):
            for allowed in ([], ["vdi_create"]):
                record = dict.fromkeys(READ_FIELDS[class_name], text)
                record |= {"uuid": "x"} | {"current_operations": operations}
                record |= {"allowed_operations": allowed}
                read_record(class_name, "OpaqueRef:x", record)
    assert asked == set(READ_FIELDS[class_name])


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([place for place in FIELDS if place[0] in READ_FIELDS]), VALUES)
@example(("VM_metrics", "OpaqueRef:m-odd", "start_time"), "")
def test_any_value_in_any_field_is_the_same_in_a_row(
    place: tuple[str, str, str], value: object
) -> None:
    class_name, ref, field = place
    # Times are told by their fields: in others a record of ours has none.
    assume(field in TIMES or "datetime" not in repr(value))
    record = deepcopy(BOTH[class_name][ref])
    record[field] = value
    fields = [name for name in READ_FIELDS[class_name] if name in record]
    try:
        text = encode_page([[ref, *(record[name] for name in fields)]], 1, more=False)
    except (TypeError, ValueError):
        return  # the call fails, and the class is read the other way
    carried = decode_response(encode_response(record))
    page = decode_page(decode_response(encode_response(text)), fields, TIMES.intersection(fields))
    assert _read(class_name, ref, page.records[ref]) == _read(class_name, ref, carried)


def _read(class_name: str, ref: str, record: object) -> object:
    try:
        return read_record(class_name, ref, record)
    except RecordError as error:
        return str(error)
