"""The parts of a domain description: its devices, its name, and all the rest.

Machines of one host are made after a few patterns. Where the parts are apart, those that are the
same in many descriptions are parsed once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple
from xml.etree.ElementTree import Element, ParseError

from virtcim.toolstack.reading.common import parse_xml

__all__ = ["Parts", "split"]

# As libvirt writes each element on a line of its own, each level two blanks further to the right.
_BEGIN, _END, _DEVICE = "\n  <devices>\n", "\n  </devices>\n", "\n    <"
# A name without anything that XML would read otherwise, and the UUID after it.
_NAME = re.compile(r"(<domain [^\n]*>)\n  <name>([^<>&\r\n]+)</name>\n  <uuid>[^<>&\r\n]+</uuid>")
# The number of a run: nothing is read from it here.
_RUN = re.compile(r" id='\d+'")
# Devices that hardly ever are the same in two machines: their paths and MAC addresses differ.
_OWN = ("disk", "interface")


class Parts(NamedTuple):
    """``head`` is the description without the other parts and the UUID."""

    name: str
    head: str
    devices: Sequence[Element]


def split(xml: str) -> Parts | None:
    """Take a description apart; None where it is not laid out as libvirt does, or is no XML.

    In what libvirt writes, "<" is markup and nothing else, apart from ``<metadata>``, which comes
    before the devices and may hold anything.
    """
    before, begin, rest = xml.rpartition(_BEGIN)
    body, end, after = rest.partition(_END)
    named = _NAME.match(before)
    if not (begin and end and named) or "</metadata>" in rest:
        return None
    try:
        devices = _devices(body)
    except ParseError:
        return None
    if devices is None:
        return None
    head = f"{_RUN.sub('', named[1])}{before[named.end() :]}\n{after}"
    return Parts(named[2], head, devices)


def _devices(body: str) -> list[Element] | None:
    """Parse the devices, in their order among those of their kind; raises ParseError."""
    elements: list[Element] = []
    own: list[str] = []
    opened = ""
    before, *pieces = f"\n{body}".split(_DEVICE)
    if before:
        return None
    for piece in pieces:
        if piece[0] == "/":
            text, opened = f"{opened}{_DEVICE}{piece}", ""
        elif opened:
            return None
        elif "\n" in piece:
            opened = f"<{piece}"
            continue
        else:
            text = f"<{piece}"
        if text.startswith(_OWN, 1):
            own.append(text)
        else:
            elements.append(_known(text))
    if opened:
        return None
    if own:
        elements.extend(parse_xml(f"<devices>{''.join(own)}</devices>"))
    return elements


# Controllers, inputs, graphics, ...: most machines have the same ones.
_known = lru_cache(maxsize=1 << 12)(parse_xml)
