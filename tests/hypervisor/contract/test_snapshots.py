"""What every endpoint promises of its inventory: immutable values, each of one moment."""

from __future__ import annotations

from dataclasses import replace

from tests.hypervisor.contract.conftest import Define
from tests.hypervisor.contract.systems import NOBODY
from virtcim.hypervisor import Endpoint, VirtualSystemChange


def test_what_did_not_change_is_the_same_object_at_the_next_read(
    endpoint: Endpoint, define: Define, uuid: str
) -> None:
    other = define()
    before = endpoint.inventory()
    endpoint.modify(uuid, VirtualSystemChange(name_description="changed"))
    after = endpoint.inventory()
    assert after is not before
    assert after.generation != before.generation
    assert after.virtual_systems[uuid] is not before.virtual_systems[uuid]
    assert before.virtual_systems[uuid].name_description == ""
    assert after.virtual_systems[other] is before.virtual_systems[other]
    for kind in ("networks", "disk_images"):
        known = getattr(before, kind)
        same = {key: one for key, one in getattr(after, kind).items() if one == known.get(key)}
        assert same
        assert all(one is known[key] for key, one in same.items())


def test_the_first_host_is_the_one_with_the_smallest_uuid(endpoint: Endpoint) -> None:
    inventory = endpoint.inventory()
    first = inventory.first_host
    assert first is not None
    assert first is inventory.hosts[min(inventory.hosts)]
    others = {uuid: replace(first, uuid=uuid) for uuid in ("f" * 36, NOBODY)}
    pool = replace(inventory, hosts={first.uuid: first, **others})
    assert pool.first_host is others[NOBODY]
    assert replace(inventory, hosts={}).first_host is None
