"""What is told by a server that goes on where another one has ended, or by two at once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.providers.conftest import MakeProviders
from tests.providers.indications.conftest import Listen, MakeServer
from tests.providers.indications.reading import (
    ALERT,
    CREATION,
    DELETION,
    MODIFICATION,
    alerts,
    of_class,
    previous,
    source,
)
from tests.providers.indications.single_source import Server, replay, shown
from tests.providers.indications.test_alerts import OUT_OF_SPACE
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import HOST, inventory
from tests.providers.systems import VM, change
from tests.providers.waiting import job_of
from virtcim.cim.value_maps import JobState
from virtcim.errormap import from_transport
from virtcim.hypervisor.model import Inventory, PowerState, VirtualSystem
from virtcim.hypervisor.unread import UnreadObjects, UnreadParts
from virtcim.providers.indications.comparison import Comparison
from virtcim.providers.indications.stored_objects import packed
from virtcim.providers.state.job import Job

JOB = "VirtCIM_ConcreteJob"
NOW = datetime.now(UTC)
LOST = from_transport(phase="connect", exception="ConnectionRefusedError", message="refused")


@pytest.fixture
def server(make_server: MakeServer) -> Server:
    """A server that has told of 6 systems, and is told of nothing yet."""
    made = make_server()
    made.source.hear(inventory(6))
    made.work()
    return made


def with_system(state: Inventory, number: int, **changed: Any) -> Inventory:
    system = [*state.virtual_systems.values()][number]
    systems = {**state.virtual_systems, system.uuid: replace(system, **changed)}
    return replace(state, virtual_systems=systems)


def without_system(state: Inventory, number: int) -> Inventory:
    systems = {**state.virtual_systems}
    del systems[[*systems][number]]
    return replace(state, virtual_systems=systems)


def test_what_changed_while_no_server_ran_is_told_once(server: Server) -> None:
    before = inventory(6)
    stopped = with_system(before, 4, power_state=PowerState.PAUSED, stop=OUT_OF_SPACE)
    after = without_system(with_system(stopped, 2, auto_start=False), 3)
    for _ in range(2):
        server.restart()
        server.source.hear(after)
        server.work()
    state = shown(server.namespace, before)
    replay(state, server.sink.told)
    assert state == shown(server.namespace, after)
    (alert,) = alerts(server.sink.told)
    assert alert.values["MessageID"] == "ERR_OUT_OF_DISK_SPACE"
    assert len(of_class(server.sink.told, DELETION, VM)) == 1


def test_what_is_there_at_the_first_start_is_no_news(make_server: MakeServer) -> None:
    server = make_server()
    server.source.hear(with_system(inventory(6), 4, stop=OUT_OF_SPACE))
    server.work()
    assert not server.sink.told


def test_very_many_changes_are_told_in_several_transactions(server: Server) -> None:
    server.restart()
    after = inventory(1300)
    server.source.hear(after)
    before = server.sink.transactions
    server.work()
    assert server.sink.transactions - before >= 3
    state = shown(server.namespace, inventory(6))
    replay(state, server.sink.told)
    assert state == shown(server.namespace, after)


def test_a_hypervisor_that_is_away_after_a_restart_is_told_of_and_nothing_is_deleted(
    server: Server,
) -> None:
    server.restart()
    server.source.hear(LOST)
    server.work()
    assert [each.record.class_name for each in server.sink.told] == [ALERT]
    assert "VirtCIM_HostSystem" in str(alerts(server.sink.told)[0].values["AlertingManagedElement"])
    server.restart()
    server.source.hear(LOST)
    server.work()
    server.source.hear(without_system(inventory(6), 0))
    server.work()
    told = [each.record.class_name for each in server.sink.told]
    assert told[:2] == [ALERT, ALERT]
    assert set(told[2:]) == {DELETION}


def test_a_job_whose_server_died_is_told_with_its_end(
    endpoint: SimulatedEndpoint, make_providers: MakeProviders, listen: Listen, tmp_path: Path
) -> None:
    state = str(tmp_path / "state")
    first = make_providers(endpoint, state=state, job_after_s=0.0)
    sink = listen(first)
    endpoint.gate.clear()
    endpoint.task_ref = ""
    job = job_of(change(first, 1, 2))
    sink.wait_for(lambda: bool(of_class(sink.told, CREATION, JOB)))
    first.close()
    second = make_providers(endpoint, state=state)
    late = listen(second)
    late.wait_for(lambda: bool(alerts(late.told)))
    endpoint.gate.set()
    (ended,) = of_class(late.told, MODIFICATION, JOB)
    assert source(ended).path == job
    assert (previous(ended).values["JobState"], source(ended).values["JobState"]) == (4, 10)
    (alert,) = alerts(late.told)
    assert alert.values["MessageID"] == "ERR_UNABLE_TO_VERIFY_STATE"
    assert not of_class(late.told, CREATION, JOB)


def test_an_expired_job_is_told_as_deleted_although_nobody_reads(
    endpoint: SimulatedEndpoint, make_providers: MakeProviders, listen: Listen
) -> None:
    providers = make_providers(endpoint, job_after_s=0.0)
    store = providers._jobs
    passed_s = 0.0
    store.monotonic = lambda: time.monotonic() + passed_s
    sink = listen(providers)
    endpoint.gate.clear()
    job_of(change(providers, 1, 2))
    endpoint.gate.set()
    sink.wait_for(
        lambda: any(
            source(each).values["JobState"] == 7 for each in of_class(sink.told, MODIFICATION, JOB)
        )
    )
    assert not of_class(sink.told, DELETION, JOB)
    passed_s = 7200.0
    providers.subscriptions_changed()
    sink.wait_for(lambda: bool(of_class(sink.told, DELETION, JOB)))


def test_a_source_that_was_replaced_by_another_tells_nothing_more(server: Server) -> None:
    former = server.source
    server.restart()
    after = with_system(inventory(6), 1, auto_start=True)
    server.source.hear(after)
    server.work()
    told = len(server.sink.told)
    assert told
    # The one that has been asleep for long hears of the same.
    former.hear(after)
    former.work(server.sink)
    assert len(server.sink.told) == told
    # It begins anew, and then is the only one.
    former.hear(without_system(after, 1))
    former.work(server.sink)
    assert len(server.sink.told) > told
    told = len(server.sink.told)
    server.source.hear(without_system(after, 1))
    server.work()
    assert len(server.sink.told) == told


def test_one_that_leads_again_tells_what_it_could_not_without_waiting_for_more(
    server: Server,
) -> None:
    former = server.source
    server.restart()
    server.work()
    former.hear(with_system(inventory(6), 1, auto_start=True))
    server.woken = 0
    former.work(server.sink)
    # What it heard is not told, as the other had claimed to tell in the meantime.
    assert not of_class(server.sink.told, MODIFICATION, VM)
    assert server.woken == 1
    former.work(server.sink)
    assert of_class(server.sink.told, MODIFICATION, VM)


def test_one_that_does_not_lead_tells_no_differences(make_server: MakeServer) -> None:
    server = make_server()
    leading = False
    server.source._leads = lambda: leading
    server.source.hear(inventory(6))
    server.work()
    assert not server.sink.transactions
    leading = True
    server.work()
    server.source.hear(with_system(inventory(6), 1, auto_start=True))
    server.work()
    assert server.sink.told


def test_what_happens_before_anybody_leads_is_told_by_who_does_then(
    make_server: MakeServer,
) -> None:
    server = make_server()
    leading = False
    server.source._leads = lambda: leading
    server.sink.wants = False
    server.source.hear(inventory(6))
    server.work()
    # Somebody subscribes, and the one that led is dead.
    server.sink.wants = True
    for changed in (
        with_system(inventory(6), 1, auto_start=True),
        without_system(with_system(inventory(6), 1, auto_start=True), 2),
    ):
        server.source.hear(changed)
        server.work()
    assert not server.sink.told
    leading = True
    server.work()
    assert len(of_class(server.sink.told, MODIFICATION, VM)) == 1
    assert len(of_class(server.sink.told, DELETION, VM)) == 1


def test_what_another_one_told_of_is_not_told_again_by_who_leads_next(server: Server) -> None:
    first = server.source
    changed = with_system(inventory(6), 1, auto_start=True)
    server.restart()
    second, leading = server.source, False
    second._leads = lambda: leading
    first.hear(changed)
    first.work(server.sink)
    second.hear(changed)
    second.work(server.sink)
    told = len(server.sink.told)
    leading = True
    second.work(server.sink)
    assert told
    assert len(server.sink.told) == told


def test_nothing_is_lost_while_the_database_fails(
    endpoint: SimulatedEndpoint, make_providers: MakeProviders, listen: Listen
) -> None:
    providers = make_providers(endpoint)
    sink = listen(providers)
    sink.wait_for(lambda: sink.transactions > 0)
    before = [*endpoint.systems]
    sink.fails_before = 3
    for number in range(3):
        endpoint.replace(replace(before[number], auto_start=number % 2 == 1))
    sink.wait_for(lambda: sink.refused == 3)
    sink.wait_for_told(6)
    told = [str(source(each).values["Name"]) for each in of_class(sink.told, MODIFICATION, VM)]
    assert told == [each.uuid for each in before[:3]]


def test_that_the_answer_of_the_database_was_lost_is_no_reason_to_tell_again(
    server: Server,
) -> None:
    server.sink.fails_after = 1
    server.source.hear(with_system(inventory(6), 1, auto_start=True))
    server.work()
    server.source.hear(inventory(6))
    server.work()
    told = of_class(server.sink.told, MODIFICATION, VM)
    assert [source(each).values["EnabledDefault"] for each in told] == [2, 3]


@pytest.mark.parametrize("kind", ["virtual_systems", "hosts", "memory_in_use", "connection", "job"])
@pytest.mark.parametrize("odd", [b"odd", b"", packed({"name_label": 7}), packed(None), packed([])])
def test_a_row_that_cannot_be_read_costs_only_itself(server: Server, kind: str, odd: bytes) -> None:
    job = Job(
        uuid="job",
        namespace="root/virt",
        name="RequestStateChange",
        state=JobState.RUNNING,
        submitted=NOW,
        changed=NOW,
        updated=NOW,
    )
    state = replace(inventory(6), memory_in_use={HOST.uuid: 7})
    server.store.put(job)
    server.restart()
    server.endpoint.current = state
    server.source.listen(server.endpoint)
    server.work()
    server.sink.told.clear()
    key = "" if kind == "virtual_systems" else "%"
    systems = [*state.virtual_systems]
    with server.store.database.engine.begin() as connection:
        connection.execute(
            sa.text(
                "UPDATE indication_told SET object = :odd WHERE kind = :kind AND key LIKE :key"
            ),
            {"odd": odd, "kind": kind, "key": key or systems[0]},
        )
    server.restart()
    after = with_system(with_system(state, 0, auto_start=False), 1, auto_start=True)
    server.endpoint.current = after
    server.source.listen(server.endpoint)
    server.work()
    changed = of_class(server.sink.told, MODIFICATION, VM)
    told = [source(each).values["ElementName"] for each in changed]
    assert told == (["vm1"] if kind == "virtual_systems" else ["vm0", "vm1"])
    assert not of_class(server.sink.told, CREATION, JOB)
    assert not alerts(server.sink.told)


def test_what_cannot_be_looked_at_is_not_gone(server: Server) -> None:
    state = inventory(6)
    unread: Mapping[str, Any] = UnreadObjects(LOST)
    server.source.hear(replace(state, virtual_systems=unread, networks=unread))
    server.work()
    systems: dict[str, VirtualSystem] = {
        uuid: replace(system, disks=UnreadParts.because(LOST))
        for uuid, system in state.virtual_systems.items()
    }
    server.restart()
    server.source.hear(replace(state, virtual_systems=systems))
    server.work()
    assert not server.sink.told
    server.source.hear(state)
    server.work()
    assert not server.sink.told
    server.source.hear(replace(state, networks={}))
    server.work()
    assert {each.record.class_name for each in server.sink.told} == {DELETION}


def test_what_nobody_could_look_at_at_first_is_no_news_later(make_server: MakeServer) -> None:
    server = make_server()
    state = inventory(6)
    systems = {
        uuid: replace(system, disks=UnreadParts.because(LOST))
        for uuid, system in state.virtual_systems.items()
    }
    hidden = replace(state, virtual_systems=systems, networks=UnreadObjects(LOST))
    server.source.hear(hidden)
    server.work()
    server.restart()
    server.source.hear(hidden)
    server.work()
    server.source.hear(state)
    server.work()
    assert not server.sink.told
    server.restart()
    server.source.hear(replace(state, networks={}))
    server.work()
    assert {each.record.class_name for each in server.sink.told} == {DELETION}


def test_what_is_seen_first_after_a_restart_without_a_connection_is_no_news(
    make_server: MakeServer,
) -> None:
    server = make_server()
    server.source.hear(LOST)
    server.work()
    server.restart()
    server.source.hear(LOST)
    server.work()
    server.source.hear(inventory(6))
    server.work()
    assert [each.values["MessageID"] for each in alerts(server.sink.told)] == ["ERR_SUCCESS"]
    assert len(server.sink.told) == 1
    server.restart()
    server.source.hear(without_system(inventory(6), 5))
    server.work()
    assert {each.record.class_name for each in server.sink.told[1:]} == {DELETION}


def test_nothing_is_compared_while_nobody_can_look_at_the_hosts(make_server: MakeServer) -> None:
    server = make_server()
    state = inventory(6)
    hidden = replace(state, hosts=UnreadObjects(LOST))
    for seen in (hidden, with_system(hidden, 1, auto_start=True), state):
        server.source.hear(seen)
        server.work()
    assert not server.sink.told
    server.restart()
    for seen in (with_system(hidden, 1, auto_start=True), with_system(state, 1, auto_start=True)):
        server.source.hear(seen)
        server.work()
    (told,) = of_class(server.sink.told, MODIFICATION, VM)
    pools = [source(each).values.get("PoolID", "") for each in server.sink.told]
    assert source(told).values["ElementName"] == "vm1"
    assert None not in pools


def test_what_changes_while_nobody_wants_it_is_not_told_later(server: Server) -> None:
    state = inventory(6)
    server.sink.wants = False
    server.work()
    server.source.hear(with_system(state, 1, auto_start=True))
    server.work()
    server.restart()
    server.source.hear(state)
    server.work()
    server.sink.wants = True
    server.work()
    assert not server.sink.told
    server.source.hear(with_system(state, 2, auto_start=False))
    server.work()
    (told,) = of_class(server.sink.told, MODIFICATION, VM)
    assert source(told).values["ElementName"] == "vm2"


def test_what_changes_right_after_somebody_subscribed_is_told(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.sink.wants = False
    changed = with_system(inventory(6), 1, auto_start=True)

    def subscribed_meanwhile(_namespace: str) -> tuple[str, ...]:
        """Nobody wants anything yet; before that is known somebody does, and changes something."""
        monkeypatch.undo()
        server.sink.wants = True
        server.source.hear(changed)
        return ()

    monkeypatch.setattr(server.sink, "wanted", subscribed_meanwhile)
    server.work()
    server.work()
    assert len(of_class(server.sink.told, MODIFICATION, VM)) == 1


def test_a_change_that_cannot_be_computed_silences_nothing_else(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = inventory(6)
    odd = with_system(state, 1, auto_start=True)
    compare = Comparison.compare

    def failing(comparison: Comparison, news: Any) -> Any:
        if news is odd:
            raise ZeroDivisionError
        return compare(comparison, news)

    monkeypatch.setattr(Comparison, "compare", failing)
    server.source.hear(odd)
    server.source.hear(with_system(odd, 2, auto_start=False))
    server.work()
    (told,) = of_class(server.sink.told, MODIFICATION, VM)
    assert source(told).values["ElementName"] == "vm2"
