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
        200_000, least=1000, most=100_000_000, what="Most elements of a request."
    )
    turn_timeout_s: float = limit(
        # Operations take longer than reads.
        120.0,
        least=1.0,
        most=3600.0,
        what="Seconds that a call waits for its turn before it is refused.",
    )
    sessions: int = limit(
        1000, least=1, most=100_000, what="Most open sessions; further logins are refused."
    )
    sessions_per_user: int = limit(
        200, least=1, most=100_000, what="Most of one user; his own longest idle gives way."
    )
    tasks: int = limit(
        5000,
        least=16,
        most=1_000_000,
        what="Most tasks; of who has most of them those that have ended are forgotten.",
    )
    note_bytes: int = limit(
        64 * 1024,
        least=1024,
        most=16 * _MIB,
        what="Most bytes of what a client leaves in one field of an object, task or session.",
    )
    notes_bytes: int = limit(
        64 * _MIB,
        least=_MIB,
        most=4096 * _MIB,
        what="Most bytes of what clients leave in all objects.",
    )
    threads: int = limit(
        24, least=4, most=512, what="Most calls that are with libvirt at once; further ones wait."
    )
