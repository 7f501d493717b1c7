"""Writing response messages (DSP0201 "MESSAGE"): results, output parameters and errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from virtcim.cim.cimxml.escape import escape_attribute
from virtcim.cim.cimxml.instances import Encoder, Selection
from virtcim.cim.cimxml.requests import MethodCall, Request
from virtcim.cim.records import CimError

__all__ = ["Answer", "Reply", "error_message", "output_parameter", "response_message"]

_HEAD = (
    '<?xml version="1.0" encoding="utf-8" ?>\n'
    '<CIM CIMVERSION="2.0" DTDVERSION="2.0"><MESSAGE ID="{id}" PROTOCOLVERSION="1.0">'
    '<SIMPLERSP><{kind} NAME="{name}">'
)
_TAIL = "</{kind}></SIMPLERSP></MESSAGE></CIM>\n"
# A message is kept in pieces of this size, so that a large one is never there twice. The C library
# asks the system for each larger block, and the processor's caches never see it again.
_PIECE_BYTES = 96 * 1024
_PARTS_AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an operation gave: what is in its IRETURNVALUE or its RETURNVALUE itself, None for none.

    ``result`` may be computed as it is written; ``outputs`` are PARAMVALUE elements.
    """

    result: Iterable[bytes] | None
    outputs: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response message in pieces, in their order.

    ``rest`` writes what follows ``pieces``, None where that is all. ``language`` is that of the
    texts, empty where there are none.
    """

    pieces: Sequence[bytes]
    rest: Iterator[bytes] | None = None
    language: str = ""


def response_message(request: Request, reply: Reply, *, held_bytes: int) -> Answer:
    """The message for an operation that succeeded; beyond ``held_bytes`` the rest is written later.

    ``<!ELEMENT IMETHODRESPONSE (ERROR | (IRETURNVALUE?, PARAMVALUE*))>``
    ``<!ELEMENT METHODRESPONSE (ERROR | (RETURNVALUE?, PARAMVALUE*))>``
    """
    result: Iterable[bytes] = () if reply.result is None else reply.result
    if reply.result is not None and not isinstance(request, MethodCall):
        # An empty element needs its end tag: wbemcli cannot read it without.
        if isinstance(result, list) and len(result) == 1 and not reply.outputs:
            # One instance: nothing is to be cut in pieces, unless it is very long.
            head, tail = _around(request)
            whole = b"".join((head, b"<IRETURNVALUE>", *result, b"</IRETURNVALUE>", tail))
            if len(whole) < min(_PIECE_BYTES, held_bytes):
                return Answer(pieces=(whole,))
        result = chain((b"<IRETURNVALUE>",), result, (b"</IRETURNVALUE>",))
    outputs = (output.encode() for output in reply.outputs)
    pieces = _message(request, chain(result, outputs))
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= held_bytes:
            return Answer(pieces=held, rest=pieces)
    return Answer(pieces=held)


def error_message(
    request: Request, error: CimError, encoder: Encoder, *, with_instances: bool = True
) -> Answer:
    """The message for an operation that failed, with its CIM_Error instances where wanted.

    ``<!ELEMENT ERROR (INSTANCE*)>``
    """
    errors: Iterable[bytes] = (
        [encoder.instance(one, Selection()) for one in error.errors] if with_instances else ()
    )
    description = escape_attribute(error.description)
    head = f'<ERROR CODE="{int(error.status_code)}" DESCRIPTION="{description}">'
    pieces = _message(request, (head.encode(), *errors, b"</ERROR>"))
    return Answer(pieces=[*pieces], language=error.language)


def output_parameter(name: str, type_name: str, value: str, *, is_embedded: bool = False) -> str:
    """``<!ELEMENT PARAMVALUE (VALUE | VALUE.REFERENCE | VALUE.ARRAY | VALUE.REFARRAY | ...)?>``"""
    embedded = ' EmbeddedObject="instance"' if is_embedded else ""
    return f'<PARAMVALUE NAME="{name}" PARAMTYPE="{type_name}"{embedded}>{value}</PARAMVALUE>'


def _around(request: Request) -> tuple[bytes, bytes]:
    """What stands before and after what an operation gave."""
    kind = "METHODRESPONSE" if isinstance(request, MethodCall) else "IMETHODRESPONSE"
    head = _HEAD.format(
        id=escape_attribute(request.message_id), kind=kind, name=escape_attribute(request.name)
    )
    return head.encode(), _TAIL.format(kind=kind).encode()


def _message(request: Request, parts: Iterable[bytes]) -> Iterator[bytes]:
    head, tail = _around(request)
    # Several at a time: a list of thousands is long since written, and only put together.
    waiting = chain((head,), parts, (tail,))
    piece: list[bytes] = []
    size = 0
    while further := [*islice(waiting, _PARTS_AT_ONCE)]:
        longest = max(map(len, further))
        if longest >= _PIECE_BYTES:
            # Long since put together, and not to be copied.
            yield b"".join(piece)
            yield from further
            piece, size = [], 0
            continue
        piece += further
        size += sum(map(len, further))
        if size >= _PIECE_BYTES:
            yield b"".join(piece)
            piece, size = [], 0
    if piece:
        yield b"".join(piece)
