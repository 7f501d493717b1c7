"""Embedded instances as clients send them: typed records, CIM-XML text, MOF text.

Typed records come from the host; text is read here, since it says itself which class it is of.
What cannot be read is refused by the name of the parameter and of the property.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
from defusedxml import DefusedXmlException

from virtcim.cim.records import Record, Value
from virtcim.providers.errors import rejected
from virtcim.providers.parameters.cim_text import convert
from virtcim.providers.parameters.mof_text import MofError, parse_mof_instance

__all__ = ["MAX_TEXT_LENGTH", "read_instance"]

MAX_TEXT_LENGTH = 256 * 1024


def read_instance(value: Value, parameter: str) -> Record:
    """The instance in one element of ``parameter``. Raises CimError (ERR_BAD_PARAMETER)."""
    if isinstance(value, Record):
        return value
    if not isinstance(value, str) or not value.strip():
        raise rejected(f"{parameter}: an instance is needed, not {_shown(value)}")
    if len(value) > MAX_TEXT_LENGTH:
        raise rejected(f"{parameter}: the text is longer than {MAX_TEXT_LENGTH} characters")
    if value.lstrip().startswith("<"):
        return _read_xml(value.strip(), parameter)
    try:
        class_name, values = parse_mof_instance(value)
    except MofError as error:
        raise rejected(f"{parameter}: the text is no MOF instance: {error}") from error
    return Record(class_name, values)


def _read_xml(text: str, parameter: str) -> Record:
    try:
        root = defusedxml.ElementTree.fromstring(text, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise rejected(f"{parameter}: the text is no CIM-XML instance: {error}") from error
    instances = list(root.iter("INSTANCE"))
    if len(instances) != 1 or not instances[0].get("CLASSNAME"):
        raise rejected(f"{parameter}: the text must hold one INSTANCE element with its CLASSNAME")
    values: dict[str, Value] = {}
    seen: set[str] = set()
    for element in instances[0]:
        if element.tag == "QUALIFIER":
            continue
        name = element.get("NAME", "")
        if not name or not element.tag.startswith("PROPERTY"):
            raise rejected(f"{parameter}: an INSTANCE does not hold {element.tag} {name}".rstrip())
        if name.lower() in seen:
            raise rejected(f"{parameter}.{name}: the property is given twice")
        seen.add(name.lower())
        values[name] = _read_property(element, f"{parameter}.{name}")
    return Record(instances[0].get("CLASSNAME", ""), values)


def _read_property(element: Element, where: str) -> Value:
    """A property (DSP0201 5.2.3).

    ``<!ELEMENT PROPERTY (QUALIFIER*,VALUE?)>`` or
    ``<!ELEMENT PROPERTY.ARRAY (QUALIFIER*,VALUE.ARRAY?)>``
    """
    children = [child for child in element if child.tag != "QUALIFIER"]
    expected = {"PROPERTY": "VALUE", "PROPERTY.ARRAY": "VALUE.ARRAY"}.get(element.tag)
    if not children:
        return None
    if expected is None or len(children) != 1 or children[0].tag != expected:
        raise rejected(f"{where}: {children[0].tag} cannot be used as a value here")
    cim_type = element.get("TYPE", "string")
    if expected == "VALUE":
        return convert(_text(children[0], where), cim_type, where)
    return [
        convert(_text(item, f"{where}[{index}]"), cim_type, f"{where}[{index}]")
        for index, item in enumerate(children[0])
    ]


def _text(element: Element, where: str) -> str:
    if element.tag != "VALUE" or len(element):
        raise rejected(f"{where}: {element.tag} cannot be used as a value here")
    return element.text or ""


def _shown(value: object) -> str:
    return "NULL" if value is None else repr(value)
