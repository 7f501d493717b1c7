"""The methods of the management service: virtual systems are made and removed (DSP1042)."""

from __future__ import annotations

from virtcim.errormap import ErrorCode
from virtcim.providers.definition import read_definition
from virtcim.providers.errors import failure, path_text, rejected
from virtcim.providers.method import SUCCESS, Call, Method
from virtcim.providers.operations import Operation
from virtcim.providers.records import MethodResult, ObjectPath
from virtcim.providers.virtual_system import COMPUTER_SYSTEM, path_of_system
from virtcim.providers.virtual_system_management_service import MANAGEMENT_SERVICE

__all__ = ["MANAGEMENT_METHODS"]


def _define_system(call: Call) -> MethodResult:
    """CIM_VirtualSystemManagementService.DefineSystem (DSP1042 clause 8.2.2)."""
    if call.parameter("ReferenceConfiguration") is not None:
        raise failure(
            ErrorCode.ERR_OPERATION_FAILED,
            "ReferenceConfiguration: defining a virtual system after another one is not supported",
        )
    spec = read_definition(
        call.view,
        call.classes,
        call.parameter("SystemSettings"),
        call.parameter("ResourceSettings"),
    )

    def define(monitor: Operation) -> MethodResult:
        uuid = call.endpoint.define(spec, monitor)
        system = path_of_system(uuid, call.view.namespace)
        return MethodResult(return_value=SUCCESS, output={"ResultingSystem": system})

    return call.run("DefineSystem", define)


def _destroy_system(call: Call) -> MethodResult:
    """CIM_VirtualSystemManagementService.DestroySystem (DSP1042 clause 8.2.3)."""
    path = call.parameter("AffectedSystem")
    if not isinstance(path, ObjectPath):
        raise rejected("AffectedSystem: a reference to a virtual system is needed")
    node = call.resolve(path)
    if node is None:
        raise failure(
            ErrorCode.ERR_VM_NOT_FOUND, f"there is no virtual system {path_text(path)}", source=path
        )
    if node.instance_class is not COMPUTER_SYSTEM:
        raise rejected(f"AffectedSystem: {path_text(path)} is no virtual system")
    uuid = node.sources[0].uuid

    def destroy(monitor: Operation) -> MethodResult:
        call.endpoint.destroy(uuid, monitor)
        return MethodResult(return_value=SUCCESS)

    return call.run("DestroySystem", destroy)


MANAGEMENT_METHODS = (
    Method(
        instance_class=MANAGEMENT_SERVICE,
        name="DefineSystem",
        parameters=("SystemSettings", "ResourceSettings", "ReferenceConfiguration"),
        invoke=_define_system,
        static=True,
    ),
    Method(
        instance_class=MANAGEMENT_SERVICE,
        name="DestroySystem",
        parameters=("AffectedSystem",),
        invoke=_destroy_system,
        static=True,
    ),
)
