"""Records of our providers as objects of pywbem's, and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pywbem

from virtcim.cim.declarations import Declared, DeclaredClasses
from virtcim.cim.records import ObjectPath, Record, Value
from virtcim.cmpi.provider2.handle_way import Told
from virtcim.providers import INTEROP

__all__ = [
    "given_namespace",
    "given_path",
    "given_value",
    "shown_indication",
    "shown_instance",
    "shown_path",
    "shown_value",
]


# What servers call the interop namespace, where clients follow the paths that they are given.
_INTEROP_NAMES = frozenset(("root/interop", "root/pg_interop", "interop"))


class _InteropNamespace:
    """What the server calls its interop namespace: as in the last request that named it."""

    name = INTEROP


_interop = _InteropNamespace()


def given_namespace(namespace: str | None) -> str:
    """A namespace by the name that we have for it."""
    place = (namespace or "").strip("/")
    if place.lower() not in _INTEROP_NAMES:
        return place
    _interop.name = place
    return INTEROP


def _shown_namespace(namespace: str) -> str | None:
    return _interop.name if namespace.lower() == INTEROP else namespace or None


def given_path(path: pywbem.CIMInstanceName | pywbem.CIMClassName) -> ObjectPath:
    """An object path; that of a class has no keys."""
    keys = getattr(path, "keybindings", {})
    found: dict[str, Any] = {name: given_value(value) for name, value in keys.items()}
    return ObjectPath(path.classname, found, namespace=given_namespace(path.namespace))


def given_value(value: Any) -> Value:
    """A value as records have it; its type is that of its declaration (``reading.typed_value``)."""
    if isinstance(value, list | tuple):
        items: list[Any] = [given_value(one) for one in value]
        return items
    if isinstance(value, pywbem.CIMInstanceName):
        return given_path(value)
    if isinstance(value, pywbem.CIMInstance):
        path = None if value.path is None else given_path(value.path)
        values = {one.name: given_value(one.value) for one in value.properties.values()}
        return Record(
            value.classname, {name: one for name, one in values.items() if one is not None}, path
        )
    if isinstance(value, pywbem.CIMDateTime):
        moment: datetime | timedelta = value.timedelta if value.is_interval else value.datetime
        return moment
    plain = next((type_ for type_ in (bool, int, float) if isinstance(value, type_)), None)
    found: Value = value if plain is None else plain(value)
    return found


def shown_path(path: ObjectPath, declarations: DeclaredClasses) -> pywbem.CIMInstanceName:
    """A path with its keys as they are declared."""
    known = declarations.canonical(path.class_name) is not None
    declared: Mapping[str, Declared] = declarations.keys(path.class_name) if known else {}
    keys = {}
    for name, value in path.keys:
        key = declared.get(name.lower())
        keys[name] = (
            shown_value(value, key, declarations)
            if key is not None
            else _odd_key(value, declarations)
        )
    return pywbem.CIMInstanceName(path.class_name, keys, namespace=_shown_namespace(path.namespace))


def _odd_key(value: Any, declarations: DeclaredClasses) -> Any:
    return shown_path(value, declarations) if isinstance(value, ObjectPath) else value


def shown_instance(record: Record, declarations: DeclaredClasses) -> pywbem.CIMInstance:
    """An instance with the properties that are not NULL, and those that have a default."""
    declared = declarations.properties(record.class_name)
    properties = []
    for one in declared.values():
        value = record.values.get(one.name)
        if value is None and one.name not in record.values and not one.has_default:
            continue
        shown = pywbem.CIMProperty(
            one.name,
            shown_value(value, one, declarations),
            one.type_name,
            is_array=one.is_array,
            embedded_object="instance" if one.is_embedded else None,
        )
        properties.append((one.name, shown))
    path = None if record.path is None else shown_path(record.path, declarations)
    return pywbem.CIMInstance(record.class_name, properties, path=path)


def shown_indication(namespace: str, record: Record, declarations: DeclaredClasses) -> Told:
    """An indication for the server, which wants to know where its class is."""
    shown = shown_instance(record, declarations)
    place = _shown_namespace(namespace)
    shown.path = pywbem.CIMInstanceName(record.class_name, namespace=place)
    return Told(place or "", shown)


def shown_value(value: Value, declared: Declared, declarations: DeclaredClasses) -> Any:
    """A value of a declared type; the text of an embedded instance stays that text."""
    if isinstance(value, list | tuple):
        return [shown_value(one, declared, declarations) for one in value]
    if isinstance(value, ObjectPath):
        return shown_path(value, declarations)
    if isinstance(value, Record):
        return shown_instance(value, declarations)
    if value is None or declared.is_embedded:
        return value
    return pywbem.cimvalue(value, declared.type_name)
