"""At the start records are made when they are first read, and nobody can tell."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import pytest
import XenAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.toolstack.host import (
    DEADLINE_S,
    Host,
    domain_uuid,
    events,
    host_xml,
    running_host,
    wait_for,
)
from virtcim.toolstack.database import Changes, Database
from virtcim.toolstack.datamodel import CLASSES
from virtcim.toolstack.records.publisher import Publisher
from virtcim.toolstack.refs import reference

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=8)
TARGETS = st.lists(st.sampled_from(["vda", "vdb", "sda", "hdc", "xvda"]), unique=True, max_size=4)
PLACES = st.sampled_from(["/images/a.qcow2", "/images/b", "/elsewhere/c.img", "/elsewhere/d"])
FORMATS = st.sampled_from(["raw", "qcow2", "vmdk"])


@st.composite
def domains(draw: st.DrawFn) -> str:
    """Descriptions of up to four domains, whose disks and networks may be the same."""
    found = []
    for number in range(draw(st.integers(1, 4))):
        disks = "".join(
            f"<disk type='file' device='{draw(st.sampled_from(['disk', 'cdrom']))}'>"
            f"<driver name='qemu' type='{draw(FORMATS)}'/><source file='{draw(PLACES)}'/>"
            f"<target dev='{target}'/></disk>"
            for target in draw(TARGETS)
        )
        interfaces = "".join(
            f"<interface type='network'><mac address='52:54:00:00:{number:02}:{index:02}'/>"
            f"<source network='{draw(st.sampled_from(['default', 'missing']))}'/></interface>"
            for index in range(draw(st.integers(0, 2)))
        )
        name = draw(NAMES).replace("&", "+").replace("<", "+").replace("/", "+")
        uuid = domain_uuid(str(number))
        found.append(
            "<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>"
            f"<test:runstate>{draw(st.sampled_from([1, 3, 5]))}</test:runstate>"
            f"<name>{number}{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>256</memory>"
            f"<vcpu>{draw(st.integers(1, 4))}</vcpu><os><type>hvm</type><boot dev='hd'/></os>"
            f"<devices>{disks}{interfaces}</devices></domain>"
        )
    return "".join(found)


def read_in_turn(uri: str, **options: Any) -> dict[str, dict[str, dict[str, Any]]]:
    """All records, each class read by itself."""
    with running_host(uri, **options) as host:
        database = host.toolstack._database
        return {name: database.records(name) for name in CLASSES}


@settings(max_examples=20, deadline=None)
@given(domains())
def test_records_made_when_read_are_those_made_at_once(
    tmp_path_factory: pytest.TempPathFactory, described: str
) -> None:
    path = tmp_path_factory.mktemp("host") / "host.xml"
    path.write_text(host_xml(running=(), halted=()).replace("</node>", f"{described}</node>"))
    uri = f"test://{path}"
    late = read_in_turn(uri)
    with pytest.MonkeyPatch.context() as patched:
        never = property(lambda _: False, lambda *_: None)
        patched.setattr(Publisher, "announcing", never, raising=False)
        assert read_in_turn(uri) == late
    with running_host(uri) as host:
        changes = host.toolstack._database.changes_since(0, lambda *_: True)
    assert changes is not None
    told: dict[str, dict[str, Any]] = {name: {} for name in CLASSES}
    for change in changes.changes:
        told[change.class_name][change.ref] = change.record
    assert told == late


def test_nothing_is_made_before_it_is_read(host: Host, session: XenAPI.Session) -> None:
    database = host.toolstack._database
    api = session.xenapi
    assert sorted(api.VM.get_all()) == sorted(
        reference("VM", domain_uuid(name)) for name in ("runs", "rests")
    )
    assert api.VM.get_by_uuid(domain_uuid("rests")) == reference("VM", domain_uuid("rests"))
    assert not database.is_made(["VM"])
    assert api.VM.get_name_label(reference("VM", domain_uuid("rests"))) == "rests"
    assert not database.is_made(["VM"])
    assert len(api.VM.get_all_records()) == 2
    assert database.is_made(["VM"])
    assert not database.is_made(["VBD"])


def test_what_changes_before_it_was_ever_read_is_told_as_it_is_now(
    host: Host, session: XenAPI.Session
) -> None:
    vm = reference("VM", domain_uuid("rests"))
    disk = session.xenapi.VBD.get_all()[0]
    token = session.xenapi.event.inject("VBD", disk)
    host.libvirt.lookupByUUIDString(domain_uuid("rests")).create()

    def power_state() -> Any:
        return session.xenapi.VM.get_power_state(vm)

    wait_for(session, ["vm"], lambda: power_state() == "Running", "the machine to run")
    since = events(session, ["*"], token)["events"]
    assert (vm, "mod") in {(event["ref"], event["operation"]) for event in since}
    assert {event["snapshot"]["power_state"] for event in since if event["ref"] == vm} == {
        "Running"
    }
    everything = events(session, ["vm"])["events"]
    assert [event["operation"] for event in everything] == ["add", "add"]


def test_clients_that_read_at_once_get_the_same_records(
    host: Host, login: Callable[[], XenAPI.Session]
) -> None:
    sessions = [login() for _ in range(4)]
    ready = Barrier(len(sessions))

    def read(session: XenAPI.Session) -> Any:
        ready.wait()
        api = session.xenapi
        return [
            api.VM.get_all_records(),
            api.VBD.get_all_records(),
            {event["ref"]: event["snapshot"] for event in events(session, ["vdi"])["events"]},
        ]

    with ThreadPoolExecutor(len(sessions)) as pool:
        first, *others = pool.map(read, sessions)
    assert [len(part) for part in first] == [2, 2, 2]
    assert others == [first] * len(others)


def test_a_note_on_what_nobody_has_read_is_kept_and_shown(host_uri: str, tmp_path: Path) -> None:
    with running_host(host_uri, state_directory=tmp_path) as host:
        session = host.login()
        disk = session.xenapi.VBD.get_all()[0]
        session.xenapi.VBD.add_to_other_config(disk, "owner", "me")
        session("close")()
    with running_host(host_uri, state_directory=tmp_path) as host:
        session = host.login()
        assert session.xenapi.VBD.get_other_config(disk) == {"owner": "me"}
        session("close")()


def test_a_record_is_made_once_although_two_read_it() -> None:
    database = Database(1)
    begun, again, go_on = Event(), Event(), Event()

    def make() -> dict[str, Any]:
        (again if begun.is_set() else begun).set()
        go_on.wait(DEADLINE_S)
        return {"uuid": "u"}

    database.announce([("VM", "a", "u", make)])
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(database.get, "VM", "a")
        assert begun.wait(DEADLINE_S)
        second = pool.submit(database.get, "VM", "a")
        is_made_again = again.wait(0.3)
        go_on.set()
        assert first.result() is second.result()
    assert not is_made_again


def test_an_announced_object_has_its_place_among_the_changes() -> None:
    database = Database(1)
    database.publish("VM", "a", {"uuid": "1"})
    database.announce([("VM", "b", "2", lambda: {"uuid": "2"})])
    database.publish("VM", "c", {"uuid": "3"})
    assert database.by_uuid("VM", "2") == "b"
    assert database.references("VM") == ["a", "b", "c"]
    token = database.touch("VM", "a")
    assert token is not None
    changes = database.changes_since(0, lambda *_: True)
    assert changes is not None
    assert [(one.operation, one.ref) for one in changes.changes] == [
        ("add", "b"),
        ("add", "c"),
        ("add", "a"),
    ]
    assert database.changes_since(database.generation_of(changes.token), lambda *_: True) == (
        Changes(token=changes.token, changes=(), counts=changes.counts)
    )


def test_announcing_again_what_was_read_and_is_the_same_is_no_change() -> None:
    database = Database(1)
    database.announce([("VM", "a", "u", lambda: {"uuid": "u", "value": 1})])
    token = database.changes_since(0, lambda *_: True)
    database.announce([("VM", "a", "u", lambda: {"uuid": "u", "value": 1})])
    assert database.changes_since(0, lambda *_: True) == token
    database.announce([("VM", "a", "u", lambda: {"uuid": "u", "value": 2})])
    assert database.get("VM", "a") == {"uuid": "u", "value": 2}
    assert database.changes_since(0, lambda *_: True) != token


def test_what_nobody_has_read_is_made_as_it_was_announced_last() -> None:
    database = Database(1)
    database.announce([("VM", "a", "u", lambda: {}["never"])])
    database.announce([("VM", "a", "u", lambda: {"uuid": "u", "value": 2})])
    assert not database.is_made(["VM"])
    assert database.records("VM") == {"a": {"uuid": "u", "value": 2}}
    assert database.is_made(["VM"])


def test_what_is_removed_before_it_was_read_is_never_made() -> None:
    database = Database(1)
    database.announce([("VM", "a", "u", lambda: {}["never"])])
    database.remove("VM", "a")
    assert database.is_made(["VM"])
    assert (database.get("VM", "a"), database.records("VM")) == (None, {})


@pytest.mark.parametrize("read", ["get", "records", "changes"])
def test_what_cannot_be_made_is_not_there(read: str) -> None:
    database = Database(1)
    database.announce(
        [("VM", "odd", "1", lambda: {}["odd"]), ("VM", "good", "2", lambda: {"uuid": "2"})]
    )
    if read == "get":
        assert database.get("VM", "odd") is None
    elif read == "changes":
        changes = database.changes_since(0, lambda *_: True)
        assert changes is not None
        assert [change.ref for change in changes.changes] == ["good"]
    assert database.records("VM") == {"good": {"uuid": "2"}}
    assert database.by_uuid("VM", "1") is None
