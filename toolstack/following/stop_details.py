"""What was seen when domains stopped by themselves, kept as long as they are stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection

from virtcim.toolstack.reading.stop_reason import StopDetail
from virtcim.toolstack.reading.views import DomainView
from virtcim.toolstack.state import State

__all__ = ["StopDetails"]

# A stop that a look does not see any more this long after it is over.
_OVER_S = 1.0


class StopDetails:
    """The details by UUID, also in the state directory; safe to use from many threads."""

    def __init__(self, state: State, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._state = state
        self._clock = clock
        # When they were seen. The times that are shown may be of a clock that was set since.
        self._seen_s: dict[str, float] = {}
        self._details = state.stop_details(StopDetail.from_fields)

    def get(self, uuid: str) -> StopDetail | None:
        """Give what was seen of a domain."""
        return self._details.get(uuid)

    def put(self, uuid: str, detail: StopDetail | None) -> None:
        """Note what was seen; None: the domain goes on, or is gone."""
        with self._lock:
            if detail is not None:
                self._details[uuid] = detail
                self._seen_s[uuid] = self._clock()
                self._state.set_stop_detail(uuid, detail.to_fields())
            elif self._details.pop(uuid, None) is not None:
                self._seen_s.pop(uuid, None)
                self._state.set_stop_detail(uuid, None)

    def keep_only(self, domains: Collection[str]) -> None:
        """Forget all domains but these."""
        for uuid in self._details.keys() - set(domains):
            self.put(uuid, None)

    def looked(self, view: DomainView) -> None:
        """Take note of a look at a domain that was begun a moment ago."""
        known = self.get(view.uuid)
        if known is not None and not known.is_of(view.state, view.reason):
            seen_s = self._seen_s.get(view.uuid)
            if seen_s is not None and self._clock() - seen_s < _OVER_S:
                return  # what was seen is newer than the look
            self.put(view.uuid, None)
            known = None
        if view.stop is not None and known is None:
            # Seen only afterwards: from now on the time of that does not change.
            detail = StopDetail(
                time=view.stop.time,
                state=view.state,
                reason=view.reason,
                stop_reason=view.stop.reason,
                event=view.stop.event,
            )
            self.put(view.uuid, detail)
