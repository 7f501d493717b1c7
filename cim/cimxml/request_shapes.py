"""Requests that differ in their values alone are read once.

Clients send the same few messages again and again, of one object after the other. The shape of a
message is its text without the values in it: the content of VALUE and KEYVALUE, and the number of
the message. What a message of a known shape asks for is known, too, but for its values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from virtcim.cim.cimxml.elements import Element, MessageLimits
from virtcim.cim.cimxml.requests import (
    IntrinsicCall,
    MethodCall,
    Parameter,
    Request,
    read_request,
)
from virtcim.cim.errors import CimXmlError

__all__ = ["RequestReader"]

# A value that stands for itself, with the ">" before it and the end tag after it: no markup, no
# reference, nothing that a reader would change.
_VALUES = re.compile(r">([ !-%'-;=?-~]*)</((?:KEY)?VALUE)>")
_MESSAGE = '<MESSAGE ID="'
_MESSAGE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
# A character that no known message holds, as those are ASCII.
_MARK = "\uf8ff"

_Fill = Callable[[Sequence[str]], Element]
_Template = Callable[[str, Sequence[str]], Request]


class RequestReader:
    """Reads whole request messages as ``read_request`` does, those of a known shape faster.

    Safe to use from many threads. At most ``most_shapes`` are known, of messages of at most
    ``most_bytes``; when there are more, all are forgotten.
    """

    def __init__(
        self, limits: MessageLimits, *, most_shapes: int = 256, most_bytes: int = 4096
    ) -> None:
        self._limits = limits
        self._most_shapes = most_shapes
        self._most_bytes = min(most_bytes, limits.size_bytes)
        # None where it was seen once, or where its values cannot be told from the rest.
        self._templates: dict[tuple[str, ...], _Template | None] = {}

    def read(self, data: bytes) -> Request:
        """The request in a message. Raises CimXmlError that says what is wrong with it."""
        if len(data) > self._most_bytes or not data.isascii():
            return read_request(data, self._limits)
        before, _, rest = data.decode("ascii").partition(_MESSAGE)
        # Values with references are not known as such: every one would be a shape of its own.
        if not rest or "&" in rest:
            return read_request(data, self._limits)
        message_id, _, rest = rest.partition('"')
        pieces = _VALUES.split(rest)
        shape = (before, *pieces[::3], *pieces[2::3])
        template = self._templates.get(shape)
        if template is not None and _MESSAGE_ID.fullmatch(message_id):
            return template(message_id, pieces[1::3])
        request = read_request(data, self._limits)
        if template is None:
            self._learn(shape, before, pieces)
        return request

    def _learn(self, shape: tuple[str, ...], before: str, pieces: Sequence[str]) -> None:
        """Make a template of a shape that comes again."""
        if shape in self._templates:
            self._templates[shape] = _template(before, pieces, self._limits)
            return
        if len(self._templates) >= self._most_shapes:
            self._templates = {}
        self._templates[shape] = None


class _NotAValue(Exception):  # noqa: N818 - never leaves this module
    """What was taken for a value is only part of a text."""


def _template(before: str, pieces: Sequence[str], limits: MessageLimits) -> _Template | None:
    """What makes a request of its message ID and its values; None where that is not possible.

    The message is read with a mark in the place of each: an element in which there is nothing but
    a mark holds a value. Where a mark is found within a text, the value was only the end of one.
    """
    places = {f"{_MARK}{number}{_MARK}": number for number in range(len(pieces) // 3)}
    marked = [before, _MESSAGE, _MARK, '"']
    for mark, number in places.items():
        text, _, tag = pieces[3 * number : 3 * number + 3]
        marked.append(f"{text}>{mark}</{tag}>")
    try:
        request = read_request("".join((*marked, pieces[-1])).encode(), limits)
        if request.message_id != _MARK:
            return None
        if isinstance(request, MethodCall):
            return _method_template(request, places)
        return _intrinsic_template(request, places)
    except (CimXmlError, _NotAValue):
        return None


def _intrinsic_template(call: IntrinsicCall, places: dict[str, int]) -> _Template:
    name, namespace = call.name, call.namespace
    fills = [_parameter_filling(one, places) for one in call.parameters]

    def template(message_id: str, values: Sequence[str]) -> IntrinsicCall:
        return IntrinsicCall(
            message_id=message_id,
            name=name,
            namespace=namespace,
            parameters=tuple([fill(values) for fill in fills]),
        )

    return template


def _method_template(call: MethodCall, places: dict[str, int]) -> _Template:
    target = _filling(call.target, places) or _constant(call.target)
    fills = [_parameter_filling(one, places) for one in call.parameters]

    def template(message_id: str, values: Sequence[str]) -> MethodCall:
        return replace(
            call,
            message_id=message_id,
            target=target(values),
            parameters=tuple([fill(values) for fill in fills]),
        )

    return template


def _parameter_filling(
    parameter: Parameter, places: dict[str, int]
) -> Callable[[Sequence[str]], Parameter]:
    fill = None if parameter.element is None else _filling(parameter.element, places)
    if fill is None:
        return lambda _: parameter
    name = parameter.name
    return lambda values: Parameter(name=name, element=fill(values))


def _constant(element: Element) -> _Fill:
    return lambda _: element


def _filling(element: Element, places: dict[str, int]) -> _Fill | None:
    """What makes an element of the values; None where there are none in it."""
    name, attributes, text = element.name, element.attributes, element.text
    children = [_filling(child, places) for child in element.children]
    place = places.get(text)
    if place is None and _MARK in text:
        raise _NotAValue
    if place is not None and not children:
        return lambda values: Element(name, attributes, [], values[place])
    if place is None and not any(children):
        return None
    fills = [
        _constant(child) if fill is None else fill
        for child, fill in zip(element.children, children, strict=True)
    ]
    if place is None:
        return lambda values: Element(name, attributes, [fill(values) for fill in fills], text)
    # Values beside elements are refused later, by whoever knows what is expected there.
    return lambda values: Element(name, attributes, [fill(values) for fill in fills], values[place])
