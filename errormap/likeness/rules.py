"""The rules that likeness to known faults decides by: one for each code that it may give."""

from __future__ import annotations

import re

from virtcim.errormap.error_code import ErrorCode
from virtcim.errormap.rules import LIKENESS, Rule

__all__ = ["OPERATED", "RULES"]

_NOTE = (
    "No rule knows the reason; most of the known faults with such words have this code. The words"
    " that weighed most are shown by explain."
)
# The codes that were right where they were tried on faults that had been unknown, with what the
# message must be about, one of these, and the groups that the operation must be of, one of these.
_EVIDENCE: dict[ErrorCode, tuple[tuple[str, ...], tuple[str, ...]]] = {
    ErrorCode.ERR_BAD_PARAMETER: ((), ()),
    ErrorCode.ERR_CANNOT_ACCESS_DISK_FILE: (("disk",), ()),
    ErrorCode.ERR_UNACCEPTED_CREDENTIALS: ((), ()),
    ErrorCode.ERR_CREDENTIALS_NOT_SET: ((), ("@connect",)),
    ErrorCode.ERR_COMMUNICATION_NOT_ESTABLISHED: ((), ("@connect",)),
    ErrorCode.ERR_WRONG_STATE_FOR_OP: ((), ("@change",)),
    ErrorCode.ERR_ALREADY_EXIST: ((), ("@change",)),
    ErrorCode.ERR_VM_NOT_FOUND: ((), ("@guest",)),
    ErrorCode.ERR_FILE_IN_USE: (("disk",), ()),
    ErrorCode.ERR_FILE_COPY_FAILED: ((), ("@copy", "@migrate")),
    ErrorCode.ERR_OS_NOT_SUPPORTED: (("platform", "cpu"), ()),
}
# Words without which a code is not given, however much the others weigh.
_WORDS: dict[ErrorCode, str] = {
    ErrorCode.ERR_VM_NOT_FOUND: (
        r"\bno\b|\bnot? (?:\w+ )?(?:found|exist|known)|\bunknown\b|\b(?:find|found)\b|\bmissing\b"
        r"|n't exist|nosuch"
    ),
}
RULES: dict[ErrorCode, Rule] = {
    code: Rule(
        id=f"{LIKENESS}.{code.name.removeprefix('ERR_').lower()}",
        source=LIKENESS,
        err=code,
        since="3.0.0",
        about=frozenset(about),
        operation=groups,
        text=re.compile(_WORDS[code]) if code in _WORDS else None,
        note=_NOTE,
    )
    for code, (about, groups) in _EVIDENCE.items()
}
# Where no call is known and no word of a machine's is, the words still tell what was at work.
OPERATED = Rule(
    id=f"{LIKENESS}.vm_operation",
    source=LIKENESS,
    err=ErrorCode.ERR_VM_CONTROL_OP_FAILED,
    since="3.0.0",
    note="No rule knows the reason and no call is named; most of the known faults with such words"
    " are of operations on a virtual machine. The words that weighed most are shown by explain.",
)
RULES[OPERATED.err] = OPERATED
