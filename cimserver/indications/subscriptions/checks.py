"""What is checked of a filter, a destination or a subscription beyond its single properties."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from virtcim.cim.cimxml.values import shown
from virtcim.cim.path_text import path_text
from virtcim.cim.records import ObjectPath, Record
from virtcim.cimserver.errors import invalid_parameter
from virtcim.cimserver.indications.subscriptions.snapshot import (
    KEPT_CLASSES,
    Element,
    Snapshot,
    Surroundings,
)
from virtcim.cimserver.indications.subscriptions.tables import element_key
from virtcim.cimserver.queries import InvalidQuery, UnknownLanguage
from virtcim.providers.interop.object_manager import SERVER_NAME, SERVER_SYSTEM_CLASS

__all__ = ["KEYS", "check_filter", "checked_path", "found_element", "referred"]

KEYS = ("SystemCreationClassName", "SystemName", "CreationClassName", "Name")
_INDICATION = "CIM_Indication"
_MOST_CHARACTERS = 1024


def checked_path(namespace: str, given: Record) -> ObjectPath:
    """The name of a new filter or destination: as the client wants it, the rest as it is usual.

    Raises CimError that names the key.
    """
    usual = {
        "SystemCreationClassName": SERVER_SYSTEM_CLASS,
        "SystemName": SERVER_NAME,
        "CreationClassName": given.class_name,
    }
    keys: dict[str, str] = {}
    for name in KEYS:
        value = given.values.get(name) or usual.get(name) or f"VirtCIM:{uuid4()}"
        assert isinstance(value, str)
        if len(value) > _MOST_CHARACTERS:
            raise invalid_parameter(f"{name} has more than {_MOST_CHARACTERS} characters")
        keys[name] = value
    if keys["CreationClassName"].lower() != given.class_name.lower():
        raise invalid_parameter(
            f"CreationClassName is {given.class_name}, not {shown(keys['CreationClassName'])}"
        )
    keys["CreationClassName"] = given.class_name
    return ObjectPath(given.class_name, keys, namespace=namespace)


def check_filter(values: Mapping[str, Any], surroundings: Surroundings) -> None:
    """Refuse a filter that could never select anything. Raises CimError that names the property."""
    named = [("SourceNamespaces", each) for each in values.get("SourceNamespaces", ())]
    if values.get("SourceNamespace"):
        named.append(("SourceNamespace", values["SourceNamespace"]))
    for name, each in named:
        if each.strip("/").lower() not in surroundings.namespaces:
            raise invalid_parameter(f"{name}: there is no namespace {shown(each)}")
    try:
        query = surroundings.compiler.query(values)
    except UnknownLanguage:
        raise invalid_parameter(
            f"QueryLanguage: {shown(values['QueryLanguage'])} is not supported; "
            "DMTF:CQL and WQL are"
        ) from None
    except InvalidQuery as exc:
        raise invalid_parameter(f"Query: {exc}") from None
    if not surroundings.compiler.classes.is_a(query.class_name, _INDICATION):
        raise invalid_parameter(
            f"Query: {query.class_name} is no class of indications; SourceInstance ISA "
            f"{query.class_name} selects those that tell of one"
        )


def found_element(
    snapshot: Snapshot, surroundings: Surroundings, path: ObjectPath
) -> Element | None:
    """The filter, collection or destination that ``path`` names, also by its superclass.

    Raises CimError where the keys are those of no such instance.
    """
    namespace = surroundings.namespaces.get(path.namespace.lower())
    if namespace is None:
        return None
    for name, instance_class in KEPT_CLASSES.items():
        if surroundings.compiler.classes.is_a(name, path.class_name):
            identity = instance_class.shape.identity(path)
            if identity is not None:
                element = snapshot.elements.get(element_key(namespace, name, identity))
                if element is not None:
                    return element
    return None


def referred(snapshot: Snapshot, surroundings: Surroundings, name: str, given: Record) -> Element:
    """What the reference ``name`` of a new subscription names. Raises CimError that names it."""
    path = given.values.get(name)
    if not isinstance(path, ObjectPath) or not path.keys:
        raise invalid_parameter(f"{name} is needed: the name of an instance")
    element = found_element(snapshot, surroundings, path)
    if element is None:
        raise invalid_parameter(f"{name}: there is no instance {path_text(path)}")
    return element
