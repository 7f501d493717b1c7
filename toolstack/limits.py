"""What one client may ask of the toolstack."""

from __future__ import annotations

from dataclasses import dataclass

from virtcim.daemon.client_limits import ClientLimits
from virtcim.daemon.limits import limit

__all__ = ["Limits"]

_MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits(ClientLimits):
    """Bounds that keep a hostile, broken or just demanding client from harming the others."""

    request_bytes: int = limit(
        16 * _MIB, least=64 * 1024, most=1024 * _MIB, what="Most bytes of a request."
    )
    request_depth: int = limit(
        200, least=16, most=500, what="Most elements of a request within each other."
    )
    request_elements: int = limit(
        1_000_000, least=1000, most=100_000_000, what="Most elements of a request."
    )
    # XAPI's own limit.
    sessions: int = limit(
        500, least=1, most=100_000, what="Most open sessions; the one longest idle gives way."
    )
    threads: int = limit(
        24, least=4, most=512, what="Most calls that are with libvirt at once; further ones wait."
    )
