"""The export of indications (DSP0201 "EXPMETHODCALL"): the request, and what a listener answers.

Most of a request is the same for everybody who gets the indication. Only what tells one delivery
from the others, the three properties of ``DELIVERY_PROPERTIES``, is written when it is sent.
"""

from __future__ import annotations

from dataclasses import dataclass

from virtcim.cim.cimxml.elements import Element, MessageLimits, read_element
from virtcim.cim.cimxml.escape import escape, escape_attribute
from virtcim.cim.cimxml.instances import Encoder, Selection
from virtcim.cim.errors import CimXmlError
from virtcim.cim.records import Record

__all__ = [
    "ANSWER_LIMITS",
    "DELIVERY_PROPERTIES",
    "EXPORT_HEADERS",
    "ExportError",
    "export_request",
    "read_export_response",
    "shared_instance",
]

# Those of CIM_Indication that each delivery has values of its own for, in lower case.
DELIVERY_PROPERTIES = frozenset({"indicationfiltername", "sequencecontext", "sequencenumber"})
# What identifies an indication is never left out, whatever a query selects.
_ALWAYS = frozenset({"indicationidentifier", "indicationtime"})

# DSP0200 "CIMExport".
EXPORT_HEADERS = {
    "Content-Type": 'application/xml; charset="utf-8"',
    "CIMExport": "MethodRequest",
    "CIMExportMethod": "ExportIndication",
}
# An answer is a few hundred bytes; an error may come with instances.
ANSWER_LIMITS = MessageLimits(size_bytes=64 * 1024, depth=32, elements=2000)

_HEAD = (
    '<?xml version="1.0" encoding="utf-8" ?>\n'
    '<CIM CIMVERSION="2.0" DTDVERSION="2.0"><MESSAGE ID="{id}" PROTOCOLVERSION="1.0">'
    '<SIMPLEEXPREQ><EXPMETHODCALL NAME="ExportIndication">'
    '<EXPPARAMVALUE NAME="NewIndication">'
)
_TAIL = b"</EXPPARAMVALUE></EXPMETHODCALL></SIMPLEEXPREQ></MESSAGE></CIM>\n"
_END_OF_INSTANCE = "</INSTANCE>"
_DELIVERY = (
    '<PROPERTY NAME="IndicationFilterName" TYPE="string">{filter_name}</PROPERTY>'
    '<PROPERTY NAME="SequenceContext" TYPE="string"><VALUE>{context}</VALUE></PROPERTY>'
    '<PROPERTY NAME="SequenceNumber" TYPE="sint64"><VALUE>{number}</VALUE></PROPERTY>'
) + _END_OF_INSTANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportError:
    """The ERROR that a listener answered with: a CIM status code and a text."""

    status_code: int
    description: str


def shared_instance(
    encoder: Encoder, declared: frozenset[str], record: Record, selected: frozenset[str] | None
) -> bytes:
    """The INSTANCE of an indication without its end and what each delivery adds before it.

    ``declared`` are the properties of its class, ``selected`` those that are wanted (None: all),
    in lower case. Raises EncodingError for a record that its class does not declare.
    """
    wanted = declared if selected is None else (selected | _ALWAYS) & declared
    text = encoder.instance(record, Selection(property_list=wanted - DELIVERY_PROPERTIES))
    return text.removesuffix(_END_OF_INSTANCE.encode())


def export_request(
    shared: bytes, *, message_id: str, filter_name: str, context: str, number: int
) -> bytes:
    """The message that exports an indication of which ``shared_instance`` gave the text.

    ``<!ELEMENT SIMPLEEXPREQ (EXPMETHODCALL)>``
    ``<!ELEMENT EXPMETHODCALL (EXPPARAMVALUE*)>``
    ``<!ELEMENT EXPPARAMVALUE (INSTANCE?)>``
    """
    delivery = _DELIVERY.format(
        filter_name=f"<VALUE>{escape(filter_name)}</VALUE>" if filter_name else "",
        context=escape(context),
        number=number,
    )
    head = _HEAD.format(id=escape_attribute(message_id))
    return b"".join((head.encode(), shared, delivery.encode(), _TAIL))


def read_export_response(data: bytes, limits: MessageLimits = ANSWER_LIMITS) -> ExportError | None:
    """What a listener answered: None where it took the indication.

    Raises CimXmlError for anything that is no answer to an export.

    ``<!ELEMENT MESSAGE (... | SIMPLEEXPRSP | MULTIEXPRSP)>``
    ``<!ELEMENT SIMPLEEXPRSP (EXPMETHODRESPONSE)>``
    ``<!ELEMENT EXPMETHODRESPONSE (ERROR | IRETURNVALUE?)>``
    """
    root = read_element(data, limits)
    if root.name != "CIM":
        raise CimXmlError(f"the root element is {root.name:.40} instead of CIM")
    response = root.only_child("MESSAGE").only_child("SIMPLEEXPRSP").only_child("EXPMETHODRESPONSE")
    error = next((child for child in response.children if child.name == "ERROR"), None)
    return None if error is None else _error(error)


def _error(element: Element) -> ExportError:
    """``<!ATTLIST ERROR CODE CDATA #REQUIRED DESCRIPTION CDATA #IMPLIED>``"""
    code = element.attribute("CODE").strip()
    if not (code.isascii() and code.isdigit() and len(code) <= len("65535")):
        raise CimXmlError(f"the listener answers with the error code {code:.40}")
    return ExportError(status_code=int(code), description=element.attributes.get("DESCRIPTION", ""))
