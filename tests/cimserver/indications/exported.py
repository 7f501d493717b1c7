"""What a listener gets, read from the bytes of an export request."""

from __future__ import annotations

import re
from dataclasses import dataclass

_VALUE = r'NAME="%s" TYPE="\w+"><VALUE>([^<]*)</VALUE>'


@dataclass(frozen=True, slots=True, order=True)
class Exported:
    """One delivery."""

    number: int
    text: str
    context: str

    @classmethod
    def of(cls, request: bytes) -> Exported:
        def value(name: str) -> str:
            found = re.search(_VALUE % name, request.decode())
            assert found is not None, request
            return found[1]

        return cls(
            int(value("SequenceNumber")), value("IndicationIdentifier"), value("SequenceContext")
        )


ACCEPTED = (
    b'<?xml version="1.0" encoding="utf-8" ?><CIM CIMVERSION="2.0" DTDVERSION="2.0">'
    b'<MESSAGE ID="1" PROTOCOLVERSION="1.0"><SIMPLEEXPRSP>'
    b'<EXPMETHODRESPONSE NAME="ExportIndication"></EXPMETHODRESPONSE>'
    b"</SIMPLEEXPRSP></MESSAGE></CIM>"
)


def refused(status_code: int, description: str = "no") -> bytes:
    error = f'<ERROR CODE="{status_code}" DESCRIPTION="{description}"></ERROR>'
    return ACCEPTED.replace(b"></EXPMETHODRESPONSE>", f">{error}</EXPMETHODRESPONSE>".encode())
