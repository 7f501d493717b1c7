"""The standard codes. scripts/vocabulary.py writes this file: do not edit it."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ErrorCode"]


class ErrorCode(IntEnum):
    """The 28 standard error codes; ``CIM_ConcreteJob.ErrorCode`` carries the number."""

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
        """CIM status code (DSP0200) of an operation that failed so; 0 for success."""
        return _CIM_STATUSES[self]


_CIM_STATUSES = (
    0, 1, 1, 4, 1, 4, 1, 1, 1, 1, 2, 2, 1, 1, 6, 6, 2, 11, 1, 7, 1, 1, 1, 4, 7, 1,
    1, 1,
)  # fmt: skip
