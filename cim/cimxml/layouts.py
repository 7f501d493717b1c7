"""How the instances of a class are written: layouts that are compiled once per class and selection.

Every element is written with an end tag of its own: wbemcli cannot read ``<PROPERTY .../>``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from virtcim.cim.cimxml.escape import escape, escape_string
from virtcim.cim.cimxml.paths import reference
from virtcim.cim.data_types import DATA_TYPES, INTEGER_RANGES
from virtcim.cim.declarations import Declared, DeclaredClasses
from virtcim.cim.errors import EncodingError
from virtcim.cim.records import ObjectPath, Record

__all__ = ["Layout", "Layouts", "Selection", "Write", "Writers"]

Write = Callable[[object], str]
# The properties that have values, and what writes each of these.
Writers = tuple[tuple[str, Write], ...]

_MAX_LAYOUTS = 512
_MAX_TEMPLATES = 16
_MAX_ARRAYS, _SHORT_ARRAY = 256, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What of an instance a client wants to see.

    ``property_list`` in lower case, None for all; ``as_class`` leaves out what subclasses of that
    class add, empty for nothing.
    """

    property_list: frozenset[str] | None = None
    as_class: str = ""
    class_origin: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Property:
    """How one property is written: for NULL, and around the value that ``write`` gives."""

    name: str
    null: str
    before: str
    after: str
    write: Write


