"""What the class declarations demand of every record, for every class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.providers.conftest import AskedThrough
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import identity
from tests.providers.waiting import ended, job_of, wait_for
from virtcim.daemon.incidents import incident
from virtcim.errormap import from_qemu, translate
from virtcim.hypervisor.model import PowerOperation, PowerState, StopReason
from virtcim.mof import Schema
from virtcim.providers import (
    ASSOCIATIONS,
    IMPLEMENTATION_CLASSES,
    ObjectPath,
    Providers,
    Record,
)
from virtcim.registration import registrations

INSTANCE_NAMES = [each.name for each in IMPLEMENTATION_CLASSES]
ASSOCIATION_NAMES = {each.name for each in ASSOCIATIONS}
SERVED = [
    (namespace, row.class_name)
    for row in registrations(("root/virt", "root/interop"))
    for namespace in row.namespaces
]
SERVED_ASSOCIATIONS = [each for each in SERVED if each[1] in ASSOCIATION_NAMES]
SERVED_INSTANCES = [each for each in SERVED if each[1] not in ASSOCIATION_NAMES]
PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "datetime": (datetime, timedelta),
    "reference": (ObjectPath,),
    **{f"uint{bits}": (int,) for bits in (8, 16, 32, 64)},
    **{f"sint{bits}": (int,) for bits in (8, 16, 32, 64)},
}


@pytest.fixture(scope="module")
def systems() -> int:
    """How many there are."""
    return 20


@pytest.fixture(scope="module")
def populated(schema: Schema, asked_through: AskedThrough, systems: int) -> Iterator[Providers]:
    """Every state, also the rare ones, and jobs of several outcomes; the tests only read."""
    endpoint = SimulatedEndpoint(systems=systems)
    made = Providers([endpoint], schema, job_after_s=0.0, incident=incident)
    providers = asked_through(made)
    system = endpoint.systems[0]
    fault = from_qemu(
        {"event": "BLOCK_IO_ERROR", "data": {"device": "vda", "nospace": True, "reason": "enospc"}}
    )
    stop = StopReason(
        reason="io-error", error=translate(fault), since=datetime(2026, 11, 2, tzinfo=UTC)
    )
    endpoint.replace(replace(system, power_state=PowerState.PAUSED, stop=stop))
    endpoint.replace(
        replace(
            endpoint.systems[1],
            power_state=PowerState.UNKNOWN,
            transition=PowerOperation.CLEAN_SHUTDOWN,
        )
    )
    leave_jobs(endpoint, providers)
    yield providers
    endpoint.gate.set()
    made.close()


def leave_jobs(endpoint: SimulatedEndpoint, providers: Providers) -> None:
    """One job that made something, one that failed, one that is not over."""
    service = ObjectPath("VirtCIM_VirtualSystemManagementService", namespace="root/virt")
    names: list[tuple[ObjectPath, str, Record | int]] = [
        (service, "DefineSystem", Record("CIM_VirtualSystemSettingData", {"ElementName": "new"})),
        (service, "DefineSystem", Record("CIM_VirtualSystemSettingData", {"ElementName": "new"})),
        (system_path(3), "RequestStateChange", 2),
    ]
    for path, method, value in names:
        parameter = "RequestedState" if isinstance(value, int) else "SystemSettings"
        endpoint.gate.clear()
        job = job_of(providers.invoke_method(path, method, {parameter: value}))
        if not isinstance(value, int):
            endpoint.gate.set()
            ended(providers, job)
    # What carries the last one is known by then: its job does not change any more.
    wait_for(lambda: endpoint.held > 0)


def system_path(number: int) -> ObjectPath:
    keys = {"CreationClassName": "VirtCIM_ComputerSystem", "Name": identity("vm", number)}
    return ObjectPath("VirtCIM_ComputerSystem", keys, namespace="root/virt")


def records(providers: Providers, namespace: str, class_name: str) -> list[Record]:
    return list(providers.enumerate_instances(namespace, class_name))


def shown(record: Record) -> tuple[object, object]:
    """What there is to see of a record: that it is the same object is the record cache's."""
    return record.path, record.values


def in_value_map(value: object, value_map: list[str]) -> bool:
    for entry in value_map:
        low, dots, high = entry.partition("..")
        if not dots:
            if str(value) == entry:
                return True
        elif (
            isinstance(value, int)
            and low
            and int(low, 0) <= value
            and (not high or value <= int(high, 0))
        ):
            return True
    return False


def check_scalar(value: object, declared: Any, where: str) -> None:
    assert isinstance(value, PYTHON_TYPES[declared.type]), where
    assert isinstance(value, bool) == (declared.type == "boolean"), where
    if declared.type.startswith("uint"):
        assert isinstance(value, int)
        assert 0 <= value < 2 ** int(declared.type[4:]), where
    if isinstance(value, datetime):
        assert value.tzinfo is not None, where
    value_map = declared.qualifiers.get("ValueMap")
    if value_map is not None:
        assert in_value_map(value, value_map.value), f"{where}: {value!r}"
    length = declared.qualifiers.get("MaxLen")
    if length is not None and isinstance(value, str) and length.value is not None:
        assert len(value) <= length.value, where


