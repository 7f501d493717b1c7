"""Open enumerations: what a client has opened and not yet pulled.

DSP0200 "Pulled Enumeration Operations".
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Literal

from virtcim.cim.records import CimError, StatusCode
from virtcim.cimserver.errors import invalid_parameter
from virtcim.cimserver.limits import Limits
from virtcim.daemon.shares import Shares

__all__ = ["Enumeration", "Enumerations", "PullKind"]

PullKind = Literal["PullInstancesWithPath", "PullInstancePaths", "PullInstances"]

# What an object takes, measured without its text.
_INSTANCE_BYTES, _PATH_BYTES = 1500, 600
# What one takes that still has to make some of its objects: those of one class, and the old state
# of the hypervisor that they are made of.
_UNFINISHED_BYTES = 4 * 2**20
_LOOKED_AHEAD = 256
# Whoever is alone may have three quarters of all.
_SHARE = 3


class Enumeration:
    """Objects that wait to be pulled; ``write`` gives the text of one when it is its turn.

    ``objects`` are taken from as they are pulled, so that what need not be there yet is not.
    ``count`` counts those of the same kind that there are now, for who asks how many are left.
    """

    def __init__(
        self,
        *,
        kind: PullKind,
        principal: str,
        client: str = "",
        namespace: str,
        timeout_s: int,
        objects: Iterable[object],
        write: Callable[[Any], bytes],
        count: Callable[[], int] | None = None,
    ) -> None:
        self.kind = kind
        self.principal = principal
        self.client = client
        self.namespace = namespace
        self.timeout_s = timeout_s
        self.expires = 0.0
        self.lock = threading.Lock()
        self._write = write
        self._count = count
        self._taken = 0
        self._object_bytes = _PATH_BYTES if kind == "PullInstancePaths" else _INSTANCE_BYTES
        self._further: Iterator[object]
        if isinstance(objects, Sequence):
            self._ready, self._further = deque(objects), iter(())
            self._is_whole = True
        else:
            self._further = iter(objects)
            self._ready = deque(islice(self._further, _LOOKED_AHEAD))
            self._is_whole = len(self._ready) < _LOOKED_AHEAD

    @property
    def is_over(self) -> bool:
        """Whether all objects have been pulled."""
        return not self._ready

    @property
    def held_bytes(self) -> int:
        """How much memory it takes, about."""
        held_bytes = len(self._ready) * self._object_bytes
        return held_bytes if self._is_whole else held_bytes + _UNFINISHED_BYTES

    def remaining(self) -> int:
        """How many objects have not been pulled, as far as that can be known."""
        if self._is_whole or self._count is None:
            return len(self._ready)
        return max(self._count() - self._taken, len(self._ready))

    def take(self, count: int) -> list[bytes]:
        """The texts of the next ``count`` objects."""
        texts: list[bytes] = []
        while len(texts) < count and self._ready:
            texts.append(self._write(self._ready.popleft()))
            if not self._ready and not self._is_whole:
                self._ready.extend(islice(self._further, _LOOKED_AHEAD))
                self._is_whole = len(self._ready) < _LOOKED_AHEAD
        self._taken += len(texts)
        return texts


class Enumerations:
    """All open enumerations, by their context; thread-safe, bounded, forgotten when they expire.

    ``clock`` gives seconds that only grow. ``name`` begins the context of each; ``changed`` is told
    what a client has opened, or closed: how many, and how many bytes they hold.
    """

    def __init__(
        self,
        limits: Limits,
        clock: Callable[[], float],
        *,
        name: str = "",
        changed: Callable[[str, int, int], None] = lambda _client, _count, _bytes: None,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._name = name
        self._changed = changed
        self._lock = threading.Lock()
        # With what each is counted as.
        self._open: dict[str, tuple[Enumeration, int]] = {}
        self._counts = Shares(limits.open_enumerations, factor=_SHARE)
        self._bytes = Shares(limits.open_enumeration_bytes, factor=_SHARE)

    def __len__(self) -> int:
        with self._lock:
            self._forget_expired(self._clock())
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

    def has_room(self, client: str) -> bool:
        """Whether a client may open one more, or has to wait until others have closed some.

        Who has as many as one client may have need not wait: he is refused.
        """
        with self._lock:
            self._forget_expired(self._clock())
            if self._counts.of(client) >= self._limits.open_enumerations_per_client:
                return True
            return self._counts.has_room(client) and self._bytes.has_room(client)

    def add(self, enumeration: Enumeration) -> str:
        """Keep an enumeration, and give its context. Raises CimError when too many are open."""
        now = self._clock()
        enumeration.expires = now + enumeration.timeout_s
        context = f"{self._name}{secrets.token_urlsafe(16)}"
        client = enumeration.client
        with self._lock:
            self._forget_expired(now)
            own = self._counts.of(client)
            if own >= self._limits.open_enumerations_per_client:
                raise _refused(f"{own} enumerations of one client are open already")
            if not self._counts.has_room(client):
                raise _refused(f"{self._counts.total} enumerations are open already")
            if not self._bytes.has_room(client):
                raise _refused("the open enumerations hold all that they may")
            held_bytes = enumeration.held_bytes
            self._open[context] = enumeration, held_bytes
            self._change(client, 1, held_bytes)
        return context

    def note_elsewhere(self, client: str, count: int, held_bytes: int) -> None:
        """A client has opened or closed so many at another worker, whose bytes count here, too."""
        with self._lock:
            self._counts.change(client, count)
            self._bytes.change(client, held_bytes)

    def _change(self, client: str, count: int, held_bytes: int) -> None:
        self._counts.change(client, count)
        self._bytes.change(client, held_bytes)
        self._changed(client, count, held_bytes)

    def count_again(self, context: str) -> None:
        """Some objects of an enumeration have been pulled."""
        with self._lock:
            if context in self._open:
                enumeration, before = self._open[context]
                now = enumeration.held_bytes
                self._open[context] = enumeration, now
                self._change(enumeration.client, 0, now - before)

    def find(self, context: str, principal: str | None, namespace: str) -> Enumeration:
        """The enumeration of a context of this principal and namespace. Raises CimError.

        None: of whoever has opened it.
        """
        now = self._clock()
        with self._lock:
            self._forget_expired(now)
            found, _ = self._open.get(context, (None, 0))
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
            self._forget(context)

    def _forget_expired(self, now: float) -> None:
        for context in [key for key, (one, _) in self._open.items() if one.expires <= now]:
            self._forget(context)

    def _forget(self, context: str) -> None:
        enumeration, held_bytes = self._open.pop(context, (None, 0))
        if enumeration is not None:
            self._change(enumeration.client, -1, -held_bytes)


def _refused(why: str) -> CimError:
    return CimError(StatusCode.SERVER_LIMITS_EXCEEDED, why)
