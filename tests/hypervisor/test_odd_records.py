"""One odd record costs only itself: everything else is shown as before, and says nothing new."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypervisor.xenapi_server import GIB, XenApiServer, endpoint_of, eventually
from virtcim.hypervisor import Inventory, XenApiEndpoint
from virtcim.hypervisor.model import Host
from virtcim.hypervisor.xenapi.assembly import Assembly
from virtcim.hypervisor.xenapi.fields import RecordError
from virtcim.hypervisor.xenapi.records import PARTS, read_record

Tables = dict[str, dict[str, dict[str, Any]]]

# What XML-RPC can carry in a field, with what XenAPI would never write there.
VALUES = st.recursive(
    st.one_of(
        st.text(max_size=20),
        st.sampled_from(["", "-1", "9" * 20, "9" * 5000, "1e9", "OpaqueRef:NULL", "../x", "\x7f"]),
        st.integers(-(2**31), 2**31 - 1),
        st.booleans(),
        st.floats(),
        st.datetimes(timezones=st.just(UTC)),
        st.binary(max_size=8),
        st.none(),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def furnished(*names: str) -> Tables:
    """Independent sets of one object of each class, each with a name of its own."""
    tables: Tables = {name: {} for name in PARTS}
    for name in names:
        server = XenApiServer()
        server.furnish()
        server.put("console", "OpaqueRef:console", VM="OpaqueRef:one", protocol="rfb")
        for class_name, records in server.tables.items():
            for ref, record in records.items():
                tables[class_name][f"{ref}-{name}"] = _renamed(record, name)
    return tables


def _renamed(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        renamed = {key: _renamed(item, name) for key, item in value.items()}
        return renamed | ({"uuid": f"{value['uuid']}-{name}"} if "uuid" in value else {})
    if isinstance(value, str) and value.startswith("OpaqueRef:") and value != "OpaqueRef:NULL":
        return f"{value}-{name}"
    return value


def assembled(tables: Tables) -> Inventory:
    """What a follower makes of these records."""
    assembly = Assembly()
    for class_name in PARTS:
        parts: dict[str, object] = {}
        left_out: dict[str, tuple[object, str]] = {}
        for ref, record in tables[class_name].items():
            try:
                parts[ref] = read_record(class_name, ref, record)
            except RecordError as error:
                left_out[ref] = (record, str(error))
        if class_name != "task":
            assembly.replace_class(class_name, parts, left_out)
    return assembly.inventory()


def objects(inventory: Inventory) -> dict[tuple[str, str], Any]:
    return {
        (kind, uuid): found
        for kind in (
            "hosts",
            "virtual_systems",
            "storage_repositories",
            "disk_images",
            "networks",
        )
        for uuid, found in getattr(inventory, kind).items()
    }


def shown(found: Any) -> Any:
    """An object without what a host says of others."""
    return dataclasses.replace(found, left_out="") if isinstance(found, Host) else found


def problems(inventory: Inventory) -> Iterable[str]:
    """Everything that is said to be odd."""
    yield from inventory.problems.values()
    for found in objects(inventory).values():
        yield found.problem
        yield getattr(found, "left_out", "")
        for device in (*getattr(found, "disks", ()), *getattr(found, "network_ports", ())):
            yield device.problem


BOTH = furnished("good", "odd")
BEFORE = objects(assembled(BOTH))
FIELDS = [
    (class_name, ref, field)
    for class_name, records in BOTH.items()
    for ref, record in records.items()
    if ref.endswith("-odd")
    for field in {*record, "other_config", "name_label", "current_operations", "is_a_template"}
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(FIELDS), VALUES)
def test_any_value_in_any_field_costs_only_its_object(
    place: tuple[str, str, str], value: object
) -> None:
    class_name, ref, field = place
    tables = deepcopy(BOTH)
    tables[class_name][ref][field] = value
    inventory = assembled(tables)
    for (kind, uuid), found in BEFORE.items():
        if uuid.endswith("-good"):
            assert shown(objects(inventory)[kind, uuid]) == found
    try:
        problem = getattr(read_record(class_name, ref, tables[class_name][ref]), "problem", "")
    except RecordError as error:
        problem = str(error)
    if problem and class_name not in ("task", "pool") and "template" not in ref:
        assert any(problem in said for said in problems(inventory))


@pytest.mark.parametrize("class_name", [name for name in PARTS if name != "task"])
@pytest.mark.parametrize("record", [None, "x", [], 7], ids=repr)
def test_an_object_without_a_record_is_left_out_and_named(class_name: str, record: Any) -> None:
    tables = deepcopy(BOTH)
    [ref] = [ref for ref in tables[class_name] if ref.endswith("-odd")][:1]
    tables[class_name][ref] = record
    inventory = assembled(tables)
    for key, found in BEFORE.items():
        if key[1].endswith("-good"):
            assert shown(objects(inventory)[key]) == found
    assert any(ref in said for said in problems(inventory))


def test_a_good_record_takes_the_place_of_what_was_left_out() -> None:
    assembly = Assembly()
    for class_name, records in BOTH.items():
        if class_name != "task":
            parts = {ref: read_record(class_name, ref, one) for ref, one in records.items()}
            assembly.replace_class(class_name, parts)
    before = assembly.inventory()
    for class_name in ("VDI", "VM", "VBD", "network", "host_cpu"):
        [ref] = [ref for ref in BOTH[class_name] if ref.endswith("-odd")][:1]
        assembly.leave_out(class_name, ref, BOTH[class_name][ref], "it is odd")
        assert any("it is odd" in said for said in problems(assembly.inventory()))
        assembly.put(class_name, ref, read_record(class_name, ref, BOTH[class_name][ref]))
        assert objects(assembly.inventory()) == objects(before)
        assert dict(assembly.inventory().problems) == {}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"memory_static_max": "much"}, "memory_static_max is no integer"),
        ({"memory_static_max": "9" * 5000}, "memory_static_max is no integer"),
        ({"memory_static_max": "-5"}, "memory_static_max is out of range"),
        ({"VCPUs_max": "9" * 18}, "VCPUs_max is out of range"),
        ({"name_label": 7}, "name_label is no text"),
        ({"is_a_template": "no"}, "is_a_template is no boolean"),
        ({"other_config": ["a"]}, "other_config is no map"),
        ({"other_config": {"a": "b", "c": {}}}, "other_config['c'] is no text"),
    ],
)
def test_a_field_of_another_type_is_named_on_the_machine_and_costs_nothing_else(
    fields: dict[str, object], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = XenApiServer()
    server.furnish()
    server.put_vm("odd", **fields)
    with caplog.at_level(logging.WARNING), server.running() as port, endpoint_of(port) as endpoint:
        now = endpoint.inventory()
        odd = now.virtual_systems["odd"]
        assert said in odd.problem
        assert odd.memory_dynamic_max_bytes
        assert now.virtual_systems["one"].problem == ""
        # The same again is no news for the log.
        server.put("VM", "OpaqueRef:odd", name_description="changed")
        eventually(endpoint, lambda now: now.virtual_systems["odd"].name_description == "changed")
        server.put("VM", "OpaqueRef:one", name_description="followed")
        eventually(endpoint, lambda now: now.virtual_systems["one"].name_description == "followed")
    assert [said in record.getMessage() for record in caplog.records].count(True) == 1


@pytest.fixture
def server() -> XenApiServer:
    server = XenApiServer()
    server.furnish()
    return server


def test_odd_objects_that_come_and_go_disconnect_nothing(server: XenApiServer) -> None:
    with server.running() as port, endpoint_of(port) as endpoint:
        for class_name, ref in (
            ("VDI", "OpaqueRef:vdi"),
            ("VBD", "OpaqueRef:vbd"),
            ("network", "OpaqueRef:net"),
        ):
            good = dict(server.tables[class_name][ref])
            server.put(class_name, ref, uuid=["no", "uuid"])
            now = eventually(
                endpoint, lambda now: any("uuid is no UUID" in s for s in problems(now))
            )
            assert now.virtual_systems["one"].name_label == "one"
            server.put(class_name, ref, **good)
            eventually(endpoint, lambda now: not any(problems(now)))
        assert_shown_whole(endpoint)


def assert_shown_whole(endpoint: XenApiEndpoint) -> None:
    one = endpoint.inventory().virtual_systems["one"]
    assert one.disks[0].image is not None
    assert one.network_ports[0].network_uuid == "net"


def test_a_stop_reason_that_cannot_be_read_is_still_a_stop(server: XenApiServer) -> None:
    server.put(
        "VM_metrics",
        "OpaqueRef:m",
        other_config={"stop-reason": "crashed", "stop-event": "[" * 10000, "stop-time": "today"},
    )
    with server.running() as port, endpoint_of(port) as endpoint:
        one = endpoint.inventory().virtual_systems["one"]
    assert one.stop is not None
    assert one.stop.reason == "crashed"
    assert "stop-event" in one.problem


@pytest.mark.parametrize(
    ("class_name", "ref", "field"),
    [
        ("VM_metrics", "OpaqueRef:m", "other_config"),
        ("VBD", "OpaqueRef:vbd", "runtime_properties"),
        ("VIF", "OpaqueRef:vif", "runtime_properties"),
        ("VDI", "OpaqueRef:vdi", "other_config"),
        ("SR", "OpaqueRef:sr", "other_config"),
        ("network", "OpaqueRef:net", "other_config"),
    ],
)
def test_what_our_toolstack_says_of_an_odd_object_is_passed_on(
    server: XenApiServer, class_name: str, ref: str, field: str
) -> None:
    key = "problem" if field == "runtime_properties" else "virtcim-problem"
    server.put(class_name, ref, **{field: {key: "it is odd"}})
    with server.running() as port, endpoint_of(port) as endpoint:
        assert "it is odd" in list(problems(endpoint.inventory()))


def test_what_our_toolstack_leaves_out_is_told_by_its_host(server: XenApiServer) -> None:
    server.put(
        "host",
        "OpaqueRef:host",
        API_version_vendor="virtcim",
        other_config={"virtcim-problem": "the list of networks cannot be read"},
    )
    with server.running() as port, endpoint_of(port) as endpoint:
        host = endpoint.inventory().hosts["host"]
    assert (host.left_out, host.problem) == ("the list of networks cannot be read", "")


def test_times_beyond_all_calendars_are_none(server: XenApiServer) -> None:
    server.put("VM_metrics", "OpaqueRef:m", start_time=datetime(1, 1, 1, tzinfo=UTC))
    server.put("VM", "OpaqueRef:one", memory_static_max=str(GIB))
    with server.running() as port, endpoint_of(port) as endpoint:
        assert endpoint.inventory().virtual_systems["one"].memory_static_max_bytes == GIB
