"""Writing instances and paths as CIM-XML, by layouts that are compiled once per class.

Every element is written with an end tag of its own: wbemcli cannot read ``<PROPERTY .../>``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from virtcim.cim.cimxml.escape import escape, escape_string
from virtcim.cim.data_types import DATA_TYPES
from virtcim.cim.declarations import Declared, DeclaredClasses
from virtcim.cim.errors import EncodingError
from virtcim.cim.records import KeyValue, ObjectPath, Record

__all__ = ["Encoder", "Layout", "Selection", "class_path", "instance_name", "instance_path"]

_MAX_LAYOUTS = 512
_MAX_TEXTS_PER_RECORD = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What of an instance a client wants to see.

    ``property_list`` in lower case, None for all; ``as_class`` leaves out what subclasses of that
    class add, empty for nothing.
    """

    property_list: frozenset[str] | None = None
    as_class: str = ""
    class_origin: bool = False


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Layout:
    """How the instances of one class are written for one selection.

    ``properties`` holds name, the text for NULL, what stands before and after a value, and the
    function that writes the value; compared by identity.
    """

    class_name: str
    declared_names: frozenset[str]
    properties: tuple[tuple[str, str, str, str, Callable[[object], str]], ...]


class Encoder:
    """Writes records; the text of a record is kept in ``Record.encoded``, per layout and form.

    Thread-safe: two threads may at worst write the same text twice. EncodingError tells of a
    record that its class does not declare.
    """

    def __init__(self, declarations: DeclaredClasses, host: str) -> None:
        self._declarations = declarations
        self._host = escape(host)
        self._layouts: dict[tuple[str, Selection], Layout] = {}

    def instance(self, record: Record, selection: Selection) -> bytes:
        """``<!ELEMENT INSTANCE (QUALIFIER*, (PROPERTY | PROPERTY.ARRAY |
        PROPERTY.REFERENCE)*)>``"""
        return self._kept(record, selection, "INSTANCE")

    def named_instance(self, record: Record, selection: Selection) -> bytes:
        """``<!ELEMENT VALUE.NAMEDINSTANCE (INSTANCENAME, INSTANCE)>``"""
        return self._kept(record, selection, "VALUE.NAMEDINSTANCE")

    def object_with_path(self, record: Record, selection: Selection) -> bytes:
        """``<!ELEMENT VALUE.OBJECTWITHPATH (INSTANCEPATH, INSTANCE)>``"""
        return self._kept(record, selection, "VALUE.OBJECTWITHPATH")

    def instance_with_path(self, record: Record, selection: Selection) -> bytes:
        """``<!ELEMENT VALUE.INSTANCEWITHPATH (INSTANCEPATH, INSTANCE)>``"""
        return self._kept(record, selection, "VALUE.INSTANCEWITHPATH")

    def instance_path(self, path: ObjectPath) -> str:
        """The INSTANCEPATH of an instance on this host."""
        return instance_path(path, self._host)

    def class_path(self, class_name: str, namespace: str) -> str:
        """The CLASSPATH of a class on this host."""
        return class_path(class_name, namespace, self._host)

    def value(self, value: object, declared: Declared) -> str:
        """The VALUE, VALUE.ARRAY, VALUE.REFERENCE or VALUE.REFARRAY of a method's result."""
        before, after, write = self._value_form(declared)
        return before + write(value) + after

    def _kept(self, record: Record, selection: Selection, form: str) -> bytes:
        layout = self._layouts.get((record.class_name, selection))
        if layout is None:
            layout = self._compile(record.class_name, selection)
        kept = record.encoded
        if not isinstance(kept, dict):
            kept = record.encoded = {}
        text: bytes | None = kept.get((layout, form))
        if text is None:
            if len(kept) >= _MAX_TEXTS_PER_RECORD:
                kept = record.encoded = {}
            text = self._form(record, layout, form).encode()
            kept[layout, form] = text
        return text

    def _form(self, record: Record, layout: Layout, form: str) -> str:
        instance = self._instance(record, layout)
        if form == "INSTANCE":
            return instance
        if record.path is None:
            raise EncodingError(f"an instance of {record.class_name} has no path")
        name = instance_name if form == "VALUE.NAMEDINSTANCE" else self.instance_path
        return f"<{form}>{name(record.path)}{instance}</{form}>"

    def _instance(self, record: Record, layout: Layout) -> str:
        values = record.values
        parts = [f'<INSTANCE CLASSNAME="{layout.class_name}">']
        append, get = parts.append, values.get
        for name, null, before, after, write in layout.properties:
            value = get(name)
            if value is None:
                append(null)
                continue
            try:
                append(before + write(value) + after)
            except EncodingError as exc:
                raise type(exc)(f"{layout.class_name}.{name}: {exc}") from exc
        if not layout.declared_names >= values.keys():
            unknown = ", ".join(sorted(values.keys() - layout.declared_names))
            raise EncodingError(f"{layout.class_name} declares no property {unknown}")
        append("</INSTANCE>")
        return "".join(parts)

    def _compile(self, class_name: str, selection: Selection) -> Layout:
        canonical = self._declarations.canonical(class_name)
        if canonical is None:
            raise EncodingError(f"there is no class {class_name!r}")
        declared = self._declarations.properties(canonical)
        visible = set(declared)
        if selection.as_class and selection.as_class.lower() != canonical.lower():
            visible &= set(self._declarations.properties(selection.as_class))
        if selection.property_list is not None:
            visible &= selection.property_list
        layout = Layout(
            class_name=canonical,
            declared_names=frozenset(one.name for one in declared.values()),
            properties=tuple(
                self._property(one, class_origin=selection.class_origin)
                for name, one in declared.items()
                if name in visible
            ),
        )
        if len(self._layouts) >= _MAX_LAYOUTS:
            self._layouts = {}
        self._layouts[class_name, selection] = layout
        return layout

    def _property(
        self, one: Declared, *, class_origin: bool
    ) -> tuple[str, str, str, str, Callable[[object], str]]:
        tag, attributes = "PROPERTY", f' NAME="{one.name}"'
        if one.type_name == "reference":
            tag = "PROPERTY.REFERENCE"
            attributes += f' REFERENCECLASS="{one.reference_class}"'
        else:
            tag = "PROPERTY.ARRAY" if one.is_array else "PROPERTY"
            attributes += f' TYPE="{one.type_name}"'
        if class_origin:
            attributes += f' CLASSORIGIN="{one.class_origin}"'
        before, after, write = self._value_form(one)
        null, closing = f"<{tag}{attributes}></{tag}>", f"</{tag}>"
        if one.is_embedded:
            # It says how to read a value. On NULL it would only keep wbemcli, whose parser does not
            # know it, from reading any setting data (CIM_SettingData.ComponentSetting).
            attributes += ' EmbeddedObject="instance"'
        return one.name, null, f"<{tag}{attributes}>{before}", after + closing, write

    def _value_form(self, one: Declared) -> tuple[str, str, Callable[[object], str]]:
        """What stands before and after a value, and the function that writes it."""
        tag, many = "VALUE", "VALUE.ARRAY"
        write: Callable[[object], str]
        if one.type_name == "reference":
            tag, many, write = "VALUE.REFERENCE", "VALUE.REFARRAY", _reference
        elif one.is_embedded:
            write = self._embedded
        else:
            write = _writer(one.type_name)
        if not one.is_array:
            return f"<{tag}>", f"</{tag}>", write
        return f"<{many}>", f"</{many}>", _array_writer(tag, write)

    def _embedded(self, value: object) -> str:
        if not isinstance(value, Record):
            raise EncodingError(f"{value!r} is no embedded instance")
        return escape(self._kept(value, Selection(), "INSTANCE").decode())


