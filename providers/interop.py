"""VirtCIM_Namespace: the namespaces that this server serves, in the interop namespace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from virtcim.providers.instance_class import InstanceClass, KeyShape, Sources
from virtcim.providers.records import Value
from virtcim.providers.view import View

__all__ = ["INTEROP", "NAMESPACE"]

INTEROP = "root/interop"
_CLASS = "VirtCIM_Namespace"
_CIM_2, _CLASS_TYPE_CIM = 1, 2


def _find(view: View, identity: str) -> Sources | None:
    found = next((name for name in view.namespaces if name.lower() == identity.lower()), None)
    return None if found is None else (found,)


def _all(view: View) -> Iterable[Sources]:
    return ((name,) for name in view.namespaces)


def _values(name: str) -> Mapping[str, Value]:
    return {
        "ElementName": name,
        "Caption": "Namespace",
        "ClassInfo": _CIM_2,
        "DescriptionOfClassInfo": "CIM schema 2.49",
        "ClassType": _CLASS_TYPE_CIM,
        "ClassTypeVersion": "2.49",
    }


NAMESPACE = InstanceClass(
    name=_CLASS,
    shape=KeyShape(
        names=(
            "SystemCreationClassName",
            "SystemName",
            "ObjectManagerCreationClassName",
            "ObjectManagerName",
            "CreationClassName",
            "Name",
        ),
        variable="Name",
        fixed={
            "SystemCreationClassName": "CIM_ComputerSystem",
            "SystemName": "virtcim",
            "ObjectManagerCreationClassName": "CIM_ObjectManager",
            "ObjectManagerName": "virtcim",
            "CreationClassName": _CLASS,
        },
    ),
    identity=lambda name: name,
    find=_find,
    all=_all,
    values=_values,
)
