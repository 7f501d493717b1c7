"""What one client may ask of the server."""

from __future__ import annotations

from dataclasses import dataclass

from virtcim.cim.cimxml.elements import MessageLimits

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds that keep a hostile, broken or just demanding client from harming the others."""

    request_bytes: int = 4 * 1024 * 1024
    request_depth: int = 64
    request_elements: int = 100_000
    body_timeout_s: float = 30.0
    concurrent_requests: int = 128
    open_enumerations: int = 256
    operation_timeout_s: int = 60  # of an open enumeration whose client names none
    operation_timeout_max_s: int = 600
    objects_per_pull: int = 10_000
    held_reply_bytes: int = 8 * 1024 * 1024  # a larger reply is sent while it is being written

    @property
    def message(self) -> MessageLimits:
        """How large a request message may be."""
        return MessageLimits(
            size_bytes=self.request_bytes,
            depth=self.request_depth,
            elements=self.request_elements,
        )
