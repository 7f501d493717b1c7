"""One hypervisor that several processes follow: does this one show what others have written?"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from virtcim.hypervisor.endpoint import Endpoint
from virtcim.providers.peers.contract import Reached

__all__ = ["Following"]

# For so long a writer is kept waiting; who needs longer shows nothing until it has caught up.
_PATIENCE_S = 1.0
_LOOK_AGAIN_S = 1.0
_JOIN_S = 5.0


class Following:
    """Catches up with what others have written, in a thread of its own from ``start`` to ``stop``.

    ``is_behind``: what is shown may be older than what was reached; it must not be read then.
    """

    def __init__(self, name: str, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._changed = threading.Condition()
        self._waiting: list[tuple[str, Reached]] = []
        self._stopping = False
        self._once_more = False
        self.is_behind = False
        self._thread = threading.Thread(
            target=self._run, name=f"virtcim-agreement-{name}", daemon=True
        )

    def start(self) -> None:
        """Begin to catch up."""
        self._thread.start()

    def catch_up(self, position: str, reached: Reached) -> None:
        """Show everything up to a position, empty for what there is now; returns at once."""
        if not self._must_wait(position, reached):
            reached()

    def _must_wait(self, position: str, reached: Reached) -> bool:
        with self._changed:
            if self.is_behind:
                # Nothing is read before everything of until now is shown.
                self._once_more = True
                return False
            if position and self._endpoint.has_reached(position):
                return False
            self._waiting.append((position, reached))
            self._changed.notify_all()
            return True

    def stop(self) -> None:
        """Catch up with nothing any more."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                waiting, self._waiting = self._waiting, []
                if self._stopping:
                    return
            if not self._is_reached([position for position, _ in waiting]):
                with self._changed:
                    self.is_behind = True
                    waiting += self._waiting
                    self._waiting = []
            for _, reached in waiting:
                reached()
            while self.is_behind and not self._stopping:
                self._look_again()

    def _is_reached(self, positions: Sequence[str]) -> bool:
        # What has happened until now is more than each of several.
        one = positions[0] if len(set(positions)) == 1 else ""
        return self._endpoint.reach(one, _PATIENCE_S)

    def _look_again(self) -> None:
        with self._changed:
            self._once_more = False
        is_reached = self._endpoint.reach("", _LOOK_AGAIN_S)
        with self._changed:
            self.is_behind = not is_reached or self._once_more
