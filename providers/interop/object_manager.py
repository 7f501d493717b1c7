"""The server itself and its namespaces, in the interop namespace (DSP1033)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import NamedTuple

from virtcim.cim.records import Value
from virtcim.cim.value_maps import (
    ClassInfo,
    ClassType,
    EnabledDefault,
    EnabledState,
    HealthState,
    OperationalStatus,
    RequestedState,
)
from virtcim.providers.engine.instance_class import InstanceClass, Node
from virtcim.providers.engine.key_shapes import KeyShape, system_keys
from virtcim.providers.engine.view import View

__all__ = [
    "INTEROP",
    "NAMESPACE",
    "OBJECT_MANAGER",
    "SERVER_NAME",
    "SERVER_SYSTEM",
    "SERVER_SYSTEM_CLASS",
    "namespaces_of_manager",
    "object_manager_of",
]

INTEROP = "root/interop"
_CLASS = "VirtCIM_Namespace"
_MANAGER_CLASS = "VirtCIM_ObjectManager"
SERVER_NAME = "virtcim"
SERVER_SYSTEM_CLASS = "CIM_ComputerSystem"
_SYSTEM_KEYS = {"SystemCreationClassName": SERVER_SYSTEM_CLASS, "SystemName": SERVER_NAME}


class Named(NamedTuple):
    """What has a name and nothing else that changes."""

    name: str


def _find(view: View, identity: str) -> Named | None:
    return next((each for each in _all(view) if each.name.lower() == identity.lower()), None)


def _all(view: View) -> Iterable[Named]:
    return (Named(name) for name in view.namespaces)


def _values(of: Named) -> Mapping[str, Value]:
    return {
        "ElementName": of.name,
        "Caption": "Namespace",
        # The list of versions ends at 2.8.
        "ClassInfo": ClassInfo.OTHER,
        "DescriptionOfClassInfo": "CIM schema 2.49",
        "ClassType": ClassType.CIM,
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
            **_SYSTEM_KEYS,
            "ObjectManagerCreationClassName": _MANAGER_CLASS,
            "ObjectManagerName": SERVER_NAME,
            "CreationClassName": _CLASS,
        },
    ),
    identity=lambda of: of.name,
    found=_find,
    every=_all,
    values=_values,
)


def _find_manager(_: View, identity: str) -> Named | None:
    return Named(SERVER_NAME) if identity.lower() == SERVER_NAME else None


def _manager_values(of: Named) -> Mapping[str, Value]:
    return {
        "ElementName": of.name,
        "Caption": "CIM server",
        # Clients read the version from the end of this sentence.
        "Description": f"virtcim CIM server version {version('virtcim')}",
        "GatherStatisticalData": False,
        "EnabledState": EnabledState.ENABLED,
        "RequestedState": RequestedState.NOT_APPLICABLE,
        "TransitioningToState": RequestedState.NOT_APPLICABLE,
        "EnabledDefault": EnabledDefault.ENABLED,
        "Started": True,
        "OperationalStatus": [OperationalStatus.OK],
        "StatusDescriptions": ["OK"],
        "HealthState": HealthState.OK,
    }


OBJECT_MANAGER = InstanceClass(
    name=_MANAGER_CLASS,
    shape=KeyShape(
        names=("SystemCreationClassName", "SystemName", "CreationClassName", "Name"),
        variable="Name",
        fixed={**_SYSTEM_KEYS, "CreationClassName": _MANAGER_CLASS},
    ),
    identity=lambda of: of.name,
    found=_find_manager,
    every=lambda _: (Named(SERVER_NAME),),
    values=_manager_values,
)


def _system_values(of: Named) -> Mapping[str, Value]:
    return {
        "ElementName": of.name,
        "Caption": "CIM server",
        "Description": "The system that the services of this server belong to.",
        "EnabledState": EnabledState.NOT_APPLICABLE,
        "RequestedState": RequestedState.NOT_APPLICABLE,
        "TransitioningToState": RequestedState.NOT_APPLICABLE,
        "EnabledDefault": EnabledDefault.NOT_APPLICABLE,
        "OperationalStatus": [OperationalStatus.OK],
        "StatusDescriptions": ["OK"],
        "HealthState": HealthState.OK,
    }


SERVER_SYSTEM = InstanceClass(
    name=SERVER_SYSTEM_CLASS,
    shape=system_keys(SERVER_SYSTEM_CLASS),
    identity=lambda of: of.name,
    found=_find_manager,
    every=lambda _: (Named(SERVER_NAME),),
    values=_system_values,
)


def namespaces_of_manager(view: View, _: Node[Named]) -> Iterable[Node[Named]]:
    """The namespaces of this server."""
    return NAMESPACE.all(view)


def object_manager_of(view: View, _: Node[Named]) -> Iterable[Node[Named]]:
    """The server that a namespace belongs to."""
    return OBJECT_MANAGER.all(view)