def _writer(type_name: str) -> Callable[[object], str]:
    """Only texts can hold what XML cannot."""
    write = DATA_TYPES[type_name].write
    if type_name == "string":
        return escape_string
    if type_name == "char16":
        return lambda value: escape(write(value))
    return write


def _array_writer(tag: str, write: Callable[[object], str]) -> Callable[[object], str]:
    def write_array(value: object) -> str:
        if not isinstance(value, list | tuple):
            raise EncodingError(f"{value!r} is no array")
        return "".join([f"<{tag}>{write(one)}</{tag}>" for one in value])

    return write_array


def _reference(value: object) -> str:
    if not isinstance(value, ObjectPath):
        raise EncodingError(f"{value!r} is no reference")
    # wbemcli misprints a reference with a host, and one without a namespace loses it.
    name = instance_name(value) if value.keys else f'<CLASSNAME NAME="{value.class_name}"/>'
    if not value.namespace:
        return name
    tag = "LOCALINSTANCEPATH" if value.keys else "LOCALCLASSPATH"
    return f"<{tag}>{_local_namespace_path(value.namespace)}{name}</{tag}>"


def instance_name(path: ObjectPath) -> str:
    """``<!ELEMENT INSTANCENAME (KEYBINDING* | KEYVALUE? | VALUE.REFERENCE?)>``"""
    bindings = "".join([_key_binding(name, value) for name, value in path.keys])
    return f'<INSTANCENAME CLASSNAME="{escape(path.class_name)}">{bindings}</INSTANCENAME>'


def _key_binding(name: str, value: KeyValue) -> str:
    if isinstance(value, ObjectPath):
        text = f"<VALUE.REFERENCE>{_reference(value)}</VALUE.REFERENCE>"
    elif isinstance(value, bool):
        text = f'<KEYVALUE VALUETYPE="boolean">{"TRUE" if value else "FALSE"}</KEYVALUE>'
    elif isinstance(value, int):
        text = f'<KEYVALUE VALUETYPE="numeric">{int(value)}</KEYVALUE>'
    else:
        text = f'<KEYVALUE VALUETYPE="string">{escape(value)}</KEYVALUE>'
    return f'<KEYBINDING NAME="{escape(name)}">{text}</KEYBINDING>'


def instance_path(path: ObjectPath, host: str) -> str:
    """``<!ELEMENT INSTANCEPATH (NAMESPACEPATH, INSTANCENAME)>``"""
    return (
        f"<INSTANCEPATH>{_namespace_path(path.namespace, host)}{instance_name(path)}</INSTANCEPATH>"
    )


def class_path(class_name: str, namespace: str, host: str) -> str:
    """``<!ELEMENT CLASSPATH (NAMESPACEPATH, CLASSNAME)>``"""
    name = f'<CLASSNAME NAME="{class_name}"/>'
    return f"<CLASSPATH>{_namespace_path(namespace, host)}{name}</CLASSPATH>"


@lru_cache(maxsize=256)
def _namespace_path(namespace: str, host: str) -> str:
    place = _local_namespace_path(namespace)
    return f"<NAMESPACEPATH><HOST>{host}</HOST>{place}</NAMESPACEPATH>"


@lru_cache(maxsize=256)
def _local_namespace_path(namespace: str) -> str:
    names = _namespaces(namespace.split("/"))
    return f"<LOCALNAMESPACEPATH>{names}</LOCALNAMESPACEPATH>"


def _namespaces(names: Iterable[str]) -> str:
    return "".join(f'<NAMESPACE NAME="{escape(name)}"/>' for name in names)
