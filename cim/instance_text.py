"""One instance as text, in CIM-XML or in MOF: how an embedded instance travels in a string.

The text says which class it is of. Where that class is known, its declaration says of which type
each value is; where it is not, CIM-XML does, and MOF says as much as its literals do.
"""

from __future__ import annotations

from virtcim.cim.cimxml.elements import Element, ElementReader, MessageLimits
from virtcim.cim.data_types import read_value
from virtcim.cim.declarations import DeclaredProperties
from virtcim.cim.declared_values import MisfitError, declared_value
from virtcim.cim.errors import CimXmlError
from virtcim.cim.mof_text import MofError, parse_mof_instance
from virtcim.cim.records import Record, Scalar, Value

__all__ = ["MAX_TEXT_LENGTH", "InstanceTextError", "read_instance_text"]

MAX_TEXT_LENGTH = 256 * 1024
_LIMITS = MessageLimits(size_bytes=4 * MAX_TEXT_LENGTH)
_SHOWN_CHARACTERS = 80
# Instances within instances; each one is quoted once more in what is around it.
_MAX_DEPTH = 8


class InstanceTextError(ValueError):
    """A text is no instance; ``place`` is the property and the element, empty for the whole."""

    def __init__(self, why: str, *, place: str = "") -> None:
        super().__init__(f"{place}: {why}" if place else why)
        self.why = why
        self.place = place


def read_instance_text(text: str, classes: DeclaredProperties | None = None) -> Record:
    """The instance that ``text`` holds. Raises InstanceTextError.

    The values of one whose class is among ``classes`` are of the declared types, references are
    object paths, and embedded instances are records. A property that the class does not have is as
    the text has it, and the caller's to refuse.
    """
    return _read(text, classes, _MAX_DEPTH)


def _read(text: str, classes: DeclaredProperties | None, depth: int) -> Record:
    if len(text) > MAX_TEXT_LENGTH:
        raise InstanceTextError(f"the text is longer than {MAX_TEXT_LENGTH} characters")
    if text.lstrip().startswith("<"):
        record = _instance(_root(text.strip()))
    else:
        try:
            record = parse_mof_instance(text)
        except MofError as error:
            raise InstanceTextError(f"the text is no MOF instance: {error}") from error
    if classes is None or classes.canonical(record.class_name) is None:
        return record
    return _declared(record, classes, depth)


def _declared(record: Record, classes: DeclaredProperties, depth: int) -> Record:
    """The instance with its values as the class declares them."""

    def read_embedded(text: str, place: str) -> Record:
        if not depth:
            raise InstanceTextError("instances are nested too deeply", place=place)
        try:
            return _read(text, classes, depth - 1)
        except InstanceTextError as error:
            inner = f"{place}.{error.place}" if error.place else place
            raise InstanceTextError(error.why, place=inner) from error

    properties = classes.properties(record.class_name)
    values: dict[str, Value] = {}
    for name, value in record.values.items():
        declared = properties.get(name.lower())
        if declared is None:
            values[name] = value
            continue
        try:
            values[declared.name] = declared_value(value, declared, read_embedded)
        except MisfitError as error:
            raise InstanceTextError(error.why, place=error.place) from error
    return Record(record.class_name, values)


def _root(text: str) -> Element:
    reader = ElementReader(_LIMITS, was_text=True)
    try:
        reader.feed(text.encode())
        return reader.close()
    except (CimXmlError, UnicodeEncodeError) as error:
        raise InstanceTextError(f"the text is no CIM-XML instance: {error}") from error


def _instance(root: Element) -> Record:
    """The one INSTANCE (DSP0201 "INSTANCE"), which may stand within other elements.

    ``<!ELEMENT INSTANCE (QUALIFIER*, (PROPERTY | PROPERTY.ARRAY | PROPERTY.REFERENCE)*)>``
    """
    instances = list(_named(root, "INSTANCE"))
    class_name = instances[0].attributes.get("CLASSNAME") if len(instances) == 1 else None
    if not class_name:
        raise InstanceTextError("the text must hold one INSTANCE element with its CLASSNAME")
    values: dict[str, Value] = {}
    seen: set[str] = set()
    for element in instances[0].children:
        if element.name == "QUALIFIER":
            continue
        name = element.attributes.get("NAME", "")
        if not name or not element.name.startswith("PROPERTY"):
            raise InstanceTextError(
                f"an INSTANCE does not hold {element.name:.40} {name:.80}".rstrip()
            )
        if name.lower() in seen:
            raise InstanceTextError("the property is given twice", place=name)
        seen.add(name.lower())
        values[name] = _property(element, name)
    return Record(class_name, values)


def _named(root: Element, name: str) -> list[Element]:
    """The elements of that name, the root and what stands within one of them included."""
    found: list[Element] = []
    waiting = [root]
    while waiting:
        element = waiting.pop()
        if element.name == name:
            found.append(element)
        waiting += element.children
    return found


def _property(element: Element, name: str) -> Value:
    """A property (DSP0201 "PROPERTY" and "PROPERTY.ARRAY").

    ``<!ELEMENT PROPERTY (QUALIFIER*, VALUE?)>`` or
    ``<!ELEMENT PROPERTY.ARRAY (QUALIFIER*, VALUE.ARRAY?)>``
    """
    children = [child for child in element.children if child.name != "QUALIFIER"]
    expected = {"PROPERTY": "VALUE", "PROPERTY.ARRAY": "VALUE.ARRAY"}.get(element.name)
    if not children:
        return None
    if expected is None or len(children) != 1 or children[0].name != expected:
        raise InstanceTextError(
            f"{children[0].name:.40} cannot be used as a value here", place=name
        )
    type_name = element.attributes.get("TYPE", "string").lower()
    if expected == "VALUE":
        return _scalar(children[0], type_name, name)
    return [
        _scalar(item, type_name, f"{name}[{index}]")
        for index, item in enumerate(children[0].children)
    ]


def _scalar(element: Element, type_name: str, place: str) -> Scalar:
    if element.name != "VALUE" or element.children:
        raise InstanceTextError(f"{element.name:.40} cannot be used as a value here", place=place)
    try:
        return read_value(type_name, element.text)
    except ValueError as error:
        shown = element.text[:_SHOWN_CHARACTERS]
        raise InstanceTextError(f"{shown!r} is no {type_name:.40}: {error}", place=place) from error
