"""Which call a report tells of that came without one: by what tools say around the reason.

Tools say what they were about ("Failed to start domain"), bindings name the function that failed.
Names are libvirt's, and ``(start)`` for an emulator.
"""

from __future__ import annotations

import re

from virtcim.errormap.command_lines import call_of_command
from virtcim.errormap.patterns import later

__all__ = ["call_before", "call_of_image_tool"]

_LOOKED_AT = 8 * 1024
# The command line of a program for images, as tools print it, also as a list.
_IMAGE_TOOL = later(r"\b(?:qemu|kvm)-img['\"]?,? ['\"]?([a-z]{4,10})\b")
_FUNCTION = later(r"\b(vir[A-Z][a-z]\w{2,60})(?:\(\))? failed\b")
_FAILED = r"\b(?:fail(?:ed|ure)?|error|unable|could not)\b.{0,8}"
_DOMAIN = r"(?:libvirt )?(?:domain|guest|vm|virtual machine)\b"
_TOLD: dict[str, tuple[str, ...]] = {
    "virDomainMigrateToURI3": (r"\blive[ -]migration\b|\bmigratetouri\w*|\bmigration aborted\b",),
    "virConnectOpenAuth": (r"\b(?:re)?connect to (?:the hypervisor|libvirt)\b",),
    "virDomainCreateWithFlags": (
        r"\bprocess exited (?:prior to exec|while connecting to monitor)|\bclosed the monitor\b",
        rf"{_FAILED} start(?:ing)? {_DOMAIN}",
        r"\bvm \S{1,80} is down with error\b|\bsyncvmi failed\b",
        r"\blibxenlight failed to create\b|:\s?domcreate_\w",
    ),
    "virDomainCreateXML": (
        rf"{_FAILED} creat(?:e|ing) {_DOMAIN}",
        r"\bunable to complete install\b|\bdomain installation does not\b",
    ),
    "virDomainDefineXML": (
        rf"{_FAILED} defin(?:e|ing) {_DOMAIN}",
        r"\berror changing vm configuration\b",
    ),
    "virDomainAttachDeviceFlags": (
        r"\bfailed to attach (?:device|disk|interface)\b|\b(?:error adding|unable to add) device\b",
    ),
    "virDomainDetachDeviceFlags": (r"\bfailed to detach (?:device|disk|interface)\b",),
    "virDomainUndefineFlags": (rf"\bfailed to undefine {_DOMAIN}",),
    "virDomainRestoreFlags": (rf"\bfailed to restore {_DOMAIN}",),
    "virDomainSaveFlags": (rf"\bfailed to save {_DOMAIN}",),
}
_SAID = tuple((call, later("|".join(patterns))) for call, patterns in _TOLD.items())


_NOT_CONNECTED = later(r"\bfailed to (?:re)?connect to the hypervisor\b", re.IGNORECASE)


def call_before(text: str, operation: str) -> str:
    """The call that was under way: before anything that was asked for comes the connection."""
    if operation and _NOT_CONNECTED.search(text[:_LOOKED_AT]) is None:
        return operation
    return call_named_in(text)


def call_named_in(text: str) -> str:
    """The call that ``text`` says has failed; empty where it names none."""
    looked = text[:_LOOKED_AT]
    named = _FUNCTION.search(looked) if "vir" in looked else None
    if named is not None:
        return str(named[1])
    tool = call_of_image_tool(looked)
    if tool:
        return tool
    lowered = looked.lower()
    return next((call for call, said in _SAID if said.search(lowered)), "")


def call_of_image_tool(text: str) -> str:
    """The call that a command line of a program for images in ``text`` makes; empty without one."""
    tool = _IMAGE_TOOL.search(text[:_LOOKED_AT]) if "-img" in text else None
    return "" if tool is None else call_of_command(f"qemu-img {tool[1]}")
