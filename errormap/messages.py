"""The sentence for a person, and the text that CIM clients see."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from virtcim.errormap._facts import Facts
from virtcim.errormap.fault import ErrorCode, Fault, StandardError
from virtcim.errormap.rules import PLACEHOLDER, UNITS, Rule

__all__ = ["SENTENCES", "cim_message", "detail", "message", "one_line"]

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

_DETAIL_LENGTH = 1500
_CIM_LENGTH = 2500
_VALUE_LENGTH = 300
_ARGUMENTS_SHOWN = 20


def message(rule: Rule, facts: Facts, fault: Fault) -> str:
    """The sentence for a person with the source's own words behind it, on one line.

    ``facts`` are those of the fault that decided (``fault`` itself or one nested in it).
    """
    sentence = _filled(rule, facts) or SENTENCES[rule.err]
    return f"{sentence} [{detail(fault)}]"


def detail(fault: Fault) -> str:
    """The source's own words on one line: source, code, arguments, text; long ones shortened."""
    words = [fault.source, fault.code, *fault.arguments[:_ARGUMENTS_SHOWN]]
    shown = [
        word if len(word) <= _VALUE_LENGTH else one_line(word, _VALUE_LENGTH)
        for word in words
        if word
    ]
    head = " ".join(shown)
    if not fault.text:
        return one_line(head, _DETAIL_LENGTH)
    return one_line(f"{head}: {one_line(fault.text, _DETAIL_LENGTH)}", _DETAIL_LENGTH)


def cim_message(error: StandardError) -> str:
    """The description of a failed CIM operation: the code's name, then the message.

    One line without control characters, at most 2500 characters.
    """
    return one_line(f"{error.code.name}: {error.message}", _CIM_LENGTH)


def one_line(text: str, length: int) -> str:
    """``text`` on one line without control characters, its middle left out past ``length``."""
    if len(text) > 2 * length:
        text = f"{text[:length]} {text[-length:]}"
    printable = text if text.isprintable() else "".join(map(_printable, text))
    line = " ".join(printable.split())
    if len(line) <= length:
        return line
    half = (length - 5) // 2
    return f"{line[:half]} ... {line[-half:]}"


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    # Lone surrogates cannot be encoded, format characters can hide or reorder what follows.
    return "\N{REPLACEMENT CHARACTER}" if unicodedata.category(character) == "Cs" else " "


def _filled(rule: Rule, facts: Facts) -> str:
    """The rule's own sentence, or nothing where the fault lacks one of its values."""
    if not rule.say:
        return ""
    values = _values(rule, facts)
    parts: list[str] = []
    end = 0
    for match in PLACEHOLDER.finditer(rule.say):
        value = _formatted(values.get(match[1], ""), match[2])
        if not value:
            return ""
        parts += [rule.say[end : match.start()], value]
        end = match.end()
    return "".join([*parts, rule.say[end:]])


def _values(rule: Rule, facts: Facts) -> dict[str, str]:
    values = {str(number): text for number, text in enumerate(facts.fault.arguments)}
    match = rule.text.search(facts.text) if rule.text is not None else None
    if match is not None:
        # Patterns see lower case; the same place in the original has the real spelling.
        same_places = len(facts.text) == len(facts.original)
        seen = facts.original if same_places else facts.text
        values |= {name: seen[slice(*match.span(name))] for name in match.groupdict()}
    return {name: one_line(text, _VALUE_LENGTH) for name, text in values.items()}


def _formatted(value: str, unit: str | None) -> str:
    if unit is None or not value.isdecimal() or len(value) > 30:
        return value
    size = float(value) * UNITS[unit]
    for name in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or name == "TiB":
            return f"{size:.0f} {name}" if name == "bytes" else f"{size:.1f} {name}"
        size /= 1024
    return value
