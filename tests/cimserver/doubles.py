"""Providers that hold fixed records over the real schema, and classes of every CIM type."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

import pywbem

from virtcim.cim.records import (
    CimError,
    MethodResult,
    ObjectPath,
    Record,
    StatusCode,
    Value,
)
from virtcim.mof import Schema, load_schema

__all__ = ["HOST_UUID", "FixedProviders", "extended_schema", "host", "many_systems", "system"]

NAMESPACE = "root/virt"
HOST_UUID = "00000000-0000-0000-0000-00000000ffff"

_SCALAR_TYPES = (
    *(f"{sign}int{bits}" for sign in "us" for bits in (8, 16, 32, 64)),
    *("boolean", "string", "char16", "datetime", "real32", "real64"),
)
_EVERY_TYPE = [*_SCALAR_TYPES, "reference", "embedded"]


def extended_schema() -> Schema:
    """The real schema, with Test_Everything: a property and a parameter of every type."""
    real = load_schema()
    return Schema([*real.classes.values(), _everything()], real.qualifiers.values())


def _everything() -> pywbem.CIMClass:
    key = pywbem.CIMQualifier("Key", True)
    properties = [pywbem.CIMProperty("Id", None, "string", qualifiers=[key])]
    parameters = []
    for kind in _EVERY_TYPE:
        for is_array in (False, True):
            if kind == "reference" and is_array:
                parameters.append(_parameter("A_reference", kind, is_array=True))
                continue
            name = f"{'A' if is_array else 'S'}_{kind}"
            properties.append(_property(name, kind, is_array=is_array))
            parameters.append(_parameter(name, kind, is_array=is_array))
    echo = pywbem.CIMMethod("Echo", "uint32", parameters=parameters)
    numbered = pywbem.CIMMethod("Numbered", "string")
    return pywbem.CIMClass(
        "Test_Everything",
        superclass="CIM_ManagedElement",
        properties=properties,
        methods=[echo, numbered],
    )


def _shape(kind: str) -> tuple[str, list[pywbem.CIMQualifier]]:
    if kind == "embedded":
        return "string", [pywbem.CIMQualifier("EmbeddedInstance", "CIM_ComputerSystem")]
    return kind, []


def _property(name: str, kind: str, *, is_array: bool) -> pywbem.CIMProperty:
    type_name, qualifiers = _shape(kind)
    reference = "CIM_ComputerSystem" if kind == "reference" else None
    return pywbem.CIMProperty(
        name,
        None,
        type_name,
        is_array=is_array,
        reference_class=reference,
        qualifiers=qualifiers,
        class_origin="Test_Everything",
    )


def _parameter(name: str, kind: str, *, is_array: bool) -> pywbem.CIMParameter:
    type_name, qualifiers = _shape(kind)
    return pywbem.CIMParameter(
        name,
        type_name,
        is_array=is_array,
        reference_class="CIM_ComputerSystem" if kind == "reference" else None,
        qualifiers=[*qualifiers, pywbem.CIMQualifier("Out", True)],
    )


def host() -> Record:
    """The host that all systems live on."""
    keys = {"CreationClassName": "VirtCIM_HostSystem", "Name": HOST_UUID}
    path = ObjectPath("VirtCIM_HostSystem", keys, namespace=NAMESPACE)
    return Record("VirtCIM_HostSystem", {**keys, "ElementName": "host"}, path)


def system(number: int, **changed: Value) -> Record:
    """A virtual system with as many properties as a real one has."""
    keys = {
        "CreationClassName": "VirtCIM_ComputerSystem",
        "Name": f"00000000-0000-0000-0000-{number:012}",
    }
    path = ObjectPath("VirtCIM_ComputerSystem", keys, namespace=NAMESPACE)
    values: dict[str, Value] = {
        **keys,
        "ElementName": f"vm-{number}",
        "NameFormat": "Other",
        "Caption": "Virtual system",
        "Description": f"The virtual system vm-{number}",
        "EnabledState": 2,
        "RequestedState": 12,
        "EnabledDefault": 3,
        "TransitioningToState": 12,
        "AvailableRequestedStates": [3, 4, 6, 9, 10, 11],
        "HealthState": 5,
        "OperationalStatus": [2],
        "StatusDescriptions": ["running"],
        "Status": "OK",
        "CommunicationStatus": 2,
        "DetailedStatus": 1,
        "OperatingStatus": 2,
        "PrimaryStatus": 1,
        "TimeOfLastStateChange": datetime(2026, 11, 20, 10, 0, number % 60, tzinfo=UTC),
        "InstallDate": datetime(2026, 1, 1, tzinfo=UTC),
        "OtherIdentifyingInfo": [f"vm-{number}", keys["Name"]],
        "IdentifyingDescriptions": ["label", "uuid"],
        "Dedicated": [2],
        "ResetCapability": 4,
    }
    return Record("VirtCIM_ComputerSystem", values | changed, path)


def many_systems(count: int) -> list[Record]:
    """``count`` virtual systems."""
    return [system(number) for number in range(count)]


class FixedProviders:
    """Implements the provider boundary over a list of records that a test may change.

    The host is associated with every virtual system. ``methods`` holds what to do by method name;
    ``calls`` every method call that came in, ``surprises`` those that nothing was ordered for and
    that are not ``unknown``. ``failure`` is raised by every read when it is set;
    ``languages`` are those that were asked for.
    """

    def __init__(self, schema: Schema, records: Sequence[Record] = ()) -> None:
        self.namespaces = ("root/virt", "root/virt/other")
        self.schema = schema
        self.reset(records)

    def reset(self, records: Sequence[Record]) -> None:
        """Forget everything but these records."""
        self.records = list(records)
        self.methods: dict[str, Callable[[ObjectPath, Mapping[str, Value]], MethodResult]] = {}
        self.calls: list[tuple[ObjectPath, str, dict[str, Value]]] = []
        self.unknown: set[str] = set()
        self.surprises: list[str] = []
        self.failure: Exception | None = None
        self.languages: list[str] = []
        self.at_once = True

    def in_language(self, language: str) -> FixedProviders:
        self.languages.append(language)
        return self

    def reads_at_once(self, path: ObjectPath) -> bool:
        return self.at_once and bool(path.keys)

    def enumerate_instances(self, namespace: str, class_name: str) -> Iterable[Record]:
        self._check()
        if namespace != NAMESPACE:
            return []
        return [
            one
            for one in self.records
            if self.schema.is_a(one.class_name, class_name)
            or self.schema.find(one.class_name) is None
        ]

    def get_instance(self, path: ObjectPath) -> Record:
        self._check()
        for one in self.records:
            if one.path is not None and _same(one.path, path):
                return one
        raise CimError(StatusCode.NOT_FOUND, f"ERR_VM_NOT_FOUND: there is no {path!r}")

    def delete_instance(self, path: ObjectPath) -> None:
        self.records.remove(self.get_instance(path))

    def associators(
        self,
        path: ObjectPath,
        *,
        assoc_class: str = "",
        result_class: str = "",
        role: str = "",
        result_role: str = "",
    ) -> list[Record]:
        return [
            self.get_instance(other)
            for _, other in self._links(path, assoc_class, role, result_role)
            if not result_class or self.schema.is_a(other.class_name, result_class)
        ]

    def associator_names(
        self,
        path: ObjectPath,
        *,
        assoc_class: str = "",
        result_class: str = "",
        role: str = "",
        result_role: str = "",
    ) -> list[ObjectPath]:
        found = self.associators(
            path,
            assoc_class=assoc_class,
            result_class=result_class,
            role=role,
            result_role=result_role,
        )
        return [one.path for one in found if one.path is not None]

    def references(
        self, path: ObjectPath, *, result_class: str = "", role: str = ""
    ) -> list[Record]:
        return [link for link, _ in self._links(path, result_class, role, "")]

    def reference_names(
        self, path: ObjectPath, *, result_class: str = "", role: str = ""
    ) -> list[ObjectPath]:
        found = self.references(path, result_class=result_class, role=role)
        return [one.path for one in found if one.path is not None]

    def invoke_method(
        self, path: ObjectPath, method_name: str, parameters: Mapping[str, Value]
    ) -> MethodResult:
        self._check()
        self.calls.append((path, method_name, dict(parameters)))
        if method_name not in self.methods:
            if method_name not in self.unknown:
                self.surprises.append(f"{method_name} of {path!r}")
            raise CimError(StatusCode.METHOD_NOT_AVAILABLE, f"{method_name} does nothing here")
        return self.methods[method_name](path, parameters)

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _links(
        self, path: ObjectPath, association: str, role: str, result_role: str
    ) -> list[tuple[Record, ObjectPath]]:
        start = self.get_instance(path).path
        if association and not self.schema.is_a("VirtCIM_HostedDependency", association):
            return []
        links = []
        for one in self.records:
            if one.class_name != "VirtCIM_ComputerSystem" or one.path is None:
                continue
            ends = {"antecedent": _host_path(), "dependent": one.path}
            for near, far in (("antecedent", "dependent"), ("dependent", "antecedent")):
                if ends[near] != start or role.lower() not in ("", near):
                    continue
                if result_role.lower() in ("", far):
                    links.append((_link(one.path), ends[far]))
        return links


def _same(one: ObjectPath, other: ObjectPath) -> bool:
    return one.namespace == other.namespace and dict(one.keys) == dict(other.keys)


def _host_path() -> ObjectPath:
    found = host().path
    assert found is not None
    return found


def _link(dependent: ObjectPath) -> Record:
    ends = {"Antecedent": _host_path(), "Dependent": dependent}
    path = ObjectPath("VirtCIM_HostedDependency", ends, namespace=NAMESPACE)
    return Record("VirtCIM_HostedDependency", dict(ends), path)
