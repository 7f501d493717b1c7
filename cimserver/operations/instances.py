"""Reading one instance (DSP0200 "GetInstance" and "GetProperty")."""

from __future__ import annotations

from virtcim.cim.cimxml.responses import Reply
from virtcim.cim.cimxml.values import shown
from virtcim.cim.records import CimError, StatusCode
from virtcim.cimserver.operations.call import Arguments, Context, Operation
from virtcim.cimserver.operations.collections import selection

__all__ = ["OPERATIONS"]


def _get_instance(context: Context, arguments: Arguments) -> Reply:
    record = context.providers.get_instance(arguments.path("InstanceName"))
    wanted = selection(context, arguments)
    return Reply(result=[context.services.encoder.instance(record, wanted)])


def _get_property(context: Context, arguments: Arguments) -> Reply:
    services = context.services
    record = context.providers.get_instance(arguments.path("InstanceName"))
    name = arguments.text("PropertyName")
    declared = services.declarations.properties(record.class_name).get(name.lower())
    if declared is None:
        raise CimError(
            StatusCode.NO_SUCH_PROPERTY, f"{record.class_name} has no property {shown(name)}"
        )
    value = record.values.get(declared.name)
    if value is None:
        return Reply(result=[])
    return Reply(result=[services.encoder.value(value, declared).encode()])


OPERATIONS: dict[str, Operation] = {
    "GetInstance": Operation(
        parameters={
            "InstanceName": "instance",
            "LocalOnly": "boolean",
            "IncludeQualifiers": "boolean",
            "IncludeClassOrigin": "boolean",
            "PropertyList": "strings",
        },
        required=("InstanceName",),
        run=_get_instance,
        around="InstanceName",
    ),
    "GetProperty": Operation(
        parameters={"InstanceName": "instance", "PropertyName": "string"},
        required=("InstanceName", "PropertyName"),
        run=_get_property,
        around="InstanceName",
    ),
}
