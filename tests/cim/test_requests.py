"""Request messages: the same request however its bytes came, and a reason for what is none."""

from __future__ import annotations

import pytest

from tests.cimserver.serving import intrinsic, method
from virtcim.cim.cimxml.elements import ElementReader, MessageLimits
from virtcim.cim.cimxml.requests import (
    IntrinsicCall,
    MethodCall,
    Request,
    read_request,
    request_in,
)
from virtcim.cim.errors import CimXmlError

_LIMITS = MessageLimits()
_INTRINSIC = intrinsic("GetClass", ClassName='<CLASSNAME NAME="CIM_System"/>')
_METHOD = method("Echo", '<CLASSNAME NAME="Test_Everything"/>', S_uint8="<VALUE>1</VALUE>")


def _in_pieces(data: bytes, size: int, trailing: bytes = b"") -> Request:
    reader = ElementReader(_LIMITS, block_bytes=16)
    for start in range(0, len(data), size):
        reader.feed(data[start : start + size])
    reader.feed(trailing)
    return request_in(reader.close())


@pytest.mark.parametrize("text", [_INTRINSIC, _METHOD])
def test_a_request_is_the_same_whole_byte_by_byte_and_with_trailing_blanks(text: str) -> None:
    data = text.encode()
    whole = read_request(data, _LIMITS)
    assert isinstance(whole, IntrinsicCall | MethodCall)
    for size in (1, 7, 1000):
        assert _in_pieces(data, size) == whole
        assert _in_pieces(data, size, b"\r\n") == whole
        with pytest.raises(CimXmlError, match="junk after document element"):
            _in_pieces(data, size, b"<CIM/>")


@pytest.mark.parametrize(
    ("old", "new", "status_hint", "cim_error"),
    [
        ("<CIM ", "<cim ", 400, "request-not-well-formed"),
        ('CIMVERSION="2.0"', 'CIMVERSION="3.0"', 501, "unsupported-cim-version"),
        ('DTDVERSION="2.0"', 'DTDVERSION="1.0"', 501, "unsupported-dtd-version"),
        ('PROTOCOLVERSION="1.0"', 'PROTOCOLVERSION="2"', 501, "unsupported-protocol-version"),
        ("SIMPLEREQ>", "MULTIREQ>", 501, "multiple-requests-unsupported"),
        ("SIMPLEREQ>", "SIMPLERSP>", 400, "request-not-loosely-valid"),
        ("LOCALNAMESPACEPATH>", "NAMESPACEPATH>", 400, "request-not-loosely-valid"),
        ("IPARAMVALUE", "PARAMVALUE", 400, "request-not-loosely-valid"),
    ],
)
def test_a_message_that_is_no_request_says_why_and_hints_at_the_status(
    old: str, new: str, status_hint: int, cim_error: str
) -> None:
    changed = _INTRINSIC.replace(old, new)
    assert changed != _INTRINSIC
    with pytest.raises(CimXmlError) as refused:
        read_request(changed.encode(), _LIMITS)
    assert (refused.value.status_hint, refused.value.cim_error) == (status_hint, cim_error)
