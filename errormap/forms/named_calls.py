"""Which call a report tells of that came without one: by what tools say around the reason.

Tools say what they were about ("Failed to start domain"), bindings name the function that failed.
Names are libvirt's, and ``(start)`` for an emulator.
"""

from __future__ import annotations

import re

from virtcim.errormap.patterns import later

__all__ = ["call_before"]

_LOOKED_AT = 8 * 1024
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
    lowered = looked.lower()
    return next((call for call, said in _SAID if said.search(lowered)), "")
