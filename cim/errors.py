"""How reading and writing CIM can fail; nothing here knows a transport.

    CimXmlError                 what the other side sent is no CIM-XML message
    InvalidValue (ValueError)   what it sent does not fit its declaration
    EncodingError               what we were given to write does not fit its declaration
        OutOfRange              ... though it is of the right type

A failed CIM operation is a ``records.CimError``.
"""

from __future__ import annotations

__all__ = ["CimXmlError", "EncodingError", "InvalidValue", "OutOfRange"]


class CimXmlError(Exception):
    """A message that cannot be read.

    ``status_hint`` is the HTTP status that fits an answer, ``cim_error`` the value of the CIMError
    header (DSP0200 "CIMError"), empty for none; ``detail`` is one line of text.
    """

    def __init__(self, detail: str, *, status_hint: int = 400, cim_error: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.status_hint = status_hint
        self.cim_error = cim_error


class InvalidValue(ValueError):  # noqa: N818 - a value of a client's, no mistake of ours
    """A value or an object path that does not fit; the text names it and says what is expected."""


class EncodingError(Exception):
    """A provider gave a value that its class does not declare: a programming error."""


class OutOfRange(EncodingError):  # noqa: N818 - an odd value of the hypervisor's, no mistake of ours
    """A value is of its type, but beyond what that type can carry."""
