"""Make cim/value_maps.py: the named values of the properties and parameters that the code uses.

Reads the qualifiers ValueMap and Values of the compiled schema; names and numbers only. To be run
again when the schema or the rows below have changed.

Example: .venv/bin/python scripts/value_maps.py
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from virtcim.mof import Schema, SchemaError, load_schema

__all__ = ["TARGET", "ValueMapError", "module_text"]

TARGET = Path(__file__).resolve().parent.parent / "cim" / "value_maps.py"
_SCHEMA_VERSION = "2.49"


class ValueMapError(Exception):
    """The schema does not say what a row asks for; the text says which."""


class _Row(NamedTuple):
    """A name, and the property (``Class.Property``) whose values are named.

    ``Class.Method()`` are the return values of a method, ``Class.Method(Parameter)`` the values of
    a parameter. ``only`` are the names that are used, where the schema has many more; an
    ``is_enum`` can be gone through and made of a number.
    """

    name: str
    declared: str
    only: tuple[str, ...] = ()
    is_enum: bool = False


_ROWS = (
    _Row("EnabledState", "CIM_EnabledLogicalElement.EnabledState"),
    _Row("RequestedState", "CIM_EnabledLogicalElement.RequestedState"),
    _Row("EnabledDefault", "CIM_EnabledLogicalElement.EnabledDefault"),
    _Row(
        "StateChangeResult",
        "CIM_EnabledLogicalElement.RequestStateChange()",
        only=("Use of Timeout Parameter Not Supported",),
    ),
    _Row(
        "OperationalStatus",
        "CIM_ManagedSystemElement.OperationalStatus",
        only=(
            *("Unknown", "OK", "Degraded", "Error", "Stopping", "Stopped", "In Service"),
            *("No Contact", "Dormant", "Completed"),
        ),
    ),
    _Row("HealthState", "CIM_ManagedSystemElement.HealthState"),
    _Row(
        "OperatingStatus",
        "CIM_ManagedSystemElement.OperatingStatus",
        only=("Unknown", "Servicing", "Stopped", "Dormant", "In Service"),
    ),
    _Row("PrimaryStatus", "CIM_ManagedSystemElement.PrimaryStatus"),
    _Row("Dedicated", "CIM_ComputerSystem.Dedicated", only=("Not Dedicated",)),
    _Row("AutomaticStartupAction", "CIM_VirtualSystemSettingData.AutomaticStartupAction"),
    _Row("AutomaticRecoveryAction", "CIM_VirtualSystemSettingData.AutomaticRecoveryAction"),
    _Row("ResourceType", "CIM_ResourceAllocationSettingData.ResourceType"),
    _Row("ConsumerVisibility", "CIM_ResourceAllocationSettingData.ConsumerVisibility"),
    _Row("Access", "CIM_StorageAllocationSettingData.Access"),
    _Row("NameFormat", "CIM_StorageExtent.NameFormat", only=("Other", "OS Device Name")),
    _Row("NameNamespace", "CIM_StorageExtent.NameNamespace", only=("Other", "OS Device Namespace")),
    _Row("DataOrganization", "CIM_StorageExtent.DataOrganization"),
    _Row(
        "MediaCapability",
        "CIM_MediaAccessDevice.Capabilities",
        only=("Random Access", "Supports Writing", "Supports Removeable Media"),
    ),
    _Row("LinkTechnology", "CIM_NetworkPort.LinkTechnology", only=("Ethernet",)),
    _Row("PortType", "CIM_LogicalPort.PortType", only=("Unknown",)),
    _Row("VideoArchitecture", "CIM_DisplayController.VideoArchitecture", only=("Unknown",)),
    _Row("RequestType", "CIM_AllocationCapabilities.RequestTypesSupported"),
    _Row("SharingMode", "CIM_AllocationCapabilities.SharingMode"),
    _Row("PropertyPolicy", "CIM_SettingsDefineCapabilities.PropertyPolicy"),
    _Row("ValueRole", "CIM_SettingsDefineCapabilities.ValueRole"),
    _Row("ValueRange", "CIM_SettingsDefineCapabilities.ValueRange"),
    _Row("ServiceEffect", "CIM_ServiceAffectsElement.ElementEffects", only=("Manages",)),
    _Row("JobEffect", "CIM_AffectedJobElement.ElementEffects", only=("Create",)),
    _Row("IsDefault", "CIM_ElementSettingData.IsDefault"),
    _Row("IsCurrent", "CIM_ElementSettingData.IsCurrent"),
    _Row("IsNext", "CIM_ElementSettingData.IsNext"),
    _Row(
        "JobState",
        "CIM_ConcreteJob.JobState",
        only=("Running", "Shutting Down", "Completed", "Terminated", "Killed", "Exception"),
        is_enum=True,
    ),
    _Row(
        "RequestedJobState",
        "CIM_ConcreteJob.RequestStateChange(RequestedState)",
        only=("Terminate", "Kill"),
    ),
    _Row("LocalOrUtcTime", "CIM_Job.LocalOrUtcTime"),
    _Row("PowerState", "CIM_AssociatedPowerManagementService.PowerState", only=("Other", "On")),
    _Row(
        "RequestedPowerState",
        "CIM_AssociatedPowerManagementService.RequestedPowerState",
        only=("Not Applicable",),
    ),
    _Row(
        "SystemManagementMethod",
        "CIM_VirtualSystemManagementCapabilities.SynchronousMethodsSupported",
    ),
    _Row(
        "PoolConfigurationMethod",
        "CIM_ResourcePoolConfigurationCapabilities.SynchronousMethodsSupported",
        only=("CreateChild ResourcePool is supported", "DeleteResourcePool is supported"),
    ),
    _Row(
        "PersistenceType",
        "CIM_ListenerDestination.PersistenceType",
        only=("Permanent", "Transient"),
    ),
    _Row("DestinationProtocol", "CIM_ListenerDestination.Protocol", only=("CIM-XML",)),
    _Row(
        "OnFatalErrorPolicy",
        "CIM_IndicationSubscription.OnFatalErrorPolicy",
        only=("Ignore", "Disable", "Remove"),
        is_enum=True,
    ),
    _Row(
        "SubscriptionState",
        "CIM_IndicationSubscription.SubscriptionState",
        only=("Enabled", "Enabled Degraded", "Disabled"),
        is_enum=True,
    ),
    _Row(
        "RepeatNotificationPolicy",
        "CIM_IndicationSubscription.RepeatNotificationPolicy",
        only=("Unknown", "None"),
    ),
    _Row(
        "SubscriptionRemovalAction",
        "CIM_IndicationService.SubscriptionRemovalAction",
        only=("Remove", "Disable", "Ignore"),
        is_enum=True,
    ),
    _Row("SpecificationType", "CIM_RegisteredSpecification.SpecificationType", only=("Profile",)),
    _Row(
        "RegisteredOrganization",
        "CIM_RegisteredSpecification.RegisteredOrganization",
        only=("DMTF",),
    ),
    _Row("AdvertiseType", "CIM_RegisteredSpecification.AdvertiseTypes", only=("Not Advertised",)),
    _Row("ErrorSourceFormat", "CIM_Error.ErrorSourceFormat"),
    _Row(
        "AlertType",
        "CIM_AlertIndication.AlertType",
        only=(
            *("Other", "Communications Alert", "Processing Error", "Security Alert"),
            "Quality of Service Alert",
        ),
    ),
    _Row(
        "AlertingElementFormat",
        "CIM_AlertIndication.AlertingElementFormat",
        only=("Unknown", "CIMObjectPath"),
    ),
    _Row(
        "PerceivedSeverity",
        "CIM_AlertIndication.PerceivedSeverity",
        only=("Information", "Degraded/Warning"),
    ),
    _Row("ClassInfo", "CIM_Namespace.ClassInfo", only=("Other",)),
    _Row("ClassType", "CIM_Namespace.ClassType", only=("CIM",)),
)
_DECLARED = re.compile(r"(?P<owner>\w+)\.(?P<member>\w+)(?:\((?P<parameter>\w*)\))?")


def main(arguments: list[str]) -> int:
    """Write the module; the exit status says whether it could be."""
    if arguments:
        print(__doc__)
        return 0 if arguments[0] in ("-h", "--help") else 2
    try:
        text = module_text(load_schema())
    except (SchemaError, ValueMapError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


def module_text(schema: Schema) -> str:
    """The text of the module. Raises ValueMapError."""
    names = [row.name for row in _ROWS] + [_type_name(row) for row in _ROWS if not row.is_enum]
    exported = "\n".join(f'    "{name}",' for name in sorted(names, key=_sorting))
    types = "\n".join(
        f'{_type_name(row)} = NewType("{_type_name(row)}", int)' for row in _ROWS if not row.is_enum
    )
    classes = "\n\n\n".join(_class_text(schema, row) for row in _ROWS)
    return (
        f'"""The named values of properties and parameters in the CIM schema {_SCHEMA_VERSION}.\n\n'
        "Made by scripts/value_maps.py from the qualifiers ValueMap and Values: not to be edited.\n"
        "Plain numbers, whose types differ: an enumeration would cost the start, and each reading\n"
        'of a name. JobState is one, as jobs are read from a database.\n"""\n\n'
        "from __future__ import annotations\n\nfrom enum import IntEnum\nfrom typing import NewType"
        f"\n\n__all__ = [\n{exported}\n]\n\n{types}\n\n\n{classes}\n"
    )


