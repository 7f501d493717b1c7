"""Open enumerations: what a client has opened and not yet pulled.

DSP0200 "Pulled Enumeration Operations".
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from virtcim.cim.records import CimError, StatusCode
from virtcim.cimserver.errors import invalid_parameter
from virtcim.cimserver.limits import Limits

__all__ = ["Enumeration", "Enumerations", "PullKind"]

PullKind = Literal["PullInstancesWithPath", "PullInstancePaths", "PullInstances"]


@dataclass(slots=True, kw_only=True)
class Enumeration:
    """Objects that wait to be pulled; ``write`` gives the text of one when it is its turn."""

    kind: PullKind
    principal: str
    namespace: str
    timeout_s: int
    objects: Sequence[object]
    write: Callable[[object], bytes]
    position: int = 0
    expires: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def remaining(self) -> int:
        """How many objects have not been pulled."""
        return len(self.objects) - self.position

    def take(self, count: int) -> list[bytes]:
        """The texts of the next ``count`` objects."""
        taken = self.objects[self.position : self.position + count]
        texts = [self.write(one) for one in taken]
        self.position += len(taken)
        return texts


class Enumerations:
    """All open enumerations, by their context; thread-safe, bounded, forgotten when they expire.

    ``clock`` gives seconds that only grow.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[str, Enumeration] = {}

    def __len__(self) -> int:
        return len(self._open)

    def timeout_s(self, wanted: int | None) -> int:
        """The seconds an enumeration may rest. Raises CimError for more than the server grants."""
        if wanted is None:
            return self._limits.operation_timeout_s
        if not 0 < wanted <= self._limits.operation_timeout_max_s:
            raise CimError(
                StatusCode.INVALID_OPERATION_TIMEOUT,
                f"OperationTimeout {wanted} is not between 1 and "
                f"{self._limits.operation_timeout_max_s} seconds",
            )
        return wanted

    def add(self, enumeration: Enumeration) -> str:
        """Keep an enumeration, and give its context. Raises CimError when too many are open."""
        now = self._clock()
        enumeration.expires = now + enumeration.timeout_s
        context = secrets.token_urlsafe(16)
        with self._lock:
            self._forget_expired(now)
            if len(self._open) >= self._limits.open_enumerations:
                raise CimError(
                    StatusCode.SERVER_LIMITS_EXCEEDED,
                    f"{len(self._open)} enumerations are open already",
                )
            self._open[context] = enumeration
        return context

    def find(self, context: str, principal: str | None, namespace: str) -> Enumeration:
        """The enumeration of a context of this principal and namespace. Raises CimError.

        None: of whoever has opened it.
        """
        now = self._clock()
        with self._lock:
            self._forget_expired(now)
            found = self._open.get(context)
            if found is None or principal not in (None, found.principal):
                raise CimError(
                    StatusCode.INVALID_ENUMERATION_CONTEXT,
                    "there is no such open enumeration; it may have expired",
                )
            if found.namespace.lower() != namespace.lower():
                raise invalid_parameter(f"the enumeration was opened in {found.namespace}")
            # It does not expire while it is pulled.
            found.expires = now + found.timeout_s
        return found

    def remove(self, context: str) -> None:
        """Forget an enumeration."""
        with self._lock:
            self._open.pop(context, None)

    def _forget_expired(self, now: float) -> None:
        for context in [key for key, one in self._open.items() if one.expires <= now]:
            del self._open[context]
