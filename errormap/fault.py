"""What a failure is: the Fault that an adapter reports, and the StandardError it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from virtcim.errormap.error_code import ErrorCode

__all__ = ["ErrorCode", "Fault", "HypervisorError", "Source", "StandardError"]

Source = Literal["xapi", "xend", "libvirt", "qemu", "transport"]


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
