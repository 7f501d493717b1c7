"""Classes of every CIM type beside the real ones, and records as full as those of real systems."""

from __future__ import annotations

from datetime import UTC, datetime

import pywbem

from virtcim.cim.records import ObjectPath, Record, Value
from virtcim.mof import Schema, load_schema

__all__ = ["EVERYTHING", "everything_class", "extended_schema", "system"]

NAMESPACE = "root/virt"

#: A class with a property and a parameter of every type.
EVERYTHING = "Test_Everything"

_SCALAR_TYPES = (
    *(f"{sign}int{bits}" for sign in "us" for bits in (8, 16, 32, 64)),
    *("boolean", "string", "char16", "datetime", "real32", "real64"),
)
_EVERY_TYPE = [*_SCALAR_TYPES, "reference", "embedded"]


def extended_schema() -> Schema:
    """The real schema, with Test_Everything: a property and a parameter of every type."""
    real = load_schema()
    return Schema([*real.classes.values(), everything_class()], real.qualifiers.values())


def everything_class() -> pywbem.CIMClass:
    """Test_Everything."""
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
