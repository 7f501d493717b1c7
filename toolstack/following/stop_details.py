"""What was seen when domains stopped by themselves, kept as long as they are stopped."""

from __future__ import annotations

import threading
from collections.abc import Collection
from datetime import datetime, timedelta

from virtcim.toolstack.reading.stop_reason import StopDetail
from virtcim.toolstack.reading.views import DomainView
from virtcim.toolstack.state import State

__all__ = ["StopDetails"]

# A stop that a look does not see any more this long after it is over.
_OVER = timedelta(seconds=1)


class StopDetails:
    """The details by UUID, also in the state directory; safe to use from many threads."""

    def __init__(self, state: State) -> None:
        self._lock = threading.Lock()
        self._state = state
        self._details = {
            vm: StopDetail.from_fields(fields) for vm, fields in state.stop_details().items()
        }

    def get(self, uuid: str) -> StopDetail | None:
        """Give what was seen of a domain."""
        return self._details.get(uuid)

    def put(self, uuid: str, detail: StopDetail | None) -> None:
        """Note what was seen; None: the domain goes on, or is gone."""
        with self._lock:
            if detail is not None:
                self._details[uuid] = detail
                self._state.set_stop_detail(uuid, detail.to_fields())
            elif self._details.pop(uuid, None) is not None:
                self._state.set_stop_detail(uuid, None)

    def keep_only(self, domains: Collection[str]) -> None:
        """Forget all domains but these."""
        for uuid in self._details.keys() - set(domains):
            self.put(uuid, None)

    def looked(self, view: DomainView, now: datetime) -> None:
        """Take note of a look at a domain that began at ``now``."""
        known = self.get(view.uuid)
        if known is not None and not known.is_of(view.state, view.reason):
            if known.time > now - _OVER:
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
