"""What was seen of a stop goes with the stop, whatever the clock says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import libvirt
import pytest

from virtcim.toolstack.following.stop_details import StopDetails
from virtcim.toolstack.reading.stop_reason import StopDetail
from virtcim.toolstack.state import State

UUID = "2e1f0a7e-0000-4000-8000-000000000001"


def detail(time: datetime) -> StopDetail:
    return StopDetail(
        time=time,
        state=libvirt.VIR_DOMAIN_PAUSED,
        reason=libvirt.VIR_DOMAIN_PAUSED_IOERROR,
        stop_reason="IO_ERROR",
        event={},
    )


def running() -> Any:
    return SimpleNamespace(
        uuid=UUID,
        state=libvirt.VIR_DOMAIN_RUNNING,
        reason=libvirt.VIR_DOMAIN_RUNNING_UNPAUSED,
        stop=None,
    )


@pytest.mark.parametrize("jump", [timedelta(days=-365), timedelta(), timedelta(days=1)])
def test_a_stop_that_is_over_is_forgotten_whatever_the_clock_was(jump: timedelta) -> None:
    now_s = 0.0
    state = State(None)
    details = StopDetails(state, lambda: now_s)
    details.put(UUID, detail(datetime.now(UTC) + jump))
    details.looked(cast("Any", running()))
    # The look was begun before the stop.
    assert details.get(UUID) is not None
    now_s = 2.0
    details.looked(cast("Any", running()))
    assert details.get(UUID) is None
    state.close()


def test_a_stop_of_an_earlier_process_is_over_at_the_first_look_that_does_not_see_it() -> None:
    state = State(None)
    StopDetails(state).put(UUID, detail(datetime.now(UTC) + timedelta(days=1)))
    details = StopDetails(state)
    assert details.get(UUID) is not None
    details.looked(cast("Any", running()))
    assert details.get(UUID) is None
    state.close()
