"""The named arguments of a fault: what templates may be filled with.

They come from the positional arguments that the table of advice names, from the named groups of
the rule that decided, and from the text, where the sources have a common way to say it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from virtcim.errormap.fault import ErrorCode
from virtcim.errormap.patterns import later
from virtcim.errormap.reading.facts import Facts
from virtcim.errormap.rules import PLACEHOLDER, Rule

__all__ = [
    "GIVEN_BY_TEXT",
    "Values",
    "from_rule",
    "from_text",
    "is_reference",
    "positional",
    "units_of",
]

_E = ErrorCode
# Programs and settings are no images, although faults name them too.
_NO_IMAGE = r"(?!/(?:usr|bin|sbin|lib|lib64|proc|sys|etc)/)"
# In libvirt's translations the quotation marks are those of the language.
_QUOTE = "'\"\u2018\u2019\u201c\u201d\u00ab\u00bb"
_FILE = (
    rf"[{_QUOTE}\[]({_NO_IMAGE}/[^{_QUOTE}\]\n]{{1,300}})[{_QUOTE}\]]"
    rf"|(?<![\w/.:-])({_NO_IMAGE}/(?:[\w.+@%,-]{{1,255}}/){{1,30}}[\w.+@%,-]{{0,254}}\w)"
)
_MACHINE = r"\b(?:domain|vm|virtual machine)(?: '[^'\n]{0,200}')?"
_STATE = r"(running|active|inactive|paused|suspended|halted|shut off)\b"

_PATTERNS: Mapping[ErrorCode, Mapping[str, str]] = {
    _E.ERR_OUT_OF_DISK_SPACE: {"file": _FILE},
    _E.ERR_CANNOT_ACCESS_DISK_FILE: {"file": _FILE},
    _E.ERR_VIRTUAL_DISK_CREATE_FAILED: {"file": _FILE},
    _E.ERR_MOUNT_FAILED_DIR_NOT_EMPTY: {"file": _FILE},
    _E.ERR_FILE_IN_USE: {
        "file": _FILE,
        "holder": (
            r"\b(?:locked|held|owned|claimed|used|in use|attached) by (?:the )?"
            r"((?:domain|vm|process|pid|host|guest|virtual machine) [^\n,.;()]{1,80})"
        ),
    },
    _E.ERR_WRONG_STATE_FOR_OP: {
        "expected_state": rf"{_MACHINE} is not {_STATE}",
        "state": rf"{_MACHINE} is (?:already|still|currently) {_STATE}",
    },
    _E.ERR_VM_NOT_FOUND: {
        "name": (
            r"\bdomain with matching uuid '[^'\n]{1,80}' \(([^)\n]{1,200})\)"
            r"|\b(?:domain|vm|snapshot|checkpoint)(?: (?:named|with|matching|name|id|uuid)){0,4}"
            r" '([^'\n]{1,200})'"
        )
    },
    _E.ERR_HOST_NOT_FOUND: {
        "server": (
            r"(?:resolve (?:host ?name|host|address)|resolution failed for) ['\"]?"
            r"([\w.-]{0,254}\w)"
        )
    },
    _E.ERR_ALREADY_EXIST: {
        "name": (
            r"'([^'\n]{1,200})'(?: with [\w ]{1,20})? (?:(?:is )?already|duplicated)\b"
            r"|\b(?:already|duplicate)\b[^'\n]{0,60}'([^'\n]{1,200})'"
        )
    },
    _E.ERR_VMM_CMD_FORMAT_ERROR: {"method": r'method "([^"\n]{1,80})" is not supported'},
}
_COMPILED: Mapping[ErrorCode, Mapping[str, re.Pattern[str]]] = {
    code: {name: later(pattern, re.IGNORECASE) for name, pattern in patterns.items()}
    for code, patterns in _PATTERNS.items()
}
GIVEN_BY_TEXT: Mapping[ErrorCode, frozenset[str]] = {
    code: frozenset(patterns) for code, patterns in _PATTERNS.items()
}
# What a text is searched for: enough for every message, whatever follows it.
_SEARCHED = 8 * 1024

# XenAPI's references: they say nothing to a person. xend's are bare identifiers.
_REFERENCE = "OpaqueRef:"

Values = dict[str, tuple[str, str]]


def is_reference(value: str) -> bool:
    """Whether ``value`` is, or holds, a server's own reference to an object."""
    return _REFERENCE in value


def positional(facts: Facts) -> Values:
    """The arguments of the fault by their number, counted from 0."""
    return {str(number): (text, "") for number, text in enumerate(facts.fault.arguments)}


def from_rule(rule: Rule, facts: Facts) -> Values:
    """What the rule's own pattern names; the units are those of the rule's sentence."""
    match = rule.text.search(facts.text) if rule.text is not None else None
    if match is None:
        return {}
    # Patterns see lower case; the same place in the original has the real spelling.
    seen = facts.original if len(facts.text) == len(facts.original) else facts.text
    units = units_of(rule)
    return {
        name: (seen[slice(*match.span(name))], units.get(name, ""))
        for name in match.groupdict()
        if match[name]
    }


def units_of(rule: Rule) -> dict[str, str]:
    """The units that the rule's sentence declares for its arguments."""
    if ":" not in rule.say:
        return {}
    return {match[1]: match[2] for match in PLACEHOLDER.finditer(rule.say) if match[2]}


def from_text(code: ErrorCode, facts: Facts) -> Values:
    """What the words of the fault name, as far as ``code`` has a use for it."""
    text = facts.original[:_SEARCHED]
    found: Values = {}
    for name, pattern in _COMPILED.get(code, {}).items():
        match = pattern.search(text)
        if match is not None:
            found[name] = (next(group for group in match.groups() if group).strip(), "")
    return found