@pytest.mark.parametrize(("namespace", "class_name"), SERVED)
def test_every_record_fits_its_class_declaration(
    populated: Providers, schema: Schema, namespace: str, class_name: str
) -> None:
    declared = schema.find(class_name)
    assert declared is not None
    for record in records(populated, namespace, class_name):
        assert record.class_name == declared.classname
        for name, value in record.values.items():
            where = f"{class_name}.{name}"
            assert name in declared.properties, where
            property_ = declared.properties[name]
            assert property_.name == name, where
            assert isinstance(value, list) == bool(property_.is_array), where
            for item in value if isinstance(value, list) else [value]:
                check_scalar(item, property_, where)
        for property_ in declared.properties.values():
            if "Key" in property_.qualifiers or "Required" in property_.qualifiers:
                assert record.values.get(property_.name) is not None, property_.name


@pytest.mark.parametrize(("namespace", "class_name"), SERVED)
def test_names_hold_exactly_the_keys_with_the_values_of_the_instance(
    populated: Providers, schema: Schema, namespace: str, class_name: str
) -> None:
    declared = schema.find(class_name)
    assert declared is not None
    keys = [each.name for each in declared.properties.values() if "Key" in each.qualifiers]
    found = records(populated, namespace, class_name)
    for record in found:
        assert record.path is not None
        assert record.path.namespace == namespace
        assert record.path.class_name == declared.classname
        assert sorted(name for name, _ in record.path.keys) == sorted(keys)
        assert all(record.values[name] == value for name, value in record.path.keys)
    assert len({record.path for record in found}) == len(found)


@pytest.mark.parametrize(("namespace", "class_name"), SERVED)
def test_getting_an_instance_gives_the_record_of_the_enumeration(
    populated: Providers, namespace: str, class_name: str
) -> None:
    for record in records(populated, namespace, class_name):
        assert record.path is not None
        assert shown(populated.get_instance(record.path)) == shown(record)


@pytest.mark.parametrize(("namespace", "class_name"), SERVED)
def test_every_class_has_instances(populated: Providers, namespace: str, class_name: str) -> None:
    found = records(populated, namespace, class_name)
    assert found


def test_an_enumeration_of_a_superclass_holds_the_instances_of_all_subclasses(
    populated: Providers, schema: Schema
) -> None:
    for superclass in ("CIM_ManagedElement", "CIM_System", "cim_settingdata", "CIM_ResourcePool"):
        expected = [
            record
            for name in INSTANCE_NAMES
            if schema.is_a(name, superclass)
            for record in records(populated, "root/virt", name)
        ]
        found = records(populated, "root/virt", superclass)
        assert [shown(record) for record in found] == [shown(record) for record in expected]
        assert expected


@pytest.mark.parametrize(("namespace", "name"), SERVED_ASSOCIATIONS)
def test_an_association_is_the_same_from_both_ends(
    populated: Providers, schema: Schema, namespace: str, name: str
) -> None:
    declared = schema.find(name)
    assert declared is not None
    found = records(populated, namespace, name)
    for record in found:
        assert record.path is not None
        (role, end), (other_role, other) = record.path.keys
        assert isinstance(end, ObjectPath)
        assert isinstance(other, ObjectPath)
        for path, own, far, far_role in (
            (end, role, other, other_role),
            (other, other_role, end, role),
        ):
            assert schema.is_a(path.class_name, declared.properties[own].reference_class)
            assert populated.get_instance(path).path == path
            if path.namespace != namespace:
                continue  # associations of another namespace lead from there
            assert far in populated.associator_names(path, assoc_class=name)
            assert far in populated.associator_names(
                path, assoc_class=name, role=own.upper(), result_role=far_role
            )
            opposite = populated.associator_names(path, assoc_class=name, role=far_role)
            assert far not in opposite or far == path or name == "VirtCIM_ReferencedProfile"
            assert record.path in populated.reference_names(path, result_class=name, role=own)
            assert record.values in [
                each.values for each in populated.references(path, result_class=name)
            ]


@pytest.mark.parametrize(("namespace", "name"), SERVED_ASSOCIATIONS)
def test_an_association_has_no_more_instances_than_its_ends_tell(
    populated: Providers, namespace: str, name: str
) -> None:
    enumerated = [record.path for record in records(populated, namespace, name)]
    assert len(set(enumerated)) == len(enumerated)
    from_ends = {
        path
        for own, class_name in SERVED_INSTANCES
        if own == namespace
        for record in records(populated, namespace, class_name)
        if record.path is not None
        for path in populated.reference_names(record.path, result_class=name)
    }
    assert from_ends == set(enumerated)


def test_associators_give_the_instances_that_their_names_name(populated: Providers) -> None:
    for namespace, class_name in SERVED_INSTANCES:
        for record in records(populated, namespace, class_name):
            assert record.path is not None
            found = populated.associators(record.path)
            assert [each.path for each in found] == populated.associator_names(record.path)
            for each in found:
                assert each.path is not None
                assert shown(populated.get_instance(each.path)) == shown(each)
