"""The HTTP headers of CIM operations: what is asked, and what is refused.

DSP0200 "CIMOperation", "CIMMethod" and "CIMObject".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

from virtcim.cim.cimxml.requests import MethodCall, Request
from virtcim.cimserver.errors import HttpProblem

__all__ = ["OPTIONS_HEADERS", "Extension", "check_against", "check_request"]

_MEDIA_TYPES = ("application/xml", "text/xml")
_CHARSET = re.compile(r"""charset\s*=\s*["']?([^"';\s]+)""", re.IGNORECASE)
_MAN = re.compile(
    r"^\"?(http://www\.dmtf\.org/cim/mapping/http/v1\.[0-9]+)\"?\s*;\s*ns\s*=\s*([0-9]{2})$"
)

# What a server can do, for a client that asks with OPTIONS.
# DSP0200 "Determining CIM Server Capabilities".
OPTIONS_HEADERS: Mapping[str, str] = {
    "Allow": "POST, M-POST, OPTIONS",
    "CIMProtocolVersion": "1.0",
    "CIMSupportedFunctionalGroups": "basic-read, association-traversal, qualifier-declaration",
    "CIMValidation": "loosely-validating",
}


class Extension:
    """The CIM headers of one request, which M-POST gives a prefix (RFC 2774)."""

    def __init__(self, method: str, headers: Mapping[str, str]) -> None:
        self._headers = headers
        self.prefix = ""
        if method == "M-POST":
            found = _MAN.match(headers.get("man", "").strip())
            if found is None:
                raise HttpProblem(status=510, detail="the Man header names no extension of CIM")
            self.prefix = f"{found[2]}-"

    def get(self, name: str) -> str | None:
        """The value of a CIM header of the request, None where it is not there."""
        value = self._headers.get((self.prefix + name).lower())
        return None if value is None else unquote(value.strip())

    def response_headers(self) -> dict[str, str]:
        """The CIM headers of the response message."""
        named = {f"{self.prefix}CIMOperation": "MethodResponse"}
        if self.prefix:
            named |= {
                "Ext": "",
                "Cache-Control": "no-cache",
                "Man": f"http://www.dmtf.org/cim/mapping/http/v1.0;ns={self.prefix[:2]}",
            }
        return named


def check_request(headers: Mapping[str, str], extension: Extension) -> None:
    """Check what the headers say before the message is read. Raises HttpProblem."""
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise HttpProblem(status=415, detail=f"Content-Encoding {encoding:.40} is not supported")
    content_type = headers.get("content-type", "")
    charset = _CHARSET.search(content_type)
    if content_type.partition(";")[0].strip().lower() not in _MEDIA_TYPES or (
        charset is not None and charset[1].lower() not in ("utf-8", "utf8", "us-ascii")
    ):
        raise HttpProblem(
            status=415, detail="a CIM message is application/xml or text/xml in UTF-8"
        )
    operation = extension.get("CIMOperation")
    if operation is None or operation.lower() != "methodcall":
        raise HttpProblem(
            status=400,
            cim_error="unsupported-operation",
            detail="the header CIMOperation must be MethodCall",
        )
    version = extension.get("CIMProtocolVersion")
    if version is not None and not version.startswith("1."):
        raise HttpProblem(
            status=501,
            cim_error="unsupported-protocol-version",
            detail=f"CIMProtocolVersion {version:.20} is not supported; 1.0 is",
        )
    if extension.get("CIMBatch") is not None:
        raise HttpProblem(
            status=501,
            cim_error="multiple-requests-unsupported",
            detail="several operations in one message are not supported",
        )


def check_against(extension: Extension, request: Request) -> None:
    """Check that the headers name what the message asks for. Raises HttpProblem.

    Firewalls decide by the headers, so one that lies is refused; clients that send none are not.
    """
    method = extension.get("CIMMethod")
    if method is not None and method.lower() != request.name.lower():
        raise _mismatch("CIMMethod", method, request.name)
    cim_object = extension.get("CIMObject")
    if cim_object is None:
        return
    namespace, _, name = cim_object.partition(":")
    if namespace.strip("/").lower() != request.namespace.lower():
        raise _mismatch("CIMObject", cim_object, request.namespace)
    if isinstance(request, MethodCall) and name:
        target = request.target.attributes
        class_name = target.get("CLASSNAME") or target.get("NAME") or ""
        if name.partition(".")[0].lower() != class_name.lower():
            raise _mismatch("CIMObject", cim_object, class_name)


def _mismatch(header: str, value: str, message: str) -> HttpProblem:
    return HttpProblem(
        status=400,
        cim_error="header-mismatch",
        detail=f"the header {header} names {value:.80}, the message {message:.80}",
    )
