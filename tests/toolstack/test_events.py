"""event.from and event.inject, through the official XenAPI module."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import XenAPI

from tests.toolstack.host import (
    DEADLINE_S,
    Host,
    domain_uuid,
    events,
    failure,
    only,
    running_host,
    vm_record,
    wait_for,
)


def changes(batch: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(event["class"], event["operation"], event["ref"]) for event in batch["events"]]


def test_the_first_batch_holds_every_object_as_its_records_show_it(api: Any, session: Any) -> None:
    batch = events(session, ["*"])
    assert {event["operation"] for event in batch["events"]} == {"add"}
    seen: dict[str, dict[str, Any]] = {}
    for event in batch["events"]:
        seen.setdefault(event["class"], {})[event["ref"]] = event["snapshot"]
        assert event["obj_uuid"] == event["snapshot"]["uuid"]
    for name in ("VM", "VM_metrics", "VBD", "VIF", "VDI", "SR", "PBD", "network", "host", "pool"):
        assert seen[name.lower()] == getattr(api, name).get_all_records(), name
        assert batch["valid_ref_counts"][name.lower()] == str(len(seen[name.lower()]))


def test_a_token_yields_only_what_came_after_it(api: Any, session: XenAPI.Session) -> None:
    vm = only(session, "VM", "runs")
    token = events(session, ["vm"])["token"]
    assert events(session, ["vm"], token)["events"] == []
    api.VM.pause(vm)
    batch = events(session, ["vm"], token)
    assert changes(batch) == [("vm", "mod", vm)]
    assert batch["events"][0]["snapshot"]["power_state"] == "Paused"
    assert batch["token"] > token


def test_tokens_compare_as_text(api: Any, session: XenAPI.Session) -> None:
    vm = only(session, "VM", "runs")
    tokens = [events(session, ["vm"])["token"]]
    tokens += [api.event.inject("VM", vm) for _ in range(12)]
    assert tokens == sorted(set(tokens))
    assert len({len(token) for token in tokens}) == 1
    assert all(token.isdigit() for token in tokens)


def test_made_and_destroyed_objects_are_told(api: Any, session: XenAPI.Session) -> None:
    token = events(session, ["vm"])["token"]
    vm = api.VM.create(vm_record("brief"))
    batch = events(session, ["vm"], token)
    assert changes(batch) == [("vm", "add", vm)]
    uuid = api.VM.get_uuid(vm)
    api.VM.destroy(vm)
    gone = events(session, ["vm"], batch["token"])
    assert changes(gone) == [("vm", "del", vm)]
    assert "snapshot" not in gone["events"][0]
    assert gone["events"][0]["obj_uuid"] == uuid
    # Who never saw it need not hear of it.
    assert events(session, ["vm"], token)["events"] == []


@pytest.mark.parametrize("classes", [["vm"], ["VM"], ["*"], ["pool", "vm"], ["vm/{vm}"]])
def test_subscriptions_name_classes_or_objects(
    api: Any, session: XenAPI.Session, classes: list[str]
) -> None:
    vm, other = only(session, "VM", "runs"), only(session, "VM", "rests")
    token = events(session, ["*"])["token"]
    api.event.inject("VM", vm)
    api.event.inject("VM", other)
    wanted = [name.format(vm=vm) for name in classes]
    seen = {ref for _, _, ref in changes(events(session, wanted, token))}
    assert vm in seen
    assert (other in seen) == ("/" not in classes[0])


def test_other_classes_do_not_wake_a_subscriber(api: Any, session: XenAPI.Session) -> None:
    token = events(session, ["*"])["token"]
    api.VM.pause(only(session, "VM", "runs"))
    assert events(session, ["pool"], token)["events"] == []
    assert events(session, [], token)["events"] == []
    assert events(session, ["message"], token)["valid_ref_counts"] == {}


def test_an_event_wakes_a_waiting_client_at_once(
    login: Callable[[], XenAPI.Session], api: Any, session: XenAPI.Session
) -> None:
    vm = only(session, "VM", "runs")
    waiting = login()
    token = events(waiting, ["vm"])["token"]
    with ThreadPoolExecutor() as pool:
        polled = pool.submit(events, waiting, ["vm"], token, DEADLINE_S)
        before = time.monotonic()
        api.VM.pause(vm)
        assert changes(polled.result())[0] == ("vm", "mod", vm)
        assert time.monotonic() - before < DEADLINE_S / 2


def test_a_poll_without_events_ends_with_its_time(session: XenAPI.Session) -> None:
    token = events(session, ["vm"])["token"]
    before = time.monotonic()
    batch = events(session, ["vm"], token, 0.3)
    assert batch["events"] == []
    assert batch["token"] >= token
    assert time.monotonic() - before >= 0.3


def test_waiting_clients_take_no_threads(
    host: Host, login: Callable[[], XenAPI.Session], api: Any, session: XenAPI.Session
) -> None:
    vm = only(session, "VM", "runs")
    token = events(session, ["vm"])["token"]
    many = [login() for _ in range(40)]
    with ThreadPoolExecutor(len(many)) as pool:
        polls = [pool.submit(events, one, ["vm"], token, DEADLINE_S) for one in many]
        api.VM.pause(vm)
        for poll in polls:
            assert changes(poll.result())[0] == ("vm", "mod", vm)


@pytest.mark.parametrize("token", ["x", "-1", "1.5", "12 ", "\u0664"])
def test_what_is_no_token_is_refused(session: XenAPI.Session, token: str) -> None:
    assert failure(events, session, ["vm"], token) == ["EVENT_FROM_TOKEN_PARSE_FAILURE", token]


@pytest.mark.parametrize("subscription", ["", "/", "vm/", "*/x", "/x"])
def test_what_is_no_subscription_is_refused(session: XenAPI.Session, subscription: str) -> None:
    assert failure(events, session, ["vm", subscription]) == [
        "EVENT_SUBSCRIPTION_PARSE_FAILURE",
        subscription,
    ]


def test_a_token_of_another_life_yields_everything(host_uri: str, tmp_path: Path) -> None:
    tokens = []
    for _ in range(2):
        with running_host(host_uri, state_directory=tmp_path / "state") as host:
            session = host.login()
            batch = events(session, ["vm"], tokens[-1] if tokens else "")
            assert {event["operation"] for event in batch["events"]} == {"add"}
            assert len(batch["events"]) == 2
            tokens.append(batch["token"])
            session("close")()
    assert tokens == sorted(tokens)


def test_an_injected_event_comes_after_all_that_was_done_before(
    api: Any, session: XenAPI.Session
) -> None:
    vm, [pool] = only(session, "VM", "runs"), api.pool.get_all()
    token = events(session, ["*"])["token"]
    api.VM.pause(vm)
    barrier = api.event.inject("pool", pool)
    batch = events(session, ["*"], token)
    assert batch["token"] >= barrier
    assert {event["ref"] for event in batch["events"]} >= {vm, pool}


def test_an_event_cannot_be_injected_on_what_is_not_there(api: Any) -> None:
    assert failure(api.event.inject, "VM", "x") == ["HANDLE_INVALID", "VM", "x"]
    assert failure(api.event.inject, "ghost", "x") == ["HANDLE_INVALID", "ghost", "x"]


@pytest.mark.parametrize("call", ["register", "unregister", "next"])
def test_the_old_event_calls_are_deprecated(api: Any, call: str) -> None:
    arguments = () if call == "next" else (["vm"],)
    assert failure(getattr(api.event, call), *arguments) == ["MESSAGE_DEPRECATED"]


# Behind our back


def test_what_others_do_to_a_domain_is_seen(host: Host, session: XenAPI.Session) -> None:
    vm = only(session, "VM", "runs")
    token = events(session, ["vm"])["token"]
    host.libvirt.lookupByName("runs").suspend()
    batch = events(session, ["vm"], token, DEADLINE_S)
    assert [event["ref"] for event in batch["events"]] == [vm]
    assert batch["events"][0]["snapshot"]["power_state"] == "Paused"


def test_domains_that_others_define_and_undefine_are_seen(
    host: Host, session: XenAPI.Session
) -> None:
    token = events(session, ["vm"])["token"]
    domain = host.libvirt.defineXML(
        "<domain type='test'><name>theirs</name><memory>65536</memory>"
        "<os><type>hvm</type></os></domain>"
    )
    batch = events(session, ["vm"], token, DEADLINE_S)
    [event] = batch["events"]
    assert (event["operation"], event["obj_uuid"]) == ("add", domain.UUIDString())
    domain.undefine()
    gone = events(session, ["vm"], batch["token"], DEADLINE_S)
    assert changes(gone) == [("vm", "del", event["ref"])]


def test_networks_and_pools_that_others_stop_are_seen(host: Host, session: XenAPI.Session) -> None:
    token = events(session, ["network", "pbd"])["token"]
    host.libvirt.networkLookupByName("default").destroy()
    batch = events(session, ["network"], token, DEADLINE_S)
    assert batch["events"][-1]["snapshot"]["other_config"]["active"] == "false"
    host.libvirt.storagePoolLookupByName("default").destroy()
    batch = events(session, ["pbd"], token, DEADLINE_S)
    assert batch["events"][-1]["snapshot"]["currently_attached"] is False


def test_what_has_no_event_is_found_by_looking(host_uri: str) -> None:
    with running_host(host_uri, reconcile_s=0.2) as host:
        session = host.login()
        token = events(session, ["vdi"])["token"]
        host.libvirt.storagePoolLookupByName("default").createXML(
            "<volume><name>theirs</name><capacity>4096</capacity></volume>", 0
        )
        batch = events(session, ["vdi"], token, DEADLINE_S)
        assert [event["snapshot"]["name_label"] for event in batch["events"]] == ["theirs"]
        session("close")()


def test_names_given_by_others_are_seen(host: Host, session: XenAPI.Session) -> None:
    vm = only(session, "VM", "rests")
    token = events(session, ["vm"])["token"]
    host.libvirt.lookupByName("rests").rename("sleeps")
    events(session, ["vm"], token, DEADLINE_S)
    batch = events(session, ["vm"], token, 0.0)
    while batch["events"][-1]["snapshot"]["name_label"] != "sleeps":
        batch = events(session, ["vm"], batch["token"], DEADLINE_S)
    assert batch["events"][-1]["ref"] == vm
    assert session.xenapi.VM.get_uuid(vm) == domain_uuid("rests")


def test_an_object_that_somebody_works_on_for_long_keeps_no_other_from_being_seen(
    host: Host, session: XenAPI.Session
) -> None:
    api = session.xenapi
    busy, other = only(session, "VM", "runs"), only(session, "VM", "rests")
    with host.toolstack._inventory.changing(domain_uuid("runs")):
        host.libvirt.lookupByUUIDString(domain_uuid("runs")).suspend()
        host.libvirt.lookupByUUIDString(domain_uuid("rests")).create()
        wait_for(session, ["vm"], lambda: api.VM.get_power_state(other) == "Running", "its start")
    wait_for(session, ["vm"], lambda: api.VM.get_power_state(busy) == "Paused", "its pause")


def test_what_runs_on_the_host_is_read_at_once_and_told_once_a_second_at_most(
    host_uri: str,
) -> None:
    # Looking at everything again tells it as well.
    with running_host(host_uri, reconcile_s=10 * DEADLINE_S) as running:
        session = running.login()
        residents_are_told_in_time(session, session.xenapi)
        session("close")()


def residents_are_told_in_time(session: XenAPI.Session, api: Any) -> None:
    host, vm = only_host(api), only(session, "VM", "runs")
    began_s, told = time.monotonic(), 0
    token = events(session, ["host"])["token"]
    for _ in range(10):
        api.VM.hard_shutdown(vm)
        assert vm not in api.host.get_resident_VMs(host)
        api.VM.start(vm, False, False)
        assert vm in api.host.get_resident_VMs(host)
        batch = events(session, ["host"], token)
        token, told = batch["token"], told + len(batch["events"])
    api.VM.hard_shutdown(vm)
    assert told <= time.monotonic() - began_s + 1
    # What was not told yet comes by itself.
    wait_for(
        session,
        ["host"],
        lambda: shown_in_events(session, host, token) == api.host.get_resident_VMs(host),
        "the last change",
    )


def only_host(api: Any) -> str:
    [host] = api.host.get_all()
    return str(host)


def shown_in_events(session: XenAPI.Session, host: str, token: str) -> list[str] | None:
    """The machines on the host as the newest event since ``token`` shows them."""
    told = [each for each in events(session, ["host"], token)["events"] if each["ref"] == host]
    residents: list[str] | None = told[-1]["snapshot"]["resident_VMs"] if told else None
    return residents
