"""Creating, changing and deleting one instance.

DSP0200 "CreateInstance", "ModifyInstance", "DeleteInstance" and "SetProperty". What describes
virtual machines is changed by methods; what can be created are filters, listener destinations and
subscriptions.
"""

from __future__ import annotations

from virtcim.cim.cimxml.paths import instance_name
from virtcim.cim.cimxml.responses import Reply
from virtcim.cim.cimxml.values import shown
from virtcim.cim.path_text import path_text
from virtcim.cim.records import CimError, ObjectPath, Record, StatusCode
from virtcim.cimserver.errors import invalid_parameter
from virtcim.cimserver.guard import shown_values
from virtcim.cimserver.indications.subscriptions import SubscriptionManager
from virtcim.cimserver.operations.call import Arguments, Context, Operation

__all__ = ["OPERATIONS"]


def _create_instance(context: Context, arguments: Arguments) -> Reply:
    given = arguments.record("NewInstance")
    of_class = ObjectPath(given.class_name, namespace=context.namespace)
    with context.guard.writing("CreateInstance", of_class) as deed:
        manager = _manager(context, given.class_name, "created by CreateInstance")
        path = manager.create(
            context.namespace, given, context.principal, may_touch=context.guard.may_touch
        )
        deed.details["result"] = path_text(path)
    return Reply(result=[instance_name(path).encode()])


def _modify_instance(context: Context, arguments: Arguments) -> Reply:
    given, names = arguments.record("ModifiedInstance"), arguments.names("PropertyList")
    assert given.path is not None
    if given.path.class_name != given.class_name:
        raise invalid_parameter(
            f"ModifiedInstance is of {given.class_name} and named as one of {given.path.class_name}"
        )
    declared = context.services.declarations.properties(given.class_name)
    for name in names or ():
        if name not in declared:
            raise _no_property(given.class_name, name)
    return _modify(context, "ModifyInstance", given, names)


def _set_property(context: Context, arguments: Arguments) -> Reply:
    path, name = arguments.path("InstanceName"), arguments.text("PropertyName")
    declarations = context.services.declarations
    declared = declarations.properties(path.class_name).get(name.lower())
    if declared is None:
        raise _no_property(path.class_name, name)
    value = arguments.value("NewValue", declared, context.reader)
    given = Record(path.class_name, {declared.name: value}, path)
    return _modify(context, "SetProperty", given, frozenset({declared.name.lower()}))


def _modify(context: Context, operation: str, given: Record, names: frozenset[str] | None) -> Reply:
    assert given.path is not None
    details = {"parameters": shown_values(given.values)}
    with context.guard.writing(operation, given.path, details):
        manager = _manager(context, given.class_name, f"changed by {operation}")
        manager.modify(given.path, given, names, may_touch=context.guard.may_touch)
    return Reply(result=None)


def _delete_instance(context: Context, arguments: Arguments) -> Reply:
    path, manager = arguments.path("InstanceName"), context.services.subscriptions
    if manager is None or not manager.concerns(path.class_name):
        context.providers.delete_instance(path)
        return Reply(result=None)
    with context.guard.writing("DeleteInstance", path):
        manager.delete(path, may_touch=context.guard.may_touch)
    return Reply(result=None)


def _manager(context: Context, class_name: str, what: str) -> SubscriptionManager:
    manager = context.services.subscriptions
    if manager is None or not manager.concerns(class_name):
        raise CimError(
            StatusCode.NOT_SUPPORTED,
            f"instances of {class_name} cannot be {what}; methods of the management services "
            "change virtual systems and pools",
        )
    return manager


def _no_property(class_name: str, name: str) -> CimError:
    return CimError(StatusCode.NO_SUCH_PROPERTY, f"{class_name} has no property {shown(name)}")


OPERATIONS: dict[str, Operation] = {
    "CreateInstance": Operation(
        parameters={"NewInstance": "new instance"}, required=("NewInstance",), run=_create_instance
    ),
    "ModifyInstance": Operation(
        parameters={
            "ModifiedInstance": "named instance",
            "IncludeQualifiers": "boolean",
            "PropertyList": "strings",
        },
        required=("ModifiedInstance",),
        run=_modify_instance,
    ),
    "SetProperty": Operation(
        parameters={"InstanceName": "instance", "PropertyName": "string", "NewValue": "value"},
        required=("InstanceName", "PropertyName"),
        run=_set_property,
    ),
    "DeleteInstance": Operation(
        parameters={"InstanceName": "instance"}, required=("InstanceName",), run=_delete_instance
    ),
}
