"""What telling costs: so much as what changed, however much there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import pytest

from tests.providers.conftest import MakeProviders
from tests.providers.indications.conftest import Listen
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import HOST
from virtcim.cim.records import Value
from virtcim.hypervisor.model import PowerState
from virtcim.providers.engine import kept_record
from virtcim.providers.engine.instance_class import AnyNode

MANY = 10_000


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[AnyNode]:
    """The instances that were computed."""
    nodes: list[AnyNode] = []
    made = kept_record._values

    def counting(node: AnyNode) -> Mapping[str, Value]:
        nodes.append(node)
        return made(node)

    monkeypatch.setattr(kept_record, "_values", counting)
    return nodes


@pytest.fixture(scope="module")
def many() -> SimulatedEndpoint:
    return SimulatedEndpoint(systems=MANY)


@pytest.mark.parametrize("what", ["state", "new", "gone"])
def test_a_change_among_very_many_systems_costs_what_changed(
    many: SimulatedEndpoint,
    make_providers: MakeProviders,
    listen: Listen,
    computed: list[AnyNode],
    what: str,
) -> None:
    sink = listen(make_providers(many))
    # The first says that it begins, the last that everything is there.
    sink.wait_for(lambda: sink.transactions == 2 + (MANY + 1000) // 1000)
    assert not computed, "what is there at first is kept as it is, and not computed"
    transactions = sink.transactions
    system = many.systems[MANY // 2 + 1]
    systems = {**many.current.virtual_systems}
    if what == "state":
        systems[system.uuid] = replace(
            system, power_state=PowerState.RUNNING, resident_on=HOST.uuid
        )
    elif what == "new":
        systems["new"] = replace(system, uuid="new", name_label="new")
    else:
        del systems[system.uuid]
    many.publish(virtual_systems=MappingProxyType(systems), memory_in_use={HOST.uuid: len(systems)})
    sink.wait_for_told(2)
    assert sink.transactions == transactions + 1
    assert {each.namespace for each in sink.told} == {"root/virt"}
    parts = 4 + len(system.disks) + len(system.network_ports) + len(system.consoles)
    # Each before and after, and the pool of the memory.
    assert len(computed) <= 2 * (parts + 1)
