"""An errno says how something failed, never what: alone it makes no specific code."""

from __future__ import annotations

import errno
import os

import pytest

from virtcim.errormap import ErrorCode, from_record, translate
from virtcim.errormap.reading.errnos import errnos_in

_GENERAL = {ErrorCode.ERR_VM_CONTROL_OP_FAILED, ErrorCode.ERR_OPERATION_FAILED}
# These name their object themselves: memory, a name, an address, a quota, a connection, what is
# going on.
_TELLING = {
    errno.ENOMEM: ErrorCode.ERR_OUT_OF_MEMORY,
    errno.ENAMETOOLONG: ErrorCode.ERR_NAME_TOO_LONG,
    errno.EADDRINUSE: ErrorCode.ERR_ALREADY_EXIST,
    errno.EDQUOT: ErrorCode.ERR_OUT_OF_DISK_SPACE,
    errno.EALREADY: ErrorCode.ERR_WRONG_STATE_FOR_OP,
    errno.EINPROGRESS: ErrorCode.ERR_WRONG_STATE_FOR_OP,
    **dict.fromkeys(
        (
            errno.ECONNREFUSED,
            errno.EHOSTUNREACH,
            errno.ENETUNREACH,
            errno.ENETDOWN,
            errno.EHOSTDOWN,
            errno.ETIMEDOUT,
            errno.ECONNABORTED,
            errno.ENOTCONN,
        ),
        ErrorCode.ERR_COMMUNICATION_NOT_ESTABLISHED,
    ),
}
_TEXT = "could not do that for vm1"


_MET = [
    number
    for number, name in sorted(errno.errorcode.items())
    if errnos_in(os.strerror(number).lower()) == {name}
]


@pytest.mark.parametrize("number", _MET, ids=errno.errorcode.get)
def test_an_errno_without_an_object_gets_a_general_code(number: int) -> None:
    text = f"{_TEXT}: {os.strerror(number)}"
    expected = _GENERAL | ({_TELLING[number]} if number in _TELLING else set())
    for source, operation, raw in (
        ("libvirt", "virDomainSuspend", {"code": 38, "message": text, "int1": number}),
        ("libvirt", "virDomainCreate", {"code": 1, "message": f"internal error: {text}"}),
        ("libvirt", "virNodeDeviceReset", {"code": 9, "message": f"operation failed: {text}"}),
        ("qemu", "device_add", {"class": "GenericError", "desc": text}),
        ("qemu", "(start)", {"exit_status": 1, "stderr": f"qemu-system-x86_64: {text}"}),
    ):
        error = translate(from_record({"source": source, "operation": operation, "raw": raw}))
        assert error.code in expected, (source, operation, error.rule)
