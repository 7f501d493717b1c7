"""After a write the next read shows it, whichever of several processes it meets.

Whoever has written tells the others before it answers, and waits until they show it. One that is
not waited for, or that cannot follow, asks the hypervisor before each read what has happened: that
takes a moment, and is right without anybody.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from virtcim.errormap import ErrorCode
from virtcim.hypervisor.endpoint import Endpoint
from virtcim.providers.errors import failure
from virtcim.providers.peers.contract import STATE, Peers, Reached, Written
from virtcim.providers.peers.following import Following

__all__ = ["Agreement", "Waited"]

_log = logging.getLogger(__name__)
# For so long a read waits to be sure that nothing older is shown.
_HOLD_S = 5.0
_AT_HYPERVISOR, _IN_STATE = "hypervisor", "state"

Waited = Callable[[str, float], None]


class Agreement:
    """What this process shows and writes, among its peers; ``endpoints`` are by namespace.

    Implements ``Shows``. ``on_state_written`` may be set to what has to be done before another
    one's change of the shared database counts as shown; it must be quick. ``waited`` is told of
    each write: ``hypervisor`` or ``state``, and for how many seconds it has waited. Used from
    ``start`` to ``stop``.
    """

    def __init__(
        self,
        peers: Peers,
        endpoints: Mapping[str, Endpoint],
        *,
        waited: Waited = lambda _written, _duration_s: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._peers = peers
        self._waited = waited
        self._clock = clock
        self._endpoints = endpoints
        self.on_state_written: Callable[[], None] = _nothing_to_do
        self._following = {name: Following(name, one) for name, one in endpoints.items()}

    def start(self) -> None:
        """Join the peers."""
        for each in self._following.values():
            each.start()
        self._peers.start(self)

    def stop(self) -> None:
        """Leave the peers."""
        self._peers.stop()
        for each in self._following.values():
            each.stop()

    def wrote(self, namespace: str) -> None:
        """Return when what was done at a hypervisor is shown everywhere; raises nothing."""
        self._announce(Written(namespace, self._endpoints[namespace].position), _AT_HYPERVISOR)

    def wrote_state(self) -> None:
        """Return when a change of the shared database counts everywhere; raises nothing."""
        self._announce(Written(STATE), _IN_STATE)

    def _announce(self, written: Written, what: str) -> None:
        began_s = self._clock()
        self._peers.announce((written,))
        self._waited(what, self._clock() - began_s)

    def is_current(self, namespace: str) -> bool:
        """Whether a read may begin, without waiting for anything."""
        one = self._following.get(namespace)
        return one is None or (self._peers.is_waited_for and not one.is_behind)

    def require_current(self, namespace: str) -> None:
        """Return when a read shows all that was answered before. Raises CimError where none can."""
        if self.is_current(namespace):
            return
        if not self._endpoints[namespace].reach("", _HOLD_S):
            raise failure(
                ErrorCode.ERR_COMMUNICATION_NOT_ESTABLISHED,
                "this server does not know whether it shows what others have written: it has no "
                "word of them, and the hypervisor does not say what has happened",
            )

    def catch_up(self, written: Sequence[Written] | None, reached: Reached) -> None:
        """Show what another one has written, None for everything (``Shows``)."""
        if written is None:
            written = [Written(STATE), *map(Written, self._following)]
        left = _Left(len(written), reached)
        for each in written:
            following = self._following.get(each.namespace)
            if following is not None:
                following.catch_up(each.position, left.one_less)
                continue
            if each.namespace == STATE:
                self._take_state()
            left.one_less()

    def _take_state(self) -> None:
        try:
            self.on_state_written()
        except Exception:  # noqa: BLE001 - a thread's boundary; reads ask the database, too
            _log.exception("a change of another server is not taken over at once")


class _Left:
    """Calls ``reached`` when as many as there were have been reached."""

    def __init__(self, many: int, reached: Reached) -> None:
        self._many = many
        self._reached = reached
        self._lock = threading.Lock()

    def one_less(self) -> None:
        with self._lock:
            self._many -= 1
            is_last = self._many == 0
        if is_last:
            self._reached()


def _nothing_to_do() -> None:
    """Reads ask the database themselves."""
