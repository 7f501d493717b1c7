"""The HTTP headers of CIM operations: what is asked, and what is refused.

DSP0200 "CIMOperation", "CIMMethod" and "CIMObject".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import unquote

from virtcim.cim.cimxml.requests import MethodCall, Request
from virtcim.cimserver.errors import HttpProblem

__all__ = ["OPTIONS_HEADERS", "Head", "Headers", "check_against", "check_request"]

Headers = Sequence[tuple[bytes, bytes]]

_MEDIA_TYPES = ("application/xml", "text/xml")
_CHARSET = re.compile(r"""charset\s*=\s*["']?([^"';\s]+)""", re.IGNORECASE)
_MAN = re.compile(
    r"^\"?(http://www\.dmtf\.org/cim/mapping/http/v1\.[0-9]+)\"?\s*;\s*ns\s*=\s*([0-9]{2})$"
)

# What a server can do, for a client that asks with OPTIONS.
# DSP0200 "Determining CIM Server Capabilities".
OPTIONS_HEADERS: Headers = (
    (b"allow", b"POST, M-POST, OPTIONS"),
    (b"cimprotocolversion", b"1.0"),
    (
        b"cimsupportedfunctionalgroups",
        b"basic-read, association-traversal, query-execution, qualifier-declaration",
    ),
    (b"cimvalidation", b"loosely-validating"),
)
_MEDIA_TYPE = (b"content-type", b'application/xml; charset="utf-8"')
_RESPONSE_HEADERS: Headers = ((b"cimoperation", b"MethodResponse"), _MEDIA_TYPE)


@lru_cache(maxsize=64)
def _cim_text(value: bytes) -> str:
    """The value of a CIM header, of which a client sends a few."""
    return unquote(value.decode("latin-1").strip())


class Head:
    """The headers of one request, names in lower case; of one that is there twice the first.

    ``prefix`` is what M-POST puts before the names of the CIM headers (RFC 2774).
    """

    __slots__ = ("_headers", "prefix")

    def __init__(self, headers: Headers) -> None:
        self._headers = dict(reversed(headers))
        self.prefix = b""

    def get(self, name: bytes) -> str:
        """The value of a header, empty where it is not there."""
        value = self._headers.get(name)
        return "" if value is None else value.decode("latin-1")

    def cim(self, name: bytes) -> str | None:
        """The value of a CIM header, None where it is not there."""
        value = self._headers.get(self.prefix + name)
        return None if value is None else _cim_text(value)

    def extend(self) -> None:
        """Find the prefix of M-POST. Raises HttpProblem."""
        found = _MAN.match(self.get(b"man").strip())
        if found is None:
            raise HttpProblem(status=510, detail="the Man header names no extension of CIM")
        self.prefix = f"{found[2]}-".encode("ascii")

    def response_headers(self) -> Headers:
        """The headers of the response message, but for its length."""
        if not self.prefix:
            return _RESPONSE_HEADERS
        man = b"http://www.dmtf.org/cim/mapping/http/v1.0;ns=" + self.prefix[:2]
        return (
            (self.prefix + b"cimoperation", b"MethodResponse"),
            (b"ext", b""),
            (b"cache-control", b"no-cache"),
            (b"man", man),
            _MEDIA_TYPE,
        )


def check_request(head: Head) -> None:
    """Check what the headers say before the message is read. Raises HttpProblem."""
    if not head.get(b"content-length") and not head.get(b"transfer-encoding"):
        raise HttpProblem(status=411, detail="Content-Length says how long the message is")
    encoding = head.get(b"content-encoding").strip().lower()
    if encoding not in ("", "identity"):
        raise HttpProblem(status=415, detail=f"Content-Encoding {encoding:.40} is not supported")
    if not _is_cim_xml(head.get(b"content-type")):
        raise HttpProblem(
            status=415, detail="a CIM message is application/xml or text/xml in UTF-8"
        )
    operation = head.cim(b"cimoperation")
    if operation is None or operation.lower() != "methodcall":
        raise HttpProblem(
            status=400,
            cim_error="unsupported-operation",
            detail="the header CIMOperation must be MethodCall",
        )
    version = head.cim(b"cimprotocolversion")
    if version is not None and not version.startswith("1."):
        raise HttpProblem(
            status=501,
            cim_error="unsupported-protocol-version",
            detail=f"CIMProtocolVersion {version:.20} is not supported; 1.0 is",
        )
    if head.cim(b"cimbatch") is not None:
        raise HttpProblem(
            status=501,
            cim_error="multiple-requests-unsupported",
            detail="several operations in one message are not supported",
        )


@lru_cache(maxsize=16)
def _is_cim_xml(content_type: str) -> bool:
    """Whether a Content-Type is that of CIM messages; clients have one spelling each."""
    charset = _CHARSET.search(content_type)
    return content_type.partition(";")[0].strip().lower() in _MEDIA_TYPES and (
        charset is None or charset[1].lower() in ("utf-8", "utf8", "us-ascii")
    )


def check_against(head: Head, request: Request) -> None:
    """Check that the headers name what the message asks for. Raises HttpProblem.

    Firewalls decide by the headers, so one that lies is refused; clients that send none are not.
    """
    method = head.cim(b"cimmethod")
    if method is not None and method.lower() != request.name.lower():
        raise _mismatch("CIMMethod", method, request.name)
    cim_object = head.cim(b"cimobject")
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
