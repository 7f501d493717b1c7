"""The sentence for a person, and the text that CIM clients see."""

from __future__ import annotations

from collections.abc import Mapping

from virtcim.errormap.engine import decide
from virtcim.errormap.fault import ErrorCode, Fault, StandardError
from virtcim.errormap.reading.facts import Facts
from virtcim.errormap.reading.text import one_line
from virtcim.errormap.rules import Rule
from virtcim.errormap.telling import coded
from virtcim.errormap.telling.advice import sentence
from virtcim.errormap.telling.detail import detail
from virtcim.errormap.telling.filling import filled
from virtcim.errormap.telling.language import ENGLISH, catalogue
from virtcim.errormap.telling.named import from_rule, positional

__all__ = ["SENTENCES", "cim_message", "detail", "message", "own_message"]

SENTENCES: Mapping[ErrorCode, str] = {
    ErrorCode.ERR_SUCCESS: "The operation succeeded.",
    ErrorCode.ERR_UNABLE_TO_VERIFY_STATE: (
        "It is not known whether the operation took effect; read the state again before retrying."
    ),
    ErrorCode.ERR_OUT_OF_DISK_SPACE: "The storage is full or too small for what was asked.",
    ErrorCode.ERR_BAD_PARAMETER: "A value that was given is not valid for this operation.",
    ErrorCode.ERR_VM_CONTROL_OP_FAILED: "The operation on the virtual machine failed.",
    ErrorCode.ERR_INVALID_PARM_NUM: "The management call had a wrong number of parameters.",
    ErrorCode.ERR_CANNOT_ACCESS_DISK_FILE: (
        "A disk image, volume or storage repository cannot be found, opened or attached."
    ),
    ErrorCode.ERR_UNKNOWN: "The hypervisor gave an answer that says nothing about the cause.",
    ErrorCode.ERR_VIRTUAL_DISK_CREATE_FAILED: "The virtual disk could not be created or resized.",
    ErrorCode.ERR_VM_STUCK: "The virtual machine or its emulator does not respond.",
    ErrorCode.ERR_CREDENTIALS_NOT_SET: "No credentials are configured for this hypervisor.",
    ErrorCode.ERR_UNACCEPTED_CREDENTIALS: "The credentials or the session were not accepted.",
    ErrorCode.ERR_OUT_OF_MEMORY: "The host has not enough free memory.",
    ErrorCode.ERR_WRONG_STATE_FOR_OP: "The present state does not allow this operation.",
    ErrorCode.ERR_VM_NOT_FOUND: "The virtual machine or its snapshot does not exist.",
    ErrorCode.ERR_HOST_NOT_FOUND: "The host is unknown or cannot be resolved.",
    ErrorCode.ERR_ACCESS_DENIED: "The user is known, but may not do this.",
    ErrorCode.ERR_ALREADY_EXIST: "The name, identifier or device slot is already taken.",
    ErrorCode.ERR_OPERATION_FAILED: "The operation failed.",
    ErrorCode.ERR_UNDOABLE_DISK_NOT_SUPPORTED: (
        "The disk or its storage does not support snapshots, reverting or cloning."
    ),
    ErrorCode.ERR_VMM_CMD_FORMAT_ERROR: (
        "The hypervisor manager does not know the command or could not read it."
    ),
    ErrorCode.ERR_COMMUNICATION_NOT_ESTABLISHED: "No connection could be made.",
    ErrorCode.ERR_FILE_COPY_FAILED: "Copying disk or memory contents failed.",
    ErrorCode.ERR_NAME_TOO_LONG: "A name is too long.",
    ErrorCode.ERR_OS_NOT_SUPPORTED: (
        "The guest type, architecture, machine type or CPU is not supported here."
    ),
    ErrorCode.ERR_MOUNT_FAILED_DIR_NOT_EMPTY: (
        "The storage could not be mounted, because the mount point is not empty."
    ),
    ErrorCode.ERR_CANT_DISMOUNT_BOOT_OR_SYSTEM: (
        "The boot or system disk, or a part of the control domain, cannot be detached."
    ),
    ErrorCode.ERR_FILE_IN_USE: "An image, volume or device is locked or used by another.",
}

_CIM_LENGTH = 2500
_VALUE_LENGTH = 300


def message(rule: Rule, facts: Facts, fault: Fault, language: str = ENGLISH) -> str:
    """The sentence for a person with the source's own words behind it, on one line.

    ``facts`` are those of the fault that decided (``fault`` itself or one nested in it).
    """
    return f"{_sentence(rule, facts, language)} [{detail(fault)}]"


def cim_message(error: StandardError, language: str = ENGLISH) -> str:
    """The description of a failed CIM operation: the code's name, then the message.

    One line without control characters, at most 2500 characters. The code and the source's own
    words are the same in every language.
    """
    told = error.message
    if language != ENGLISH:
        decision = decide(error.fault)
        told = message(decision.rule, decision.facts, error.fault, language)
    return one_line(f"{error.code.name}: {told}", _CIM_LENGTH)


def own_message(code: ErrorCode, text: str, language: str = ENGLISH) -> str:
    """The description of a failure that virtcim itself found: the code's name, then ``text``.

    ``text`` is English; another language has the code's sentence, and ``text`` behind it as the
    words of a source.
    """
    if language == ENGLISH:
        return f"{code.name}: {text}"
    return f"{code.name}: {catalogue(language).gettext(SENTENCES[code])} [virtcim: {text}]"


def _sentence(rule: Rule, facts: Facts, language: str) -> str:
    """The most telling sentence that can be filled.

    That is the one that the table of advice has for this rule, the own one of a rule that asks for
    more than a code, the code's, the rule's after all, what the table has for any rule, and last
    the one of the standard code. A number of libvirt's says little: what its words name goes first.
    """
    found = sentence(rule, facts, language, for_rule=True)
    if not found and coded.is_narrow(rule):
        found = _own(rule, facts, language)
    if not found and facts.fault.source == "libvirt":
        found = sentence(rule, facts, language, for_rule=False)
    code = None if found else coded.meaning(rule, facts)
    if code is not None:
        found = coded.sentence(code, facts, language)
    found = found or _own(rule, facts, language)
    found = found or sentence(rule, facts, language, for_rule=False)
    return found or catalogue(language).gettext(SENTENCES[rule.err])


def _own(rule: Rule, facts: Facts, language: str) -> str:
    if not rule.say:
        return ""
    values = positional(facts) | from_rule(rule, facts) if "{" in rule.say else {}
    return filled(rule.say, lambda name: _bounded(values.get(name, ("", ""))), language)


def _bounded(value: tuple[str, str]) -> tuple[str, str]:
    text, unit = value
    return one_line(text, _VALUE_LENGTH), unit
