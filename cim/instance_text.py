"""One instance as text, in CIM-XML or in MOF: how an embedded instance travels in a string.

The text says which class it is of, and in CIM-XML of which type each value is.
"""

from __future__ import annotations

from virtcim.cim.cimxml.elements import Element, ElementReader, MessageLimits
from virtcim.cim.data_types import read_value
from virtcim.cim.errors import CimXmlError
from virtcim.cim.mof_text import MofError, parse_mof_instance
from virtcim.cim.records import Record, Scalar, Value

__all__ = ["MAX_TEXT_LENGTH", "InstanceTextError", "read_instance_text"]

MAX_TEXT_LENGTH = 256 * 1024
_LIMITS = MessageLimits(size_bytes=4 * MAX_TEXT_LENGTH)
_SHOWN_CHARACTERS = 80


class InstanceTextError(ValueError):
    """A text is no instance; ``place`` is the property and the element, empty for the whole."""

    def __init__(self, why: str, *, place: str = "") -> None:
        super().__init__(f"{place}: {why}" if place else why)
        self.why = why
        self.place = place


def read_instance_text(text: str) -> Record:
    """The instance that ``text`` holds. Raises InstanceTextError."""
    if len(text) > MAX_TEXT_LENGTH:
        raise InstanceTextError(f"the text is longer than {MAX_TEXT_LENGTH} characters")
    if text.lstrip().startswith("<"):
        return _instance(_root(text.strip()))
    try:
        return parse_mof_instance(text)
    except MofError as error:
        raise InstanceTextError(f"the text is no MOF instance: {error}") from error


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
