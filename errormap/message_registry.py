"""The vocabulary as a DMTF message registry, for programs that read those (DSP0228)."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from virtcim.errormap.fault import ErrorCode
from virtcim.errormap.telling.advice import general_advice
from virtcim.errormap.translation import TABLE_VERSION
from virtcim.errormap.vocabulary import vocabulary

__all__ = ["IDENTIFIER", "NAMESPACE", "OWNER", "STATUS_NAMES", "message_registry"]

NAMESPACE = "http://schemas.dmtf.org/wbem/messageregistry/1"
IDENTIFIER = "VIRTCIM"
OWNER = "virtcim"
# Names of the DSP0200 status codes that the vocabulary uses.
STATUS_NAMES = {
    1: "CIM_ERR_FAILED",
    2: "CIM_ERR_ACCESS_DENIED",
    4: "CIM_ERR_INVALID_PARAMETER",
    6: "CIM_ERR_NOT_FOUND",
    7: "CIM_ERR_NOT_SUPPORTED",
    11: "CIM_ERR_ALREADY_EXISTS",
}
_SENTENCE = "What happened to what, and the words of its source in brackets"


def message_registry() -> str:
    """One message for each code of the vocabulary but success, as XML text.

    NAME is the code's name, which CIM_Error.MessageID carries; SEQUENCE_NUMBER the code's number,
    which CIM_ConcreteJob.ErrorCode carries.
    """
    ET.register_namespace("", NAMESPACE)
    registry = ET.Element(_tag("REGISTRY"))
    declaration = _child(registry, "REGISTRY_DECLARATION")
    _child(
        declaration,
        "IDENTIFICATION",
        ID=IDENTIFIER,
        NAME="virtcim Message Registry",
        VERSION=TABLE_VERSION,
        LANGUAGE="en-US",
    )
    _child(declaration, "OWNING_ENTITY").text = OWNER
    entries = _child(registry, "REGISTRY_ENTRIES")
    for code in ErrorCode:
        if code is not ErrorCode.ERR_SUCCESS:
            _add_message(entries, code)
    ET.indent(registry)
    return ET.tostring(registry, encoding="unicode", xml_declaration=True) + "\n"


def _add_message(entries: ET.Element, code: ErrorCode) -> None:
    message = _child(entries, "MESSAGE", NAME=code.name)
    # Four digits, as DSP0228 recommends.
    _child(message, "MESSAGE_ID", PREFIX=IDENTIFIER, SEQUENCE_NUMBER=f"{code:04}")
    _child(message, "MESSAGE_DESCRIPTION").text = vocabulary()[code].sentence
    components = _child(message, "MESSAGE_COMPONENTS")
    _child(components, "STATIC_ELEMENT").text = f"{code.name}: "
    _child(components, "DYNAMIC_ELEMENT", NAME=_SENTENCE, SOURCE_PROPERTY="CIM_Error.Message")
    fixed = _child(message, "FIXED_MESSAGE_INSTANCE_VALUES", TYPE="ERROR")
    status = code.cim_status
    _child(fixed, "CIMSTATUSCODE", VALUE=str(status), DESCRIPTION=STATUS_NAMES[status])
    for action in general_advice(code).actions:
        _child(fixed, "RECOMMENDED_ACTION", DESCRIPTION=action)


def _child(parent: ET.Element, name: str, **attributes: str) -> ET.Element:
    return ET.SubElement(parent, _tag(name), attributes)


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"
