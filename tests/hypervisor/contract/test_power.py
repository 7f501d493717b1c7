"""What every endpoint promises of changing the state of a virtual system."""

from __future__ import annotations

import pytest

from tests.hypervisor.contract.systems import code_of, system_of
from virtcim.errormap import ErrorCode
from virtcim.hypervisor import Endpoint, PowerOperation, PowerState, PowerStateError

_WAYS = {
    PowerState.HALTED: (),
    PowerState.RUNNING: (PowerOperation.START,),
    PowerState.PAUSED: (PowerOperation.START, PowerOperation.PAUSE),
    PowerState.SUSPENDED: (PowerOperation.START, PowerOperation.SUSPEND),
}
_NEEDS = {
    PowerOperation.START: {PowerState.HALTED},
    PowerOperation.PAUSE: {PowerState.RUNNING},
    PowerOperation.UNPAUSE: {PowerState.PAUSED},
    PowerOperation.SUSPEND: {PowerState.RUNNING},
    PowerOperation.RESUME: {PowerState.SUSPENDED},
    PowerOperation.CLEAN_SHUTDOWN: {PowerState.RUNNING},
    PowerOperation.HARD_SHUTDOWN: {PowerState.RUNNING, PowerState.PAUSED, PowerState.SUSPENDED},
    PowerOperation.CLEAN_REBOOT: {PowerState.RUNNING},
    PowerOperation.HARD_REBOOT: {PowerState.RUNNING, PowerState.PAUSED},
}


def test_the_next_read_shows_the_new_state(endpoint: Endpoint, uuid: str) -> None:
    for operation, state in (
        (PowerOperation.START, PowerState.RUNNING),
        (PowerOperation.PAUSE, PowerState.PAUSED),
        (PowerOperation.UNPAUSE, PowerState.RUNNING),
        (PowerOperation.SUSPEND, PowerState.SUSPENDED),
        (PowerOperation.RESUME, PowerState.RUNNING),
        (PowerOperation.HARD_REBOOT, PowerState.RUNNING),
        (PowerOperation.HARD_SHUTDOWN, PowerState.HALTED),
    ):
        endpoint.change_power(uuid, operation)
        system = system_of(endpoint, uuid)
        assert (operation, system.power_state, system.transition) == (operation, state, None)


def test_what_runs_is_on_a_host_of_the_inventory_since_a_time(
    endpoint: Endpoint, uuid: str
) -> None:
    for operation in (None, PowerOperation.HARD_SHUTDOWN):
        if operation is not None:
            endpoint.change_power(uuid, operation)
        system = system_of(endpoint, uuid)
        assert (system.resident_on, system.start_time, system.consoles) == ("", None, ())
        endpoint.change_power(uuid, PowerOperation.START)
        system = system_of(endpoint, uuid)
        assert system.resident_on in endpoint.inventory().hosts
        assert system.start_time is not None


@pytest.mark.parametrize("state", _WAYS)
def test_a_refusal_for_the_state_names_the_present_one_that_the_inventory_shows(
    endpoint: Endpoint, uuid: str, state: PowerState
) -> None:
    for operation in _WAYS[state]:
        endpoint.change_power(uuid, operation)
    for operation, needed in _NEEDS.items():
        if state in needed:
            continue
        with pytest.raises(PowerStateError) as raised:
            endpoint.change_power(uuid, operation)
        assert (operation, raised.value.present) == (operation, state)
        assert code_of(raised.value) is ErrorCode.ERR_WRONG_STATE_FOR_OP
        assert system_of(endpoint, uuid).power_state is state