# The text of an instance with a place for each value, and what writes the values.
_Template = tuple[str, Writers]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the instances of one class are written for one selection.

    ``templates`` are those of instances that have values for the same properties.
    """

    class_name: str
    declared_names: frozenset[str]
    properties: tuple[_Property, ...]
    templates: dict[tuple[str, ...], _Template] = field(default_factory=dict)

    def parts(self, record: Record) -> tuple[str, tuple[str, ...]]:
        """The text with a place for each value that is not NULL, and the texts of these.

        ``<!ELEMENT INSTANCE (QUALIFIER*, (PROPERTY | PROPERTY.ARRAY | PROPERTY.REFERENCE)*)>``
        """
        values = record.values
        text, writers = self.templates.get(tuple(values)) or self.template(values)
        try:
            return text, tuple([write(values[name]) for name, write in writers])
        except EncodingError:
            # NULL where others have a value, or something that must be told by its name.
            text, writers = self.template(values)
            return text, tuple([self._named(name, write, values[name]) for name, write in writers])

    def _named(self, name: str, write: Write, value: object) -> str:
        try:
            return write(value)
        except EncodingError as exc:
            raise type(exc)(f"{self.class_name}.{name}: {exc}") from exc

    def template(self, values: Mapping[str, object]) -> _Template:
        """The template for instances like one with these values."""
        if not self.declared_names >= values.keys():
            unknown = ", ".join(sorted(values.keys() - self.declared_names))
            raise EncodingError(f"{self.class_name} declares no property {unknown}")
        parts = [f'<INSTANCE CLASSNAME="{self.class_name}">']
        for one in self.properties:
            if values.get(one.name) is None:
                parts.append(one.null.replace("%", "%%"))
            else:
                parts += (one.before.replace("%", "%%"), "%s", one.after.replace("%", "%%"))
        parts.append("</INSTANCE>")
        writers = tuple(
            (one.name, one.write) for one in self.properties if values.get(one.name) is not None
        )
        template = "".join(parts), writers
        if not any(value is None for value in values.values()):
            if len(self.templates) >= _MAX_TEMPLATES:
                self.templates.clear()
            self.templates[tuple(values)] = template
        return template


class Layouts:
    """The layouts by class and selection; safe in many threads.

    ``embedded`` writes an instance that is the value of a property.
    """

    def __init__(self, declarations: DeclaredClasses, embedded: Callable[[Record], bytes]) -> None:
        self._declarations = declarations
        self._embedded = embedded
        self._layouts: dict[tuple[str, Selection], Layout] = {}

    def of(self, class_name: str, selection: Selection) -> Layout:
        """How instances of a class are written. Raises EncodingError where there is none such."""
        layout = self._layouts.get((class_name, selection))
        if layout is None:
            if len(self._layouts) >= _MAX_LAYOUTS:
                self._layouts = {}
            layout = self._layouts[class_name, selection] = self._compile(class_name, selection)
        return layout

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
        return Layout(
            class_name=canonical,
            declared_names=frozenset(one.name for one in declared.values()),
            properties=tuple(
                self._property(one, class_origin=selection.class_origin)
                for name, one in declared.items()
                if name in visible
            ),
        )

    def _property(self, one: Declared, *, class_origin: bool) -> _Property:
        tag, attributes = "PROPERTY", f' NAME="{one.name}"'
        if one.type_name == "reference":
            tag = "PROPERTY.REFERENCE"
            attributes += f' REFERENCECLASS="{one.reference_class}"'
        else:
            tag = "PROPERTY.ARRAY" if one.is_array else "PROPERTY"
            attributes += f' TYPE="{one.type_name}"'
        if class_origin:
            attributes += f' CLASSORIGIN="{one.class_origin}"'
        before, after, write = self.value_form(one)
        null, closing = f"<{tag}{attributes}></{tag}>", f"</{tag}>"
        if one.is_embedded:
            # It says how to read a value. On NULL it would only keep wbemcli, whose parser does not
            # know it, from reading any setting data (CIM_SettingData.ComponentSetting).
            attributes += ' EmbeddedObject="instance"'
        return _Property(
            name=one.name,
            null=null,
            before=f"<{tag}{attributes}>{before}",
            after=after + closing,
            write=write,
        )

    def value_form(self, one: Declared) -> tuple[str, str, Write]:
        """What stands before and after a value, and the function that writes it."""
        tag, many = "VALUE", "VALUE.ARRAY"
        write: Write
        if one.type_name == "reference":
            tag, many, write = "VALUE.REFERENCE", "VALUE.REFARRAY", _reference
        elif one.is_embedded:
            write = self._embedded_in_text
        else:
            write = _writer(one.type_name)
        if not one.is_array:
            return f"<{tag}>", f"</{tag}>", write
        return (
            f"<{many}>",
            f"</{many}>",
            _array_writer(tag, write, of_integers=one.type_name in INTEGER_RANGES),
        )

    def _embedded_in_text(self, value: object) -> str:
        if not isinstance(value, Record):
            raise EncodingError(f"{value!r} is no embedded instance")
        return escape(self._embedded(value).decode())


def _writer(type_name: str) -> Write:
    """Only texts can hold what XML cannot."""
    write = DATA_TYPES[type_name].write
    if type_name == "string":
        return escape_string
    if type_name == "char16":
        return lambda value: escape(write(value))
    return write


def _array_writer(tag: str, write: Write, *, of_integers: bool) -> Write:
    before, after = f"<{tag}>", f"</{tag}>"
    between = after + before

    def write_array(value: object) -> str:
        if not isinstance(value, list | tuple):
            raise EncodingError(f"{value!r} is no array")
        return f"{before}{between.join(map(write, value))}{after}" if value else ""

    # Numbers in arrays are those of a ValueMap: states of which thousands of instances have one.
    known: dict[tuple[object, ...], str] = {}

    def remembered(value: object) -> str:
        if type(value) is not list or len(value) > _SHORT_ARRAY:
            return write_array(value)
        # True is 1, and no integer.
        key = (*value, *map(type, value))
        try:
            return known[key]
        except (KeyError, TypeError):
            text = write_array(value)
        if len(known) >= _MAX_ARRAYS:
            known.clear()
        known[key] = text
        return text

    return remembered if of_integers else write_array


def _reference(value: object) -> str:
    if not isinstance(value, ObjectPath):
        raise EncodingError(f"{value!r} is no reference")
    return reference(value)
