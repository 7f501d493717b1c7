"""What is told when instances come, change and go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import pytest

from tests.providers.indications.conftest import Listen
from tests.providers.indications.reading import (
    CREATION,
    DELETION,
    MODIFICATION,
    of_class,
    previous,
    source,
)
from tests.providers.indications.recording_sink import RecordingSink
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import HOST, REPOSITORY, identity, virtual_system
from tests.providers.systems import VM, change, system_path
from tests.providers.waiting import ended, job_of
from virtcim.cim.records import Value
from virtcim.hypervisor.model import PowerState
from virtcim.providers import Providers
from virtcim.providers.engine import kept_record
from virtcim.providers.engine.instance_class import AnyNode

SETTINGS = "VirtCIM_VirtualSystemSettingData"


def test_a_change_of_state_is_told_with_both_instances(
    providers: Providers, endpoint: SimulatedEndpoint, sink: RecordingSink
) -> None:
    before = providers.get_instance(system_path(1))
    change(providers, 1, 2)
    sink.wait_for(lambda: bool(of_class(sink.told, MODIFICATION, VM)))
    (told,) = of_class(sink.told, MODIFICATION, VM)
    assert told.namespace == "root/virt"
    after = providers.get_instance(system_path(1))
    # The very instances that were read before and are read now, texts and all.
    assert source(told) is after
    assert previous(told) is before
    names = told.record.values["ChangedPropertyNames"]
    assert isinstance(names, list)
    assert set(names) >= {"EnabledState", "OperationalStatus"}
    assert set(names) == {
        name
        for name in {**before.values, **after.values}
        if before.values.get(name) != after.values.get(name)
    }
    assert told.record.values["SourceInstanceModelPath"] == (
        f'root/virt:{VM}.CreationClassName="{VM}",Name="{identity("vm", 1)}"'
    )


def test_what_does_not_look_different_is_not_told_of(
    providers: Providers, endpoint: SimulatedEndpoint, sink: RecordingSink
) -> None:
    system = endpoint.systems[3]
    endpoint.replace(replace(system, other_config={"seen": "by nobody"}))
    endpoint.replace(replace(system, name_description="seen by all"))
    sink.wait_for_told(2)
    told = {(each.record.class_name, source(each).class_name) for each in sink.told}
    assert told == {(MODIFICATION, VM), (MODIFICATION, SETTINGS)}
    assert len(sink.told) == 2


def test_a_new_system_is_told_with_all_that_belongs_to_it(
    providers: Providers, endpoint: SimulatedEndpoint, sink: RecordingSink
) -> None:
    endpoint.replace(virtual_system(42))
    expected = 2 + 2 + len(virtual_system(42).disks) + len(virtual_system(42).network_ports)
    told = sink.wait_for_told(expected)
    assert {each.record.class_name for each in told} == {CREATION}
    assert source(told[0]) is providers.get_instance(system_path(42))
    for each in told:
        path = source(each).path
        assert path is not None
        assert providers.get_instance(path) is source(each)
    assert len(told) == expected


def test_a_system_that_is_gone_is_told_as_it_was_last(
    providers: Providers, endpoint: SimulatedEndpoint, sink: RecordingSink
) -> None:
    paths = [system_path(5)]
    paths += providers.associator_names(paths[0], result_class="CIM_SettingData")
    last = {path: providers.get_instance(path) for path in paths}
    remaining = {**endpoint.current.virtual_systems}
    del remaining[identity("vm", 5)]
    endpoint.publish(virtual_systems=remaining)
    sink.wait_for_told(3)
    assert {each.record.class_name for each in sink.told} == {DELETION}
    (told,) = of_class(sink.told, DELETION, VM)
    assert source(told) is last[paths[0]]
    gone = {source(each).path for each in sink.told}
    assert set(paths) <= gone


def test_a_device_that_comes_and_goes_is_told_of_alone(
    endpoint: SimulatedEndpoint, sink: RecordingSink
) -> None:
    with_ports = endpoint.current.virtual_systems[identity("vm", 1)]
    assert with_ports.network_ports
    endpoint.replace(replace(with_ports, network_ports=()))
    endpoint.replace(with_ports)
    told = sink.wait_for_told(2)
    assert [(each.record.class_name, source(each).class_name) for each in told] == [
        (DELETION, "VirtCIM_NetworkPortResourceAllocationSettingData"),
        (CREATION, "VirtCIM_NetworkPortResourceAllocationSettingData"),
    ]


def test_pools_and_hosts_are_told_of(endpoint: SimulatedEndpoint, sink: RecordingSink) -> None:
    fuller = replace(REPOSITORY, physical_utilisation_bytes=31 * 2**30)
    endpoint.publish(storage_repositories={fuller.uuid: fuller})
    endpoint.publish(storage_repositories={})
    endpoint.publish(memory_in_use={HOST.uuid: 2**30})
    endpoint.publish(hosts={HOST.uuid: replace(HOST, enabled=False)})
    told = sink.wait_for_told(4)
    assert [(each.record.class_name, source(each).class_name) for each in told] == [
        (MODIFICATION, "VirtCIM_StoragePool"),
        (DELETION, "VirtCIM_StoragePool"),
        (MODIFICATION, "VirtCIM_MemoryPool"),
        (MODIFICATION, "VirtCIM_HostSystem"),
    ]


def test_every_state_of_a_burst_is_told(endpoint: SimulatedEndpoint, sink: RecordingSink) -> None:
    system = endpoint.systems[1]
    states = [PowerState.RUNNING, PowerState.PAUSED, PowerState.HALTED] * 10
    with endpoint.host.changed:
        for state in states:
            endpoint.replace(replace(system, power_state=state))
    sink.wait_for_told(len(states))
    told = of_class(sink.told, MODIFICATION, VM)
    assert [source(each).values["EnabledState"] for each in told] == [2, 9, 3] * 10
    # Each goes on where the one before has ended.
    assert all(source(one).values == previous(two).values for one, two in pairwise(told))
    # A burst needs few transactions.
    assert sink.transactions < len(states)


def test_a_job_is_told_from_its_start_to_its_end_and_when_it_is_removed(
    endpoint: SimulatedEndpoint, make_providers: object, listen: Listen
) -> None:
    providers = make_providers(endpoint, job_after_s=0.0)  # type: ignore[operator]
    sink = listen(providers)
    endpoint.gate.clear()
    job = job_of(change(providers, 1, 2))
    sink.wait_for(lambda: bool(of_class(sink.told, CREATION, "VirtCIM_ConcreteJob")))
    endpoint.gate.set()
    last = ended(providers, job)
    providers.delete_instance(job)
    sink.wait_for(lambda: bool(of_class(sink.told, DELETION, "VirtCIM_ConcreteJob")))
    of_job = [each for each in sink.told if source(each).class_name == "VirtCIM_ConcreteJob"]
    assert of_job[0].record.class_name == CREATION
    assert source(of_job[0]).values["JobState"] == 4
    assert [each.record.class_name for each in of_job[1:-1]] == [MODIFICATION] * (len(of_job) - 2)
    assert (source(of_job[-2]).values["JobState"], previous(of_job[-2]).values["JobState"]) == (
        7,
        4,
    )
    assert source(of_job[-1]).values == last.values


@pytest.mark.parametrize("wants", [True, False])
def test_nothing_is_computed_while_nobody_wants_it(
    providers: Providers,
    endpoint: SimulatedEndpoint,
    listen: Listen,
    wants: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    computed: list[object] = []
    made = kept_record._values

    def counting(node: AnyNode) -> Mapping[str, Value]:
        computed.append(node)
        return made(node)

    monkeypatch.setattr(kept_record, "_values", counting)
    sink = listen(providers, wants=wants)
    for number in range(8):
        endpoint.replace(replace(endpoint.systems[number], name_label=f"renamed {number}"))
    if wants:
        sink.wait_for_told(16)
    providers.stop_indications()
    assert bool(computed) is wants
    assert bool(sink.told) is wants


def test_what_happened_before_anybody_wanted_it_is_never_told(
    providers: Providers, endpoint: SimulatedEndpoint, listen: Listen
) -> None:
    sink = listen(providers, wants=False)
    endpoint.replace(replace(endpoint.systems[1], name_label="before"))
    # What is heard before it is asked for the last time has been taken then.
    for _ in range(2):
        asked = sink.asked
        providers.subscriptions_changed()
        sink.wait_for(lambda asked=asked: sink.asked > asked)  # type: ignore[misc]
    sink.wants = True
    endpoint.replace(replace(endpoint.systems[2], name_label="after"))
    sink.wait_for_told(2)
    providers.stop_indications()
    told = of_class(sink.told, MODIFICATION, VM)
    assert [source(each).values["ElementName"] for each in told] == ["after"]
