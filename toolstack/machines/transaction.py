"""Steps that belong together: all of them are made, or those that were are taken back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import TracebackType
from typing import Self

import libvirt

from virtcim.toolstack.faults import XapiFailure, libvirt_failure
from virtcim.toolstack.state import StateError

__all__ = ["Transaction"]

_log = logging.getLogger(__name__)


class Transaction:
    """A block whose steps are taken back, the last one first, when it fails.

    Raises ``ROLLBACK_FAILED`` where one cannot be: what remains and why, in pairs, and the failure
    of the block in XenAPI's printed form.
    """

    def __init__(self) -> None:
        self._undo: list[tuple[str, Callable[[], object]]] = []

    def taken_back_by(self, undo: Callable[[], object], what: str) -> None:
        """Note what takes the step back that was just made; ``what`` remains if that fails."""
        self._undo.append((what, undo))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if error is None:
            return
        remains: list[str] = []
        for what, undo in reversed(self._undo):
            try:
                undo()
            except (XapiFailure, libvirt.libvirtError, StateError) as failure:
                reason = _description(failure)
                _log.error("%s remains after a failed change: %s", what, " ".join(reason))
                remains += [what, reason[4] if reason[0] == "LIBVIRT_ERROR" else " ".join(reason)]
        if remains:
            raise XapiFailure("ROLLBACK_FAILED", *remains, _printed(error)) from error


def _description(error: BaseException) -> tuple[str, ...]:
    if isinstance(error, libvirt.libvirtError):
        return libvirt_failure(error).description
    if isinstance(error, XapiFailure):
        return error.description
    return ("INTERNAL_ERROR", str(error))


def _printed(error: BaseException) -> str:
    code, *arguments = _description(error)
    return f"Server_error({code}, [ {'; '.join(arguments)} ])"
