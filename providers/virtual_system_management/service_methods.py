"""The methods of the management service: systems are made, changed and removed (DSP1042)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from virtcim.cim.path_text import path_text
from virtcim.cim.records import MethodResult, ObjectPath
from virtcim.errormap import ErrorCode
from virtcim.hypervisor.model import VirtualSystem
from virtcim.providers.engine.instance_class import AnyClass
from virtcim.providers.errors import failure, rejected
from virtcim.providers.jobs.invocation import SUCCESS, Call, Method
from virtcim.providers.jobs.operation import Operation
from virtcim.providers.resources.registry import added_settings
from virtcim.providers.state.job import JobElement
from virtcim.providers.virtual_system.computer_system import (
    COMPUTER_SYSTEM,
    path_of_system,
    system_element,
)
from virtcim.providers.virtual_system.settings import SYSTEM_SETTINGS
from virtcim.providers.virtual_system_management.definition import read_definition
from virtcim.providers.virtual_system_management.modification import (
    read_added_resources,
    read_modified_resources,
    read_modified_system,
    read_removed_resources,
)
from virtcim.providers.virtual_system_management.service import MANAGEMENT_SERVICE

__all__ = ["MANAGEMENT_METHODS"]


def _define_system(call: Call) -> MethodResult:
    """DSP1042 "CIM_VirtualSystemManagementService.DefineSystem"."""
    reference = None
    if call.parameter("ReferenceConfiguration") is not None:
        reference = _settings_of(call, "ReferenceConfiguration")
    spec = read_definition(
        call.view,
        call.classes,
        call.parameter("SystemSettings"),
        call.parameter("ResourceSettings"),
        reference,
    )

    def define(monitor: Operation) -> MethodResult:
        uuid = call.endpoint.define(spec, monitor)
        system = path_of_system(uuid, call.view.namespace)
        return MethodResult(return_value=SUCCESS, output={"ResultingSystem": system})

    return call.run("DefineSystem", define)


def _destroy_system(call: Call) -> MethodResult:
    """DSP1042 "CIM_VirtualSystemManagementService.DestroySystem"."""
    path = call.parameter("AffectedSystem")
    if not isinstance(path, ObjectPath):
        raise rejected("AffectedSystem: a reference to a virtual system is needed")
    node = call.resolve(path)
    if node is None:
        raise failure(
            ErrorCode.ERR_VM_NOT_FOUND, f"there is no virtual system {path_text(path)}", source=path
        )
    if not COMPUTER_SYSTEM.owns(node):
        raise rejected(f"AffectedSystem: {path_text(path)} is no virtual system")
    uuid = node.sources.system.uuid

    def destroy(monitor: Operation) -> MethodResult:
        call.endpoint.destroy(uuid, monitor)
        return MethodResult(return_value=SUCCESS)

    return call.run("DestroySystem", destroy, affected=[system_element(uuid)])


def _modify_system_settings(call: Call) -> MethodResult:
    """DSP1042 "CIM_VirtualSystemManagementService.ModifySystemSettings"."""
    uuid, change = read_modified_system(call.view, call.classes, call.parameter("SystemSettings"))

    def modify(monitor: Operation) -> MethodResult:
        call.endpoint.modify(uuid, change, monitor)
        return MethodResult(return_value=SUCCESS)

    return call.run("ModifySystemSettings", modify, affected=[system_element(uuid)])


def _add_resource_settings(call: Call) -> MethodResult:
    """DSP1042 "CIM_VirtualSystemManagementService.AddResourceSettings"."""
    system = _settings_of(call, "AffectedConfiguration")
    added = read_added_resources(call.view, call.classes, call.parameter("ResourceSettings"))

    def add(monitor: Operation) -> MethodResult:
        devices = call.endpoint.modify(system.uuid, added.change, monitor)
        made = {kind: iter(added_settings(kind, system.uuid, devices)) for kind in added.kinds}
        return _resulting(call, [(kind.allocation, next(made[kind])) for kind in added.kinds])

    return call.run("AddResourceSettings", add, affected=[system_element(system.uuid)])


def _modify_resource_settings(call: Call) -> MethodResult:
    """DSP1042 "CIM_VirtualSystemManagementService.ModifyResourceSettings"."""
    modified = read_modified_resources(call.view, call.classes, call.parameter("ResourceSettings"))

    def modify(monitor: Operation) -> MethodResult:
        call.endpoint.modify(modified.uuid, modified.change, monitor)
        return _resulting(call, modified.settings)

    elements = [JobElement(each.name, identity) for each, identity in modified.settings]
    return call.run(
        "ModifyResourceSettings", modify, affected=[system_element(modified.uuid), *elements]
    )


def _remove_resource_settings(call: Call) -> MethodResult:
    """DSP1042 "CIM_VirtualSystemManagementService.RemoveResourceSettings"."""
    removed = read_removed_resources(call.resolve, call.parameter("ResourceSettings"))

    def remove(monitor: Operation) -> MethodResult:
        call.endpoint.modify(removed.uuid, removed.change, monitor)
        return MethodResult(return_value=SUCCESS)

    return call.run("RemoveResourceSettings", remove, affected=[system_element(removed.uuid)])


def _settings_of(call: Call, parameter: str) -> VirtualSystem:
    """The system whose settings a parameter refers to. Raises CimError."""
    path = call.parameter(parameter)
    if not isinstance(path, ObjectPath):
        raise rejected(f"{parameter}: a reference to the settings of a virtual system is needed")
    node = call.resolve(path)
    if node is None:
        raise failure(
            ErrorCode.ERR_VM_NOT_FOUND,
            f"{parameter}: there is no virtual system with the settings {path_text(path)}",
            source=path,
        )
    if not SYSTEM_SETTINGS.owns(node):
        raise rejected(f"{parameter}: {path_text(path)} are no settings of a virtual system")
    return node.sources.system


def _resulting(call: Call, settings: Iterable[tuple[AnyClass, str]]) -> MethodResult:
    """Success, with references to the settings of these classes and InstanceIDs."""
    references = [
        ObjectPath(each.name, each.shape.keys(identity), namespace=call.view.namespace)
        for each, identity in settings
    ]
    return MethodResult(return_value=SUCCESS, output={"ResultingResourceSettings": references})


def _method(name: str, invoke: Callable[[Call], MethodResult], *parameters: str) -> Method:
    """A method that the class offers, too: clients need not know the service's keys."""
    return Method(
        instance_class=MANAGEMENT_SERVICE,
        name=name,
        parameters=parameters,
        invoke=invoke,
        static=True,
    )


MANAGEMENT_METHODS = (
    _method(
        "DefineSystem",
        _define_system,
        "SystemSettings",
        "ResourceSettings",
        "ReferenceConfiguration",
    ),
    _method("DestroySystem", _destroy_system, "AffectedSystem"),
    _method("ModifySystemSettings", _modify_system_settings, "SystemSettings"),
    _method(
        "AddResourceSettings", _add_resource_settings, "AffectedConfiguration", "ResourceSettings"
    ),
    _method("ModifyResourceSettings", _modify_resource_settings, "ResourceSettings"),
    _method("RemoveResourceSettings", _remove_resource_settings, "ResourceSettings"),
)