def _type_name(row: _Row) -> str:
    return f"{row.name}Value"


def _sorting(name: str) -> tuple[str, ...]:
    """The order in which the linter wants names to be exported."""
    return tuple(part.zfill(9) if part.isdecimal() else part for part in re.split(r"(\d+)", name))


def _class_text(schema: Schema, row: _Row) -> str:
    base, before, after = ("(IntEnum)", "", "") if row.is_enum else ("", f"{_type_name(row)}(", ")")
    members = "\n".join(
        f"    {name} = {before}{number}{after}" for name, number in _members(schema, row)
    )
    return f'class {row.name}{base}:\n    """{row.declared}"""\n\n{members}'


def _members(schema: Schema, row: _Row) -> Iterator[tuple[str, int]]:
    seen: set[str] = set()
    for number, value in _named_values(schema, row):
        if row.only and value not in row.only:
            continue
        name = _identifier(value)
        if name in seen or not name.isidentifier():
            raise ValueMapError(f"{row.declared}: {value!r} is no name of its own")
        seen.add(name)
        yield name, number
    if len(seen) < max(1, len(row.only)):
        raise ValueMapError(f"{row.declared}: not all of {row.only or 'its values'} are there")


def _named_values(schema: Schema, row: _Row) -> Iterator[tuple[int, str]]:
    """The single numbers with their names: ranges are reserved ones."""
    qualifiers = _declaration(schema, row).qualifiers
    if "ValueMap" not in qualifiers or "Values" not in qualifiers:
        raise ValueMapError(f"{row.declared} has no ValueMap with Values")
    pairs = zip(qualifiers["ValueMap"].value, qualifiers["Values"].value, strict=True)
    return ((int(number, 0), value) for number, value in pairs if ".." not in number)


def _declaration(schema: Schema, row: _Row):  # type: ignore[no-untyped-def]
    """The property, method or parameter that has the qualifiers."""
    parts = _DECLARED.fullmatch(row.declared)
    declared = schema.find(parts["owner"]) if parts else None
    if parts is None or declared is None:
        raise ValueMapError(f"{row.declared}: there is no such class")
    try:
        if parts["parameter"] is None:
            return declared.properties[parts["member"]]
        method = declared.methods[parts["member"]]
        return method.parameters[parts["parameter"]] if parts["parameter"] else method
    except KeyError as error:
        raise ValueMapError(f"{row.declared} is not declared") from error


def _identifier(value: str) -> str:
    """``EnabledButOffline`` and ``Enabled but Offline`` become ``ENABLED_BUT_OFFLINE``."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", value)
    return re.sub(r"\W+", "_", words).strip("_").upper()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
