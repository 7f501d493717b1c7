"""Reading one request message (DSP0201 "MESSAGE"): who is called, where, with what."""

from __future__ import annotations

from dataclasses import dataclass

from virtcim.cim.cimxml.elements import Element, MessageLimits, read_element
from virtcim.cim.errors import CimXmlError

__all__ = [
    "IntrinsicCall",
    "MethodCall",
    "Parameter",
    "Request",
    "namespace_of",
    "read_request",
    "request_in",
]

_NOT_IMPLEMENTED = 501


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter as it was sent; ``element`` holds its value, None for NULL."""

    name: str
    element: Element | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntrinsicCall:
    """An operation of the protocol itself (IMETHODCALL)."""

    message_id: str
    name: str
    namespace: str
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodCall:
    """A method of a class (METHODCALL); ``target`` is an INSTANCENAME or CLASSNAME."""

    message_id: str
    name: str
    namespace: str
    target: Element
    parameters: tuple[Parameter, ...]


Request = IntrinsicCall | MethodCall


def read_request(data: bytes, limits: MessageLimits) -> Request:
    """Read a whole request message. Raises CimXmlError that says what is wrong with it."""
    return request_in(read_element(data, limits))


def request_in(root: Element) -> Request:
    """The request that a document holds. Raises CimXmlError that says what is wrong with it.

    ``<!ELEMENT CIM (MESSAGE | DECLARATION)>``
    ``<!ELEMENT MESSAGE (SIMPLEREQ | MULTIREQ | SIMPLERSP | ... )>``
    """
    if root.name != "CIM":
        raise _invalid(f"the root element is {root.name:.40} instead of CIM")
    _check_version(root, "CIMVERSION", "unsupported-cim-version")
    _check_version(root, "DTDVERSION", "unsupported-dtd-version")
    message = root.only_child("MESSAGE")
    _check_version(message, "PROTOCOLVERSION", "unsupported-protocol-version", major="1.")
    message_id = message.attribute("ID")
    if any(child.name == "MULTIREQ" for child in message.children):
        raise CimXmlError(
            "several operations in one message are not supported",
            status_hint=_NOT_IMPLEMENTED,
            cim_error="multiple-requests-unsupported",
        )
    call = message.only_child("SIMPLEREQ").only_child("IMETHODCALL", "METHODCALL")
    name = call.attribute("NAME")
    if not call.children:
        raise _invalid(f"{call.name} names no namespace")
    target = call.children[0]
    if call.name == "IMETHODCALL":
        return IntrinsicCall(
            message_id=message_id,
            name=name,
            namespace=namespace_of(target),
            parameters=tuple(_parameter(one, "IPARAMVALUE") for one in call.children[1:]),
        )
    if target.name not in ("LOCALINSTANCEPATH", "LOCALCLASSPATH") or len(target.children) != 2:
        raise _invalid("METHODCALL needs a LOCALINSTANCEPATH or LOCALCLASSPATH")
    return MethodCall(
        message_id=message_id,
        name=name,
        namespace=namespace_of(target.children[0]),
        target=target.children[1],
        parameters=tuple(_parameter(one, "PARAMVALUE") for one in call.children[1:]),
    )


def namespace_of(element: Element) -> str:
    """The namespace that an element names, with slashes.

    ``<!ELEMENT LOCALNAMESPACEPATH (NAMESPACE+)>``
    """
    names = [child.attribute("NAME") for child in element.children if child.name == "NAMESPACE"]
    if element.name != "LOCALNAMESPACEPATH" or len(names) != len(element.children) or not names:
        raise _invalid(f"{element.name:.40} is no LOCALNAMESPACEPATH with a NAMESPACE")
    return "/".join(names).strip("/")


def _parameter(element: Element, expected: str) -> Parameter:
    if element.name != expected:
        raise _invalid(f"{element.name:.40} stands where {expected} should")
    if len(element.children) > 1:
        raise _invalid(f"{expected} {element.attribute('NAME'):.80} holds more than one value")
    value = element.children[0] if element.children else None
    return Parameter(name=element.attribute("NAME"), element=value)


def _check_version(element: Element, attribute: str, cim_error: str, major: str = "2.") -> None:
    version = element.attribute(attribute)
    if not version.startswith(major):
        raise CimXmlError(
            f"{attribute} {version:.20} is not supported; {major}0 is",
            status_hint=_NOT_IMPLEMENTED,
            cim_error=cim_error,
        )


def _invalid(detail: str) -> CimXmlError:
    return CimXmlError(detail, cim_error="request-not-loosely-valid")
