"""What a failure is: the Fault that an adapter reports, and the StandardError it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

__all__ = ["ErrorCode", "Fault", "HypervisorError", "Source", "StandardError"]

Source = Literal["xapi", "xend", "libvirt", "qemu", "transport"]


class ErrorCode(IntEnum):
    """The 28 standard error codes; the number is what ``CIM_ConcreteJob.ErrorCode`` carries."""

    ERR_SUCCESS = 0
    ERR_UNABLE_TO_VERIFY_STATE = 1
    ERR_OUT_OF_DISK_SPACE = 2
    ERR_BAD_PARAMETER = 3
    ERR_VM_CONTROL_OP_FAILED = 4
    ERR_INVALID_PARM_NUM = 5
    ERR_CANNOT_ACCESS_DISK_FILE = 6
    ERR_UNKNOWN = 7
    ERR_VIRTUAL_DISK_CREATE_FAILED = 8
    ERR_VM_STUCK = 9
    ERR_CREDENTIALS_NOT_SET = 10
    ERR_UNACCEPTED_CREDENTIALS = 11
    ERR_OUT_OF_MEMORY = 12
    ERR_WRONG_STATE_FOR_OP = 13
    ERR_VM_NOT_FOUND = 14
    ERR_HOST_NOT_FOUND = 15
    ERR_ACCESS_DENIED = 16
    ERR_ALREADY_EXIST = 17
    ERR_OPERATION_FAILED = 18
    ERR_UNDOABLE_DISK_NOT_SUPPORTED = 19
    ERR_VMM_CMD_FORMAT_ERROR = 20
    ERR_COMMUNICATION_NOT_ESTABLISHED = 21
    ERR_FILE_COPY_FAILED = 22
    ERR_NAME_TOO_LONG = 23
    ERR_OS_NOT_SUPPORTED = 24
    ERR_MOUNT_FAILED_DIR_NOT_EMPTY = 25
    ERR_CANT_DISMOUNT_BOOT_OR_SYSTEM = 26
    ERR_FILE_IN_USE = 27

    @property
    def cim_status(self) -> int:
        """CIM status code (DSP0200 table 2) of an operation that failed so; 0 for success."""
        return _CIM_STATUS[self]


_CIM_STATUS: dict[int, int] = dict.fromkeys(ErrorCode, 1)
_CIM_STATUS |= {
    ErrorCode.ERR_SUCCESS: 0,
    ErrorCode.ERR_BAD_PARAMETER: 4,
    ErrorCode.ERR_INVALID_PARM_NUM: 4,
    ErrorCode.ERR_NAME_TOO_LONG: 4,
    ErrorCode.ERR_CREDENTIALS_NOT_SET: 2,
    ErrorCode.ERR_UNACCEPTED_CREDENTIALS: 2,
    ErrorCode.ERR_ACCESS_DENIED: 2,
    ErrorCode.ERR_VM_NOT_FOUND: 6,
    ErrorCode.ERR_HOST_NOT_FOUND: 6,
    ErrorCode.ERR_ALREADY_EXIST: 11,
    ErrorCode.ERR_UNDOABLE_DISK_NOT_SUPPORTED: 7,
    ErrorCode.ERR_OS_NOT_SUPPORTED: 7,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One failure as its source reported it; nothing of it is ever dropped.

    ``operation`` is the management call ("VM.start"), ``code`` the source's own code as text
    (XenAPI code, xend fault code, libvirt number, QMP class or event, transport condition),
    ``sent`` whether a state-changing request had left when it happened.
    Build one with the ``from_*`` functions of this package, which fix the shape per source.
    """

    source: Source
    source_version: str = ""
    operation: str = ""
    code: str = ""
    arguments: tuple[str, ...] = ()
    text: str = ""
    sent: bool = False
    cause: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardError:
    """The standard form of a Fault: the code, a sentence for a person, and how it was decided."""

    code: ErrorCode
    message: str
    rule: str
    table_version: str
    fault: Fault


class HypervisorError(Exception):
    """Raised by every adapter below the providers; ``fault`` says all that is known."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault

    def __str__(self) -> str:
        parts = [self.fault.source, self.fault.code, *self.fault.arguments]
        head = " ".join(part for part in parts if part)
        return f"{head}: {self.fault.text}" if self.fault.text else head
