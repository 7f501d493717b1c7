"""What can be wrong with an XML-RPC message, and the fault that a server answers with."""

from __future__ import annotations

__all__ = [
    "IntegerOutOfRange",
    "MalformedMessage",
    "MessageTooLarge",
    "NotXml",
    "NotXmlRpc",
    "RemoteFault",
    "TruncatedMessage",
    "UnencodableValue",
]


class RemoteFault(Exception):  # noqa: N818 - a fault, in XML-RPC's words
    """A well-formed ``<fault>``: the other side received the call and refused it.

    A server's dispatch function raises it to answer with exactly this fault.
    """

    def __init__(self, code: int, string: str) -> None:
        super().__init__(code, string)
        self.code = code
        self.string = string

    def __str__(self) -> str:
        return f"<Fault {self.code}: {self.string!r}>"


class MalformedMessage(ValueError):  # noqa: N818 - says what it is
    """The bytes are no acceptable XML-RPC message; the text names what was wrong."""


class NotXml(MalformedMessage):
    """The bytes are no well-formed XML in UTF-8, or use constructs that are refused (DTD)."""


class NotXmlRpc(MalformedMessage):
    """The bytes are XML, but not the XML-RPC message that was expected."""


class TruncatedMessage(MalformedMessage):
    """The bytes end before the message does; an empty message is one of these."""


class MessageTooLarge(MalformedMessage):
    """The message exceeds the limit on bytes, nesting or elements."""


class UnencodableValue(ValueError):  # noqa: N818 - says what it is
    """A value that XML-RPC cannot carry; the text names the place and the reason."""


class IntegerOutOfRange(UnencodableValue, OverflowError):  # noqa: N818 - says what it is
    """An integer beyond the 32 bits of ``<int>``; XenAPI carries these as decimal strings."""
