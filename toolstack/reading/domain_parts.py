"""The parts of a domain description: its name, its disks and interfaces, and all the rest.

Machines of one host are made after a few patterns. Where the parts are apart, those that are the
same in many descriptions are read once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Parts", "split"]

# As libvirt writes each element on a line of its own, each level two blanks further to the right.
_BEGIN, _END = "\n  <devices>\n", "\n  </devices>\n"
# A name without anything that XML would read otherwise, and the UUID after it.
_NAME = re.compile(r"(<domain [^\n]*>)\n  <name>([^<>&\r\n]+)</name>\n  <uuid>[^<>&\r\n]+</uuid>")
# The number of a run: nothing is read from it here.
_RUN = re.compile(r" id='\d+'")
# Devices that hardly ever are the same in two machines: their paths and MAC addresses differ.
_OWN = re.compile(r"(\n    <(disk|interface) [^\n]*(?:\n      [^\n]*)*\n    </\2>)")
_GROUPS = 3  # that it splits a text into: what is before a device, the device, its tag


class Parts(NamedTuple):
    """``head`` is the description without the other parts and the UUID; all are XML.

    ``others`` are the devices besides disks and interfaces, in their order.
    """

    name: str
    head: str
    disks: Sequence[str]
    interfaces: Sequence[str]
    others: str


def split(xml: str) -> Parts | None:
    """Take a description apart; None where it is not laid out as libvirt does.

    In what libvirt writes, "<" is markup and nothing else, apart from ``<metadata>``, which comes
    before the devices and may hold anything.
    """
    before, begin, rest = xml.rpartition(_BEGIN)
    body, end, after = rest.partition(_END)
    named = _NAME.match(before)
    if not (begin and end and named and named[2].isprintable()) or "</metadata>" in rest:
        return None
    devices = _OWN.split(f"\n{body}")
    own: dict[str, list[str]] = {"disk": [], "interface": []}
    for text, tag in zip(devices[1::_GROUPS], devices[2::_GROUPS], strict=True):
        own[tag].append(text)
    return Parts(
        name=named[2],
        head=f"{_RUN.sub('', named[1])}{before[named.end() :]}\n{after}",
        disks=own["disk"],
        interfaces=own["interface"],
        others="".join(devices[::_GROUPS]),
    )
