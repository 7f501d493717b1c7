"""How instances are named and read, and how virtual systems are asked to change their state."""

from __future__ import annotations

from tests.providers.simulated_population import identity
from virtcim.providers import MethodResult, ObjectPath, Providers, Record

__all__ = ["VM", "change", "instance_path", "system_path", "value"]

VM = "VirtCIM_ComputerSystem"


def system_path(number: int, class_name: str = VM, namespace: str = "root/virt") -> ObjectPath:
    keys = {"CreationClassName": VM, "Name": identity("vm", number)}
    return ObjectPath(class_name, keys, namespace=namespace)


def instance_path(class_name: str, instance_id: str) -> ObjectPath:
    return ObjectPath(class_name, {"InstanceID": instance_id}, namespace="root/virt")


def value(record: Record, name: str) -> object:
    return record.values.get(name)


def change(providers: Providers, number: int, requested: object, **more: object) -> MethodResult:
    parameters = {"RequestedState": requested, **more}
    return providers.invoke_method(system_path(number), "RequestStateChange", parameters)  # type: ignore[arg-type]
