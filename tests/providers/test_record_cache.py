"""Unchanged objects keep their records, however many there are, and gone ones do not pile up."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.providers.conftest import MakeProviders
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import REPOSITORY
from virtcim.hypervisor.model import Inventory, PowerState, VirtualSystem
from virtcim.providers import ObjectPath
from virtcim.providers.engine.kept_record import KeptRecord
from virtcim.providers.engine.record_cache import RecordCache
from virtcim.providers.engine.sources import OfSystem
from virtcim.providers.engine.view import View
from virtcim.providers.virtual_system.computer_system import COMPUTER_SYSTEM
from virtcim.providers.virtual_system.settings import SYSTEM_SETTINGS

_MANY = 3000


def test_thousands_of_disks_around_one_pool_keep_their_records(
    make_providers: MakeProviders,
) -> None:
    providers = make_providers(SimulatedEndpoint(systems=_MANY))
    pool = ObjectPath(
        "VirtCIM_StoragePool",
        {"InstanceID": f"VirtCIM:{REPOSITORY.uuid}/StoragePool"},
        namespace="root/virt",
    )
    wanted = "VirtCIM_DiskResourceAllocationSettingData"
    first = providers.associators(pool, result_class=wanted)
    again = providers.associators(pool, result_class=wanted)
    assert len(first) > _MANY
    assert all(before is after for before, after in zip(first, again, strict=True))


def test_records_of_systems_that_are_gone_are_forgotten() -> None:
    endpoint = SimulatedEndpoint(systems=1)
    [system] = endpoint.current.virtual_systems.values()
    cache = RecordCache(
        "root/virt", [COMPUTER_SYSTEM], lambda: View(namespace="root/virt", endpoint=endpoint)
    )

    def appear(system: VirtualSystem) -> None:
        endpoint.current = replace(endpoint.current, virtual_systems={system.uuid: system})
        cache.record(COMPUTER_SYSTEM.node(OfSystem(system)))

    for number in range(10 * _MANY):
        appear(replace(system, uuid=f"{number:032x}", power_state=PowerState.HALTED))
    [kept] = [records.entries for records in cache._classes.values()]
    assert len(kept) < _MANY


def test_beside_thousands_that_are_there_few_that_are_gone_are_remembered() -> None:
    """As beside 10,000 jobs, of which each that is new is one of the last to be kept."""
    endpoint = SimulatedEndpoint(systems=_MANY)
    view = View(namespace="root/virt", endpoint=endpoint)
    cache = RecordCache("root/virt", [COMPUTER_SYSTEM], lambda: view)
    cache.enumerate(COMPUTER_SYSTEM, view)
    system = next(iter(view.inventory.virtual_systems.values()))
    for number in range(_MANY):
        cache.record(COMPUTER_SYSTEM.node(OfSystem(replace(system, uuid=f"{number:032x}"))))
    [kept] = [records.entries for records in cache._classes.values()]
    assert _MANY <= len(kept) < 1.5 * _MANY


def test_no_more_records_are_kept_than_fit() -> None:
    endpoint = SimulatedEndpoint(systems=100)
    view = View(namespace="root/virt", endpoint=endpoint)
    kept_classes = (COMPUTER_SYSTEM, SYSTEM_SETTINGS)
    all_of_one = RecordCache("root/virt", kept_classes, lambda: view)
    all_of_one.enumerate(COMPUTER_SYSTEM, view)
    one_bytes = all_of_one.size_bytes / 100
    most_bytes = round(150 * one_bytes)
    cache = RecordCache("root/virt", kept_classes, lambda: view, most_bytes=most_bytes)
    systems = cache.enumerate(COMPUTER_SYSTEM, view)
    assert cache.enumerate(COMPUTER_SYSTEM, view)[99] is systems[99]
    settings = cache.enumerate(SYSTEM_SETTINGS, view)
    assert cache.enumerate(SYSTEM_SETTINGS, view)[99] is settings[99]
    again = cache.enumerate(COMPUTER_SYSTEM, view)
    assert again[99] is not systems[99]
    assert again[99].values == systems[99].values
    most_bytes = round(50 * one_bytes)
    small = RecordCache("root/virt", kept_classes, lambda: view, most_bytes=most_bytes)
    small.enumerate(COMPUTER_SYSTEM, view)
    assert [len(records.entries) for records in small._classes.values()] == [50, 0]


def test_whoever_reads_one_instance_waits_for_no_list() -> None:
    """A list of thousands is made in a thread; single reads are answered by the event loop."""
    endpoint = SimulatedEndpoint(systems=2)
    view = View(namespace="root/virt", endpoint=endpoint)
    first, second = (
        COMPUTER_SYSTEM.node(OfSystem(each)) for each in view.inventory.virtual_systems.values()
    )
    begun, read = threading.Event(), threading.Event()

    class SlowView(View):
        """One of which the state is there at once, and the systems when both have been read."""

        @property
        def state(self) -> object:
            return self

        @property
        def inventory(self) -> Inventory:
            begun.set()
            assert read.wait(60)
            return super().inventory

    cache = RecordCache("root/virt", [COMPUTER_SYSTEM], lambda: view)
    known = cache.record(first)
    with ThreadPoolExecutor(1) as pool:
        listing = pool.submit(
            cache.enumerate, COMPUTER_SYSTEM, SlowView(namespace="root/virt", endpoint=endpoint)
        )
        assert begun.wait(60)
        try:
            with ThreadPoolExecutor(1) as reader:
                assert reader.submit(cache.record, first).result(60) is known
                assert reader.submit(cache.record, second).result(60).path is not None
        finally:
            read.set()
        assert [one.values for one in listing.result(60)] == [
            cache.record(one).values for one in (first, second)
        ]


def test_values_that_were_forgotten_are_the_same_again() -> None:
    endpoint = SimulatedEndpoint(systems=2)
    view = View(namespace="root/virt", endpoint=endpoint)
    cache = RecordCache("root/virt", [COMPUTER_SYSTEM], lambda: view)
    [record, _] = cache.enumerate(COMPUTER_SYSTEM, view)
    before, path, bytes_before = record.values, record.path, cache.size_bytes
    record.release()
    assert cache.size_bytes < bytes_before
    assert record.values is not before
    assert record.values == before
    assert record.path == path
    record.release()
    record.release()
    assert record.values == before


def test_records_that_are_added_while_memory_is_counted_disturb_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endpoint = SimulatedEndpoint(systems=10)
    view = View(namespace="root/virt", endpoint=endpoint)
    cache = RecordCache("root/virt", [COMPUTER_SYSTEM], lambda: view)
    coming = [
        COMPUTER_SYSTEM.node(OfSystem(each)) for each in view.inventory.virtual_systems.values()
    ]
    for _ in range(5):
        cache.record(coming.pop())
    size_of = KeptRecord.size_bytes.fget
    assert size_of is not None

    def meanwhile(record: KeptRecord) -> int:
        if coming:
            cache.record(coming.pop())
        return size_of(record)

    monkeypatch.setattr(KeptRecord, "size_bytes", property(meanwhile))
    assert cache.size_bytes > 0
    assert len(coming) == 1
