"""What one client may ask of the server."""

from __future__ import annotations

from dataclasses import dataclass, replace

from virtcim.cim.cimxml.elements import MessageLimits
from virtcim.daemon.client_limits import ClientLimits
from virtcim.daemon.limits import LimitError, limit

__all__ = ["Limits"]

_MIB = 2**20
_DAY_S = 24 * 60 * 60
_SHARED_OUT = (
    "concurrent_requests",
    "read_threads",
    "method_threads",
    "operations",
    "message_memory_bytes",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits(ClientLimits):
    """Bounds that keep a hostile, broken or just demanding client from harming the others.

    Raises LimitError where two of them do not go with each other.
    """

    request_bytes: int = limit(
        4 * _MIB, least=64 * 1024, most=1024 * _MIB, what="Most bytes of a request."
    )
    request_depth: int = limit(
        64, least=16, most=200, what="Most elements of a request within each other."
    )
    request_elements: int = limit(
        100_000, least=1000, most=100_000_000, what="Most elements of a request."
    )
    concurrent_requests: int = limit(
        2048,
        least=1,
        most=100_000,
        what="Most requests at once, waiting ones included; further ones are refused.",
    )
    read_threads: int = limit(
        4, least=1, most=64, what="Most reads that are worked on at once; further ones wait."
    )
    method_threads: int = limit(
        32, least=1, most=1024, what="Most methods that are worked on at once; further ones wait."
    )
    operations: int = limit(
        256,
        least=1,
        most=10_000,
        what="Most operations in progress, jobs included; further ones are refused.",
    )
    open_enumerations: int = limit(
        1024, least=1, most=100_000, what="Most open enumerations; further ones wait."
    )
    open_enumerations_per_client: int = limit(
        128, least=1, most=100_000, what="Most of one client; further ones are refused."
    )
    open_enumeration_bytes: int = limit(
        256 * _MIB,
        least=_MIB,
        most=1024 * 1024 * _MIB,
        what="Most bytes that open enumerations hold, about; further ones wait.",
    )
    operation_timeout_s: int = limit(
        60,
        least=1,
        most=_DAY_S,
        what="Seconds that an open enumeration may rest whose client names none.",
    )
    operation_timeout_max_s: int = limit(
        600, least=1, most=_DAY_S, what="Most seconds that an open enumeration may rest."
    )
    objects_per_pull: int = limit(
        10_000, least=1, most=1_000_000, what="Most objects in the answer to one pull."
    )
    held_reply_bytes: int = limit(
        8 * _MIB,
        least=64 * 1024,
        most=1024 * _MIB,
        what="Most bytes of a reply that is held; a larger one is sent while it is being written.",
    )

    record_cache_bytes: int = limit(
        256 * _MIB,
        least=_MIB,
        most=1024 * 1024 * _MIB,
        what="Most bytes of instances that are kept for the next read, about; with fewer than all "
        "need, reading many costs up to ten times the processor time.",
    )

    indication_filters: int = limit(
        1000, least=0, most=100_000, what="Most filters that clients have; no more can be created."
    )
    indication_filters_per_user: int = limit(
        250, least=0, most=100_000, what="Most filters of one user; he can create no more."
    )
    listener_destinations: int = limit(
        1000, least=0, most=100_000, what="Most listener destinations; no more can be created."
    )
    listener_destinations_per_user: int = limit(
        250,
        least=0,
        most=100_000,
        what="Most listener destinations of one user; he can create no more.",
    )
    subscriptions: int = limit(
        1000, least=0, most=100_000, what="Most subscriptions; no more can be created."
    )
    subscriptions_per_user: int = limit(
        250, least=0, most=100_000, what="Most subscriptions of one user; he can create no more."
    )
    waiting_indication_bytes: int = limit(
        64 * _MIB,
        least=64 * 1024,
        most=64 * 1024 * _MIB,
        what="Most bytes that wait for one subscription; beyond them the oldest are dropped.",
    )
    indication_queue_bytes: int = limit(
        1024 * _MIB,
        least=_MIB,
        most=1024 * 1024 * _MIB,
        what="Most bytes that wait for all listeners together; beyond them the oldest are dropped.",
    )
    waiting_indications_s: int = limit(
        _DAY_S,
        least=1,
        most=365 * _DAY_S,
        what="Seconds that an indication waits for its listener before it is dropped.",
    )

    def of_each(self, workers: int) -> Limits:
        """What each of several workers may give, so that all of them give what one would.

        Connections, open enumerations and whatever is in the state are counted for all of them.
        """
        shares = {name: -(-getattr(self, name) // workers) for name in _SHARED_OUT}
        return replace(self, **shares)

    def __post_init__(self) -> None:
        if self.operation_timeout_s > self.operation_timeout_max_s:
            raise LimitError(
                f"--limit-operation-timeout is {self.operation_timeout_s}, more than "
                f"--limit-operation-timeout-max, {self.operation_timeout_max_s}"
            )

    @property
    def message(self) -> MessageLimits:
        """How large a request message may be."""
        return MessageLimits(
            size_bytes=self.request_bytes,
            depth=self.request_depth,
            elements=self.request_elements,
        )
