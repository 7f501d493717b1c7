"""Writing object paths as CIM-XML.

The texts of a path are kept with it: the keys of an association are its properties, too, and the
names of instances are asked for again and again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from virtcim.cim.cimxml.escape import escape, escaped, is_plain
from virtcim.cim.cimxml.outlines import PLACE, Outline, outline, put_together
from virtcim.cim.records import FormedPath, KeyValue, NameForm, ObjectPath

__all__ = [
    "class_path",
    "instance_name",
    "instance_path",
    "name_form",
    "namespace_path",
    "reference",
    "reference_outline",
]

_STRING = '<KEYVALUE VALUETYPE="string">%s</KEYVALUE>'
_REFERENCE = "<VALUE.REFERENCE>%s</VALUE.REFERENCE>"
_ALL_STRINGS = {str}
_ALL_REFERENCES = {ObjectPath, FormedPath}
_MAX_FORMS = 256


def instance_name(path: ObjectPath) -> str:
    """``<!ELEMENT INSTANCENAME (KEYBINDING* | KEYVALUE? | VALUE.REFERENCE?)>``"""
    text = path.encoded_name
    if not text:
        text = path.encoded_name = _of_one_kind(path) or _of_any_kinds(path)
    return text


def name_form(path: ObjectPath) -> tuple[str, tuple[str, ...]]:
    """The INSTANCENAME as a text with a place for each of some values, and these."""
    names, values = zip(*path.keys, strict=True) if path.keys else ((), ())
    kinds = {*map(type, values)}
    if kinds == _ALL_STRINGS and is_plain("".join(values)):
        return _form(path.class_name, names, _STRING), values
    if kinds and kinds <= _ALL_REFERENCES:
        return _form(path.class_name, names, _REFERENCE), tuple(map(reference, values))
    return instance_name(path).replace("%", "%%"), ()


def _of_one_kind(path: ObjectPath) -> str:
    """The text where all keys are strings without markup or all are references, as nearly always;
    else empty."""
    if not path.keys:
        return ""
    names, values = zip(*path.keys, strict=True)
    kinds = {*map(type, values)}
    if kinds == _ALL_STRINGS:
        return _form(path.class_name, names, _STRING) % values if is_plain("".join(values)) else ""
    if kinds and kinds <= _ALL_REFERENCES:
        return _form(path.class_name, names, _REFERENCE) % tuple(map(reference, values))
    return ""


@lru_cache(maxsize=_MAX_FORMS)
def _form(class_name: str, names: tuple[str, ...], value: str) -> str:
    """The INSTANCENAME of a class with these keys, with a place for each value."""
    text = "".join(f'<KEYBINDING NAME="{_literal(name)}">{value}</KEYBINDING>' for name in names)
    return f'<INSTANCENAME CLASSNAME="{_literal(class_name)}">{text}</INSTANCENAME>'


def _literal(text: str) -> str:
    return escape(text).replace("%", "%%")


def _of_any_kinds(path: ObjectPath) -> str:
    text = "".join([_key_binding(name, value) for name, value in path.keys])
    return f'<INSTANCENAME CLASSNAME="{escape(path.class_name)}">{text}</INSTANCENAME>'


def _key_binding(name: str, value: KeyValue) -> str:
    if isinstance(value, ObjectPath):
        text = _REFERENCE % reference(value)
    elif isinstance(value, bool):
        text = f'<KEYVALUE VALUETYPE="boolean">{"TRUE" if value else "FALSE"}</KEYVALUE>'
    elif isinstance(value, int):
        text = f'<KEYVALUE VALUETYPE="numeric">{int(value)}</KEYVALUE>'
    else:
        text = _STRING % escape(value)
    return f'<KEYBINDING NAME="{escape(name)}">{text}</KEYBINDING>'


def reference(path: ObjectPath) -> str:
    """What a VALUE.REFERENCE holds: the path of an instance or a class, without a host.

    wbemcli misprints a reference with a host, and one without a namespace loses it.
    """
    text = path.encoded_reference
    if not text:
        if type(path) is FormedPath:
            common, places = reference_outline(path.form)
            parts = escaped((path.parts,))[0]
            text = put_together(common, [parts[place] for place in places])
        path.encoded_reference = text = text or _reference(path)
    return text


def reference_outline(form: NameForm) -> tuple[Outline, Sequence[int]]:
    """The reference to an instance with such a name, and which parts go into its gaps."""
    if form.encoded is None:
        texts = [
            "".join(PLACE if isinstance(one, int) else escape(one) for one in pieces)
            for pieces in form.keys.values()
        ]
        name = _form(form.class_name, (*form.keys,), _STRING) % (*texts,)
        places = [one for pieces in form.keys.values() for one in pieces if isinstance(one, int)]
        form.encoded = outline(_local_path(name, form.namespace)), places
    return form.encoded


def _reference(path: ObjectPath) -> str:
    if path.keys and not path.encoded_name:
        names, values = zip(*path.keys, strict=True)
        if {*map(type, values)} == _ALL_STRINGS and is_plain("".join(values)):
            # As nearly always, and faster than to format the name and then the rest.
            return put_together(_outline(path.class_name, names, path.namespace), values)
    if path.keys:
        return _local_path(instance_name(path), path.namespace)
    name = f'<CLASSNAME NAME="{path.class_name}"/>'
    if not path.namespace:
        return name
    return f"<LOCALCLASSPATH>{_local_namespace_path(path.namespace)}{name}</LOCALCLASSPATH>"


def _local_path(name: str, namespace: str) -> str:
    if not namespace:
        return name
    return f"<LOCALINSTANCEPATH>{_local_namespace_path(namespace)}{name}</LOCALINSTANCEPATH>"


@lru_cache(maxsize=_MAX_FORMS)
def _outline(class_name: str, names: tuple[str, ...], namespace: str) -> Outline:
    """The reference to an instance with these keys, with a place for each value."""
    name = _form(class_name, names, _STRING) % ((PLACE,) * len(names))
    return outline(_local_path(name, namespace))


def instance_path(path: ObjectPath, host: str) -> str:
    """``<!ELEMENT INSTANCEPATH (NAMESPACEPATH, INSTANCENAME)>``"""
    return (
        f"<INSTANCEPATH>{namespace_path(path.namespace, host)}{instance_name(path)}</INSTANCEPATH>"
    )


def class_path(class_name: str, namespace: str, host: str) -> str:
    """``<!ELEMENT CLASSPATH (NAMESPACEPATH, CLASSNAME)>``"""
    name = f'<CLASSNAME NAME="{class_name}"/>'
    return f"<CLASSPATH>{namespace_path(namespace, host)}{name}</CLASSPATH>"


@lru_cache(maxsize=_MAX_FORMS)
def namespace_path(namespace: str, host: str) -> str:
    """``<!ELEMENT NAMESPACEPATH (HOST, LOCALNAMESPACEPATH)>``"""
    place = _local_namespace_path(namespace)
    return f"<NAMESPACEPATH><HOST>{host}</HOST>{place}</NAMESPACEPATH>"


@lru_cache(maxsize=_MAX_FORMS)
def _local_namespace_path(namespace: str) -> str:
    names = _namespaces(namespace.split("/"))
    return f"<LOCALNAMESPACEPATH>{names}</LOCALNAMESPACEPATH>"


def _namespaces(names: Iterable[str]) -> str:
    return "".join(f'<NAMESPACE NAME="{escape(name)}"/>' for name in names)
