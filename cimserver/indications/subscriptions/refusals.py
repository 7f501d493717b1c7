"""The errors of names that cannot be created, used or changed."""

from __future__ import annotations

from virtcim.cim.path_text import path_text
from virtcim.cim.records import CimError, ObjectPath, StatusCode
from virtcim.providers import ErrorCode, failure

__all__ = ["already_there", "not_there", "predefined"]


def already_there(path: ObjectPath) -> CimError:
    """There can be but one of a name."""
    return failure(ErrorCode.ERR_ALREADY_EXIST, f"{path_text(path)} is already there", source=path)


def not_there(path: ObjectPath) -> CimError:
    """Nothing has the name."""
    return CimError(StatusCode.NOT_FOUND, f"there is no instance {path_text(path)}")


def predefined(path: ObjectPath) -> CimError:
    """It is the server's own."""
    return CimError(
        StatusCode.NOT_SUPPORTED,
        f"{path_text(path)} is predefined and can be neither changed nor deleted",
    )
