"""What the class declarations of a CIM server demand of its own instances, checked from outside."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import pywbem

from virtcim.providers import (
    ASSOCIATIONS,
    CREATED_CLASSES,
    HOST_CLASSES,
    INDICATION_ASSOCIATIONS,
)
from virtcim.registration import registrations

__all__ = [
    "INTEROP",
    "SUBSCRIPTION",
    "Model",
    "check_associations",
    "check_instances",
    "read_model",
]

INTEROP = "root/interop"
SUBSCRIPTION = "CIM_IndicationSubscription"
_ASSOCIATIONS = {row.name for row in (*ASSOCIATIONS, *INDICATION_ASSOCIATIONS)}

# The instances of each class by namespace and class name.
Model = Mapping[tuple[str, str], list[pywbem.CIMInstance]]


def read_model(cim: pywbem.WBEMConnection, namespace: str) -> Model:
    """Every instance of every class that is served in a namespace or in the interop namespace."""
    served = {
        (where, row.class_name)
        for row in registrations((namespace, INTEROP))
        for where in row.namespaces
    }
    # What the embedded server has beside the providers.
    served |= {(INTEROP, row.name) for row in (*HOST_CLASSES, *INDICATION_ASSOCIATIONS)}
    served |= {(namespace, each.name) for each in CREATED_CLASSES}
    served.add((namespace, SUBSCRIPTION))
    return {
        (where, name): cim.EnumerateInstances(name, namespace=where)
        for where, name in sorted(served)
    }


def check_instances(cim: pywbem.WBEMConnection, model: Model) -> None:
    """Every value fits its declaration, names equal instances, and reading one equals all."""
    for (namespace, class_name), instances in model.items():
        declared = cim.GetClass(
            class_name, namespace=namespace, LocalOnly=False, IncludeQualifiers=True
        )
        names = cim.EnumerateInstanceNames(class_name, namespace=namespace)
        paths = [_local(instance.path) for instance in instances]
        assert paths == [_local(name) for name in names], class_name
        assert len(set(paths)) == len(paths), class_name
        for instance in instances:
            _check_instance(declared, instance)
        # Associations by the thousand are the same as those tried.
        for instance in instances[:200]:
            found = cim.GetInstance(instance.path, LocalOnly=False)
            assert dict(found.properties) == dict(instance.properties), instance.path


def _check_instance(declared: pywbem.CIMClass, instance: pywbem.CIMInstance) -> None:
    assert instance.classname == declared.classname
    for name, property_ in declared.properties.items():
        where = f"{instance.path}: {name}"
        given = instance.properties.get(name)
        is_key = "Key" in property_.qualifiers
        if given is None or given.value is None:
            required = is_key or "Required" in property_.qualifiers
            assert not required, where
            continue
        assert given.type == property_.type, where
        assert bool(given.is_array) == bool(property_.is_array), where
        for value in given.value if given.is_array else [given.value]:
            _check_value(property_, value, where)
        if is_key:
            key = instance.path.keybindings[name]
            expected = given.value
            if isinstance(key, pywbem.CIMInstanceName):
                key, expected = _local(key), _local(expected)
            assert key == expected, where
    assert set(instance.properties) <= set(declared.properties)


def _check_value(property_: pywbem.CIMProperty, value: Any, where: str) -> None:
    value_map = property_.qualifiers.get("ValueMap")
    if value_map is not None:
        assert any(_in_range(value, entry) for entry in value_map.value), f"{where} = {value!r}"
    length = property_.qualifiers.get("MaxLen")
    if length is not None and length.value is not None:
        assert len(value) <= length.value, where


def _in_range(value: Any, entry: str) -> bool:
    low, dots, high = entry.partition("..")
    if not dots:
        return str(value) == entry
    # An open end means whatever is not named otherwise: reserved, and none of ours.
    return bool(low and high) and int(low, 0) <= int(value) <= int(high, 0)


def check_associations(cim: pywbem.WBEMConnection, model: Model) -> None:
    """Every reference can be followed, and each instance knows exactly the associations it has."""
    known = {
        _local(one.path)
        for (_, class_name), instances in model.items()
        for one in instances
        if class_name not in _ASSOCIATIONS
    }
    references: dict[Any, set[Any]] = defaultdict(set)
    others: dict[Any, set[Any]] = defaultdict(set)
    for (namespace, class_name), instances in model.items():
        if class_name not in _ASSOCIATIONS:
            continue
        for association in instances:
            first, second = (_local(end) for end in association.path.keybindings.values())
            assert {first, second} <= known, association.path
            for near, far in ((first, second), (second, first)):
                if near.namespace == namespace:
                    references[near].add(_local(association.path))
                    others[near].add(far)
    for path in known:
        assert _locals(cim.ReferenceNames(path)) == references[path], path
        assert _locals(cim.AssociatorNames(path)) == others[path], path


def _locals(paths: Iterable[pywbem.CIMInstanceName]) -> set[pywbem.CIMInstanceName]:
    return {_local(path) for path in paths}


def _local(path: pywbem.CIMInstanceName) -> pywbem.CIMInstanceName:
    """The path without the host, with all the paths in it."""
    copied = path.copy()
    copied.host = None
    for name, key in copied.keybindings.items():
        if isinstance(key, pywbem.CIMInstanceName):
            copied.keybindings[name] = _local(key)
    return copied
