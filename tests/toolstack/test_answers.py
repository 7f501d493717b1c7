"""What libvirt has answered at the start is understood when it is wanted, and nobody can tell."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.toolstack.host import (
    Host,
    domain_uuid,
    events,
    failure,
    host_xml,
    running_host,
    vm_record,
    write_host,
)
from tests.toolstack.test_records_made_when_read import domains
from virtcim.toolstack.database import Database
from virtcim.toolstack.datamodel import CLASSES
from virtcim.toolstack.following import inventory as following
from virtcim.toolstack.following.answers import Answers
from virtcim.toolstack.reading import queries
from virtcim.toolstack.records.publisher import Publisher
from virtcim.toolstack.refs import reference

RUNS, RESTS = domain_uuid("runs"), domain_uuid("rests")


@contextmanager
def only_when_wanted() -> Iterator[None]:
    """The thread of the inventory goes through nothing by itself."""
    want_some = Answers.want_some

    def wanted(answers: Answers) -> bool:
        return threading.current_thread().name != "inventory" and want_some(answers)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Answers, "want_some", wanted)
        yield


@pytest.fixture
def waiting(host_uri: str) -> Iterator[Host]:
    """A host of whose two machines nobody has wanted to know anything."""
    with only_when_wanted(), running_host(host_uri) as host:
        yield host


@pytest.fixture
def api(waiting: Host) -> Iterator[Any]:
    session = waiting.login()
    yield session.xenapi
    session("close")()


def left(host: Host) -> int:
    """How many machines nobody has wanted to know anything of."""
    return len(host.toolstack._inventory.answers)


def all_records(host: Host, first: str) -> dict[str, dict[str, dict[str, Any]]]:
    database = host.toolstack._database
    return {name: database.records(name) for name in (first, *CLASSES)}


@settings(max_examples=15, deadline=None)
@given(domains(), st.sampled_from([*CLASSES]))
def test_whatever_is_wanted_first_everything_is_as_if_it_had_been_understood_at_once(
    tmp_path_factory: pytest.TempPathFactory, described: str, first: str
) -> None:
    path = tmp_path_factory.mktemp("host") / "host.xml"
    path.write_text(host_xml(running=(), halted=()).replace("</node>", f"{described}</node>"))
    uri = f"test://{path}"
    with only_when_wanted(), running_host(uri) as host:
        assert left(host)
        late = all_records(host, first)
        assert not left(host)
    with pytest.MonkeyPatch.context() as patched:
        never = property(lambda _: False, lambda *_: None)
        patched.setattr(Publisher, "announcing", never, raising=False)
        with running_host(uri) as host:
            assert all_records(host, first) == late


def test_which_machines_there_are_is_known_without_understanding_any(
    waiting: Host, api: Any
) -> None:
    refs = {reference("VM", RUNS), reference("VM", RESTS)}
    assert set(api.VM.get_all()) == refs
    assert api.VM.get_by_uuid(RESTS) == reference("VM", RESTS)
    assert failure(api.VM.get_record, "OpaqueRef:none") == [
        "HANDLE_INVALID",
        "VM",
        "OpaqueRef:none",
    ]
    assert failure(api.VM.get_by_uuid, domain_uuid("none"))[0] == "UUID_INVALID"
    assert left(waiting) == 2


def test_who_wants_one_machine_waits_for_no_other(waiting: Host, api: Any) -> None:
    assert api.VM.get_name_label(reference("VM", RESTS)) == "rests"
    assert left(waiting) == 1
    assert api.VM.get_record(reference("VM", RUNS))["power_state"] == "Running"
    assert left(waiting) == 0


@pytest.mark.parametrize(
    "want",
    [
        lambda api: api.VM.get_all_records(),
        lambda api: api.VM.get_by_name_label("rests"),
        lambda api: api.VBD.get_all(),
        lambda api: api.VIF.get_all_records(),
        lambda api: api.VDI.get_all(),
        lambda api: api.SR.get_all_records(),
        lambda api: api.network.get_all_records(),
        lambda api: api.host.get_resident_VMs(api.host.get_all()[0]),
        lambda api: api.VM_metrics.get_all(),
        lambda api: api.VM.create(vm_record("new")),
    ],
)
def test_who_wants_anything_else_has_it_of_all(waiting: Host, api: Any, want: Any) -> None:
    assert want(api)
    assert left(waiting) == 0
    assert len(api.VBD.get_all()) == 2
    assert {one["power_state"] for one in api.VM.get_all_records().values()} >= {
        "Running",
        "Halted",
    }


def test_who_follows_is_told_of_everything_once(waiting: Host) -> None:
    session = waiting.login()
    batch = events(session, ["*"])
    told = Counter((event["class"], event["ref"]) for event in batch["events"])
    assert set(told.values()) == {1}
    assert {event["operation"] for event in batch["events"]} == {"add"}
    assert told["vm", reference("VM", RUNS)] == 1
    assert batch["valid_ref_counts"]["vm"] == "2"
    assert events(session, ["*"], batch["token"])["events"] == []
    session("close")()


def test_an_event_can_be_put_on_a_machine_that_nobody_has_wanted(waiting: Host, api: Any) -> None:
    token = api.event.inject("vm", reference("VM", RESTS))
    session = waiting.login()
    assert events(session, ["vm"], token)["events"] == []
    session("close")()


def test_what_has_changed_since_is_not_hidden_by_what_was_answered(waiting: Host, api: Any) -> None:
    waiting.libvirt.lookupByUUIDString(RESTS).create()
    waiting.toolstack._inventory.refresh_domain(RESTS)
    assert left(waiting) == 1
    assert api.VM.get_power_state(reference("VM", RESTS)) == "Running"
    assert len(api.VBD.get_all()) == 2
    assert api.VM.get_power_state(reference("VM", RESTS)) == "Running"


def test_what_has_gone_since_is_not_shown(waiting: Host, api: Any) -> None:
    waiting.libvirt.lookupByUUIDString(RESTS).undefine()
    waiting.toolstack._inventory.refresh_domain(RESTS)
    assert api.VM.get_all() == [reference("VM", RUNS)]
    assert failure(api.VM.get_record, reference("VM", RESTS))[0] == "HANDLE_INVALID"
    assert left(waiting) == 1
    assert len(api.VBD.get_all()) == 1


@pytest.mark.parametrize("late", [True, False])
def test_a_description_that_cannot_be_understood_costs_only_itself(
    host_uri: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, late: bool
) -> None:
    texts = queries._texts

    def broken(call: Any, domain: Any, *how: bool) -> tuple[str, ...]:
        found = texts(call, domain, *how)
        return ("<domain><name>",) if domain.name() == "rests" else found

    monkeypatch.setattr(queries, "_texts", broken)
    with only_when_wanted(), running_host(host_uri) as host:
        if not late:
            host.toolstack._inventory.answers.want_all()
        session = host.login()
        api = session.xenapi
        assert api.VM.get_name_label(reference("VM", RESTS)) == "rests"
        assert len(api.VM.get_VBDs(reference("VM", RUNS))) == 1
        said = {
            ref: str(one["other_config"]) for ref, one in api.VM_metrics.get_all_records().items()
        }
        assert "its description is no XML" in said[reference("VM_metrics", RESTS)]
        assert "no XML" not in said[reference("VM_metrics", RUNS)]
        session("close")()
    told = [one.getMessage() for one in caplog.records if "no XML" in one.getMessage()]
    assert len(told) == 1


def test_a_machine_that_cannot_be_understood_at_all_is_left_out_and_told(
    host_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    understand = following.understand_domain

    def fails(answers: Any, *args: Any, **options: Any) -> Any:
        if answers.name == "rests":
            raise ZeroDivisionError
        return understand(answers, *args, **options)

    monkeypatch.setattr(following, "understand_domain", fails)
    with only_when_wanted(), running_host(host_uri) as host:
        session = host.login()
        api = session.xenapi
        assert failure(api.VM.get_record, reference("VM", RESTS))[0] == "HANDLE_INVALID"
        assert api.VM.get_name_label(reference("VM", RUNS)) == "runs"
        [shown] = api.host.get_all_records().values()
        assert RESTS in str(shown["other_config"])
        assert api.VM.get_all() == [reference("VM", RUNS)]
        session("close")()


def test_those_who_want_at_once_have_each_machine_understood_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"m{number}" for number in range(40)]
    uri = write_host(tmp_path / "many.xml", halted=tuple(names))
    times: Counter[str] = Counter()
    understand = following.understand_domain

    def counted(answers: Any, *args: Any, **options: Any) -> Any:
        times[answers.uuid] += 1
        return understand(answers, *args, **options)

    monkeypatch.setattr(following, "understand_domain", counted)
    with only_when_wanted(), running_host(uri) as host:
        database = host.toolstack._database
        begin = threading.Barrier(4)

        def read(class_name: str) -> int:
            begin.wait()
            return len(database.records(class_name))

        with ThreadPoolExecutor(4) as pool:
            counts = list(pool.map(read, ["VBD", "VM", "VIF", "VM_metrics"]))
    assert counts == [41] * 4
    assert set(times.values()) == {1}


def test_nobody_needs_to_want_anything(host: Host) -> None:
    answers = host.toolstack._inventory.answers
    while not answers.are_understood:
        threading.Event().wait(0.01)
    assert not host.toolstack._database._expected


def expecting(*, bring: bool = True) -> tuple[Database, list[str]]:
    """A database that expects two VMs, and whom it has asked for."""
    database = Database(1)
    database.expect("VM", {"a": "1", "b": "2"})
    wanted: list[str] = []

    def want(uuid: str) -> None:
        wanted.append(uuid)
        if bring:
            ref = {"1": "a", "2": "b"}[uuid]
            database.announce([("VM", ref, uuid, lambda: {"uuid": uuid})])

    def want_all() -> None:
        wanted.append("all")
        for uuid in ("1", "2"):
            want(uuid)
        database.expect_nothing()

    database.on_wanted, database.on_all_wanted = want, want_all
    return database, wanted


def test_what_is_expected_is_there_and_asked_for_by_who_wants_it() -> None:
    database, wanted = expecting()
    assert database.references("VM") == ["a", "b"]
    assert database.by_uuid("VM", "2") == "b"
    assert (database.by_uuid("VM", "3"), database.get("VM", "c"), database.touch("VM", "c")) == (
        None,
        None,
        None,
    )
    assert not database.is_made(["VM"])
    assert wanted == []
    assert database.get("VM", "b") == {"uuid": "2"}
    assert sorted(database.references("VM")) == ["a", "b"]
    assert database.touch("VM", "b") is not None
    assert wanted == ["2"]


@pytest.mark.parametrize(
    "read",
    [
        lambda database: database.records("VM"),
        lambda database: database.references("VBD"),
        lambda database: database.by_uuid("VBD", "7"),
        lambda database: database.get("VBD", "v"),
        lambda database: database.touch("VBD", "v"),
        lambda database: database.changes_since(0, lambda *_: True),
    ],
)
def test_what_is_expected_is_all_asked_for_by_who_wants_anything_else(read: Any) -> None:
    database, wanted = expecting()
    read(database)
    assert wanted[0] == "all"
    read(database)
    assert wanted.count("all") == 1


def test_what_was_expected_and_cannot_be_brought_is_not_there() -> None:
    database, _ = expecting(bring=False)
    assert database.get("VM", "a") is None
    assert database.records("VM") == {}
    assert database.references("VM") == []


def test_what_is_removed_while_it_is_expected_is_not_there() -> None:
    database, wanted = expecting()
    database.remove("VM", "a")
    assert database.references("VM") == ["b"]
    assert database.get("VM", "a") is None
    assert wanted == []


def test_a_reading_that_failed_half_way_leaves_no_machine_behind(waiting: Host, api: Any) -> None:
    inventory = waiting.toolstack._inventory
    assert left(waiting) == 2
    inventory.keep_only([RUNS])  # as the next reading does, when the other one is gone
    assert left(waiting) == 1
    assert api.VM.get_all() == [reference("VM", RUNS)]
