"""What clients of either daemon may take: connections, time, places and memory."""

from __future__ import annotations

from dataclasses import dataclass

from virtcim.daemon.limits import limit

__all__ = ["ClientLimits"]

_MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """The limits that both daemons have; a client is a user, or an address of whoever is none."""

    connections: int = limit(
        4096, least=8, most=60_000, what="Most connections at once; further ones wait."
    )
    connections_per_address: int = limit(
        2048,
        least=1,
        most=60_000,
        what="Most connections of one address; a few further ones wait, more are refused.",
    )
    head_timeout_s: float = limit(
        10.0,
        least=1.0,
        most=3600.0,
        what="Seconds in which the head of a request must have arrived.",
    )
    body_timeout_s: float = limit(
        30.0, least=1.0, most=3600.0, what="Seconds in which a request must have arrived."
    )
    silence_s: float = limit(
        # Longer than any client keeps an idle connection, so that it is the client who closes it.
        75.0,
        least=1.0,
        most=86_400.0,
        what="Seconds after which a connection without a request is closed.",
    )
    silence_when_full_s: float = limit(
        15.0,
        least=1.0,
        most=86_400.0,
        what="The same while others wait for a connection.",
    )
    stalled_reply_s: float = limit(
        10.0,
        least=1.0,
        most=3600.0,
        what="Seconds after which a reply is given up of which the client takes nothing.",
    )
    message_memory_bytes: int = limit(
        256 * _MIB,
        least=_MIB,
        most=1024 * 1024 * _MIB,
        what="Most bytes of requests and replies that slow clients keep here; whoever has most of "
        "it waits.",
    )
    turn_timeout_s: float = limit(
        # Clients give up after 30 s, and would not see a refusal.
        20.0,
        least=1.0,
        most=3600.0,
        what="Seconds that a request waits for its turn before it is refused.",
    )
