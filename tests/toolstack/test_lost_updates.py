"""What many clients write at once is all kept, and a slow disk keeps nobody from seeing."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import XenAPI

from tests.toolstack.host import (
    DEADLINE_S,
    Host,
    Switch,
    events,
    failure,
    only,
    running_host,
    wait_for,
)
from virtcim.toolstack.state import State

_CLIENTS, _KEYS = 8, 80


def objects(session: XenAPI.Session) -> dict[str, str]:
    """One object of each kind whose other_config clients change, by class."""
    api = session.xenapi
    found = {name: getattr(api, name).get_all()[0] for name in ("VBD", "VIF", "VDI", "SR", "host")}
    return {
        **found,
        "VM": only(session, "VM", "rests"),
        "network": only(session, "network", "default"),
        "task": api.task.create("mine", ""),
        "session": session.handle,
    }


def at_once(login: Callable[[], XenAPI.Session], work: Callable[[Any, int], object]) -> None:
    """Let clients, each with a connection of its own, do ``work`` for all numbers at once."""
    sessions = [login() for _ in range(_CLIENTS)]
    start = threading.Barrier(_CLIENTS)

    def run(client: int) -> None:
        start.wait(DEADLINE_S)
        for number in range(client, _KEYS, _CLIENTS):
            work(sessions[client].xenapi, number)

    with ThreadPoolExecutor(_CLIENTS) as executor:
        list(executor.map(run, range(_CLIENTS)))


@pytest.mark.parametrize(
    "class_name", ["VM", "VBD", "VIF", "VDI", "SR", "host", "network", "task", "session"]
)
def test_all_of_many_keys_added_at_once_are_kept(
    session: XenAPI.Session, login: Callable[[], XenAPI.Session], class_name: str
) -> None:
    ref = objects(session)[class_name]
    own = getattr(session.xenapi, class_name).get_other_config(ref)

    def add(api: Any, number: int) -> None:
        getattr(api, class_name).add_to_other_config(ref, f"key{number}", str(number))

    at_once(login, add)
    kept = getattr(session.xenapi, class_name).get_other_config(ref)
    assert kept == {**own, **{f"key{number}": str(number) for number in range(_KEYS)}}

    def remove(api: Any, number: int) -> None:
        if number % 2:
            getattr(api, class_name).remove_from_other_config(ref, f"key{number}")

    at_once(login, remove)
    kept = getattr(session.xenapi, class_name).get_other_config(ref)
    assert kept == {**own, **{f"key{number}": str(number) for number in range(0, _KEYS, 2)}}


@pytest.mark.parametrize("class_name", ["VM", "SR"])
def test_all_of_many_tags_are_kept_beside_what_is_removed(
    session: XenAPI.Session, login: Callable[[], XenAPI.Session], class_name: str
) -> None:
    ref = objects(session)[class_name]
    old = [f"old{number}" for number in range(_KEYS)]
    getattr(session.xenapi, class_name).set_tags(ref, old)

    def exchange(api: Any, number: int) -> None:
        tags = getattr(api, class_name)
        tags.add_tags(ref, f"new{number}")
        tags.remove_tags(ref, f"old{number}")

    at_once(login, exchange)
    kept = getattr(session.xenapi, class_name).get_tags(ref)
    assert kept == sorted(f"new{number}" for number in range(_KEYS))


def test_different_fields_of_one_machine_written_at_once_are_all_kept(
    session: XenAPI.Session, login: Callable[[], XenAPI.Session]
) -> None:
    ref = only(session, "VM", "rests")
    fields = ("other_config", "xenstore_data", "VCPUs_params", "HVM_boot_params", "platform")
    before = {field: getattr(session.xenapi.VM, f"get_{field}")(ref) for field in fields}

    def add(api: Any, number: int) -> None:
        field = fields[number % len(fields)]
        getattr(api.VM, f"add_to_{field}")(ref, f"key{number}", "x")

    at_once(login, add)
    for at, field in enumerate(fields):
        added = {f"key{number}": "x" for number in range(at, _KEYS, len(fields))}
        assert getattr(session.xenapi.VM, f"get_{field}")(ref) == {**before[field], **added}


def test_what_another_program_changed_in_between_is_not_taken_back(
    host: Host, session: XenAPI.Session
) -> None:
    ref = only(session, "VM", "rests")
    session.xenapi.VM.set_other_config(ref, {"a": "1"})
    # Behind the toolstack's back, as a second program with a connection of its own would.
    record = host.libvirt.lookupByName("rests")
    record.setAutostart(1)
    session.xenapi.VM.add_to_other_config(ref, "b", "2")
    kept = session.xenapi.VM.get_other_config(ref)
    assert kept == {"a": "1", "b": "2", "auto_poweron": "true"}


def test_a_key_that_is_there_is_refused_and_stays(session: XenAPI.Session) -> None:
    for class_name, ref in objects(session).items():
        handlers = getattr(session.xenapi, class_name)
        handlers.add_to_other_config(ref, "k", "1")
        details = failure(handlers.add_to_other_config, ref, "k", "2")
        assert details == ["MAP_DUPLICATE_KEY", class_name, "other_config", ref, "k"]
        assert handlers.get_other_config(ref)["k"] == "1"


@contextmanager
def blocked(state: Path) -> Iterator[sqlite3.Connection]:
    """Hold the database as a slow disk does: whoever writes waits."""
    with closing(sqlite3.connect(state / "toolstack.sqlite", isolation_level=None)) as other:
        other.execute("begin exclusive")
        yield other


def wait_until_a_note_waits(host: Host) -> None:
    notes: Any = host.toolstack._inventory._observer.notes
    deadline = time.monotonic() + DEADLINE_S
    while notes._in_progress is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture
def kept(host_uri: str, server: Switch, tmp_path: Path) -> Iterator[Host]:
    """A toolstack whose state is on a disk."""
    with running_host(host_uri, server, state_directory=tmp_path / "state") as running:
        yield running


def test_a_note_that_waits_for_the_disk_keeps_nobody_else_waiting(
    kept: Host, tmp_path: Path
) -> None:
    writer, reader = kept.login(), kept.login()
    sr = reader.xenapi.SR.get_all()[0]
    vm = only(reader, "VM", "rests")
    with ThreadPoolExecutor(1) as executor:
        with blocked(tmp_path / "state") as database:
            waiting = executor.submit(writer.xenapi.SR.set_other_config, sr, {"a": "1"})
            wait_until_a_note_waits(kept)
            token = events(reader, ["vm"])["token"]
            # What others do is seen, and calls of others are answered.
            kept.libvirt.lookupByName("rests").create()
            wait_for(
                reader, ["vm"], lambda: reader.xenapi.VM.get_power_state(vm) == "Running", "start"
            )
            reader.xenapi.VM.add_to_other_config(vm, "k", "v")
            assert events(reader, ["vm"], token, DEADLINE_S)["events"]
            assert not waiting.done()
            # It is shown when it is kept, not before.
            assert reader.xenapi.SR.get_other_config(sr) == {}
            database.execute("rollback")
        waiting.result(DEADLINE_S)
    assert reader.xenapi.SR.get_other_config(sr) == {"a": "1"}
    for session in (writer, reader):
        session("close")()


def test_a_disk_that_is_introduced_waits_for_the_disk_alone(kept: Host, tmp_path: Path) -> None:
    writer, reader = kept.login(), kept.login()
    vm = only(reader, "VM", "rests")
    pool = only(reader, "SR", "Paths outside storage pools")
    arguments = ("", "", "", pool, "user", False, False, {}, "/images/new.img", {}, {})
    with ThreadPoolExecutor(1) as executor:
        with blocked(tmp_path / "state") as database:
            waiting = executor.submit(writer.xenapi.VDI.introduce, *arguments)
            kept.libvirt.lookupByName("rests").create()
            wait_for(
                reader, ["vm"], lambda: reader.xenapi.VM.get_power_state(vm) == "Running", "start"
            )
            assert not waiting.done()
            database.execute("rollback")
        vdi = waiting.result(DEADLINE_S)
    assert reader.xenapi.VDI.get_location(vdi) == "/images/new.img"
    for session in (writer, reader):
        session("close")()


def test_what_was_written_last_is_what_is_found_again(
    host_uri: str, server: Switch, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    with running_host(host_uri, server, state_directory=state) as host:
        session = host.login()
        sr = session.xenapi.SR.get_all()[0]
        uuid = session.xenapi.SR.get_uuid(sr)
        for number in range(20):
            session.xenapi.SR.set_name_description(sr, str(number))
        session("close")()
    kept = State(state)
    assert kept.all_notes() == {("SR", uuid): {"name_description": "19"}}
    kept.close()


def test_notes_go_with_their_object_also_those_that_wait_for_the_disk(
    kept: Host, tmp_path: Path
) -> None:
    writer, reader = kept.login(), kept.login()
    vm = only(reader, "VM", "rests")
    [vbd] = reader.xenapi.VM.get_VBDs(vm)
    with ThreadPoolExecutor(1) as executor:
        with blocked(tmp_path / "state") as database:
            waiting = executor.submit(writer.xenapi.VBD.set_other_config, vbd, {"new": "2"})
            wait_until_a_note_waits(kept)
            kept.libvirt.lookupByName("rests").undefine()
            wait_for(
                reader,
                ["vm"],
                lambda: reader.xenapi.VM.get_by_name_label("rests") == [],
                "the end of the machine",
            )
            database.execute("rollback")
        waiting.result(DEADLINE_S)
    for session in (writer, reader):
        session("close")()
    kept.toolstack.stop()
    again = State(tmp_path / "state")
    assert again.all_notes() == {}
    again.close()
