"""State changes: which operation a requested state becomes, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import identity
from tests.providers.systems import VM, change, system_path
from virtcim.hypervisor.model import PowerOperation, PowerState
from virtcim.providers import (
    CimError,
    MethodResult,
    ObjectPath,
    Providers,
    StatusCode,
)


@pytest.mark.parametrize(
    ("number", "requested", "state"),
    [
        (1, 2, PowerState.RUNNING),
        (2, 2, PowerState.RUNNING),
        (3, 2, PowerState.RUNNING),
        (0, 3, PowerState.HALTED),
        (2, 3, PowerState.HALTED),
        (0, 4, PowerState.HALTED),
        (0, 6, PowerState.SUSPENDED),
        (0, 9, PowerState.PAUSED),
        (0, 10, PowerState.RUNNING),
        (2, 11, PowerState.RUNNING),
    ],
)
def test_a_requested_state_becomes_the_right_operation(
    endpoint: SimulatedEndpoint,
    providers: Providers,
    number: int,
    requested: int,
    state: PowerState,
) -> None:
    result = change(providers, number, requested)
    assert result == MethodResult(return_value=0, output={})
    assert endpoint.current.virtual_systems[identity("vm", number)].power_state is state


def becomes(endpoint: SimulatedEndpoint, number: int, state: PowerState) -> Callable[[], None]:
    """A change of state by the system itself."""

    def happen() -> None:
        system = endpoint.current.virtual_systems[identity("vm", number)]
        endpoint.replace(replace(system, power_state=state))

    return happen


@pytest.mark.parametrize(
    ("number", "requested", "meanwhile", "operations"),
    [
        (1, 2, PowerState.PAUSED, [PowerOperation.UNPAUSE]),
        (1, 2, PowerState.SUSPENDED, [PowerOperation.RESUME]),
        (2, 2, PowerState.HALTED, [PowerOperation.START]),
        (1, 2, PowerState.RUNNING, []),
        (0, 3, PowerState.HALTED, []),
        (0, 4, PowerState.HALTED, []),
        (0, 9, PowerState.PAUSED, []),
        (0, 6, PowerState.SUSPENDED, []),
    ],
)
def test_what_is_done_depends_on_the_state_that_the_system_has_by_then(
    endpoint: SimulatedEndpoint,
    providers: Providers,
    number: int,
    requested: int,
    meanwhile: PowerState,
    operations: list[PowerOperation],
) -> None:
    endpoint.meanwhile.append(becomes(endpoint, number, meanwhile))
    assert change(providers, number, requested) == MethodResult(return_value=0, output={})
    assert endpoint.powered == operations


@pytest.mark.parametrize(("requested", "meanwhile"), [(9, 1), (10, 1), (11, 1), (4, 2)])
def test_a_state_that_allows_no_way_to_the_requested_one_is_refused(
    endpoint: SimulatedEndpoint, providers: Providers, requested: int, meanwhile: int
) -> None:
    states = {1: PowerState.HALTED, 2: PowerState.PAUSED}
    endpoint.meanwhile.append(becomes(endpoint, 0, states[meanwhile]))
    with pytest.raises(CimError, match="ERR_WRONG_STATE_FOR_OP"):
        change(providers, 0, requested)
    assert endpoint.powered == []


def test_an_operation_is_chosen_again_only_once(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    endpoint.meanwhile += [
        becomes(endpoint, 1, PowerState.PAUSED),
        becomes(endpoint, 1, PowerState.SUSPENDED),
    ]
    with pytest.raises(CimError, match="ERR_WRONG_STATE_FOR_OP"):
        change(providers, 1, 2)
    assert endpoint.powered == []


def test_a_system_that_was_seen_in_the_requested_state_is_not_brought_there(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    with pytest.raises(CimError, match="ERR_WRONG_STATE_FOR_OP"):
        change(providers, 0, 2)
    assert endpoint.powered == []


@pytest.mark.parametrize("requested", [0, 5, 7, 8, 12, 13, 32768, None, "2", True])
def test_a_state_that_cannot_be_requested_is_refused_by_its_value(
    providers: Providers, requested: object
) -> None:
    with pytest.raises(CimError) as refused:
        change(providers, 0, requested)
    assert refused.value.status_code == StatusCode.INVALID_PARAMETER
    assert refused.value.description.startswith("ERR_BAD_PARAMETER: RequestedState: ")
    shown = "NULL" if requested is None else str(requested)
    assert shown in refused.value.description


def test_pausing_a_halted_system_is_refused_as_wrong_state(providers: Providers) -> None:
    with pytest.raises(CimError) as refused:
        change(providers, 1, 9)
    assert refused.value.description.startswith("ERR_WRONG_STATE_FOR_OP: ")
    (error,) = refused.value.errors
    assert error.values["MessageID"] == "ERR_WRONG_STATE_FOR_OP"
    assert error.values["OwningEntity"] == "virtcim"
    arguments = error.values["MessageArguments"]
    assert isinstance(arguments, list)
    assert "VM_BAD_POWER_STATE" in arguments
    assert error.values["ErrorSourceFormat"] == 2
    assert identity("vm", 1) in str(error.values["ErrorSource"])


def test_what_fails_while_the_caller_waits_can_be_told_in_the_callers_language(
    providers: Providers,
) -> None:
    with pytest.raises(CimError) as refused:
        change(providers, 1, 9)
    german = refused.value.in_language("de")
    assert german.description.startswith("ERR_WRONG_STATE_FOR_OP: Die virtuelle Maschine ist ")
    assert german.errors[0].values["ErrorSource"] == refused.value.errors[0].values["ErrorSource"]


@pytest.mark.parametrize(
    ("timeout", "return_value"),
    [
        (None, 0),
        (timedelta(0), 0),
        (timedelta(seconds=5), 4098),
        (datetime(2026, 11, 1, tzinfo=UTC), 4098),
    ],
)
def test_a_time_limit_cannot_be_kept_and_is_said_to_be_unsupported(
    endpoint: SimulatedEndpoint, providers: Providers, timeout: object, return_value: int
) -> None:
    result = change(providers, 0, 3, TimeoutPeriod=timeout)
    assert result.return_value == return_value
    halted = endpoint.systems[0].power_state is PowerState.HALTED
    assert halted == (return_value == 0)


@pytest.mark.parametrize(
    ("path", "method", "parameter", "status_code"),
    [
        (system_path(0), "SetPowerState", "PowerState", StatusCode.METHOD_NOT_AVAILABLE),
        (
            ObjectPath(VM, namespace="root/virt"),
            "RequestStateChange",
            "RequestedState",
            StatusCode.INVALID_PARAMETER,
        ),
        (
            ObjectPath(VM, {"CreationClassName": VM, "Name": "no"}, namespace="root/virt"),
            "RequestStateChange",
            "RequestedState",
            StatusCode.NOT_FOUND,
        ),
        (
            ObjectPath("CIM_Namespace", namespace="root/interop"),
            "RequestStateChange",
            "RequestedState",
            StatusCode.METHOD_NOT_AVAILABLE,
        ),
    ],
    ids=["not ours", "no keys", "not there", "not of the class"],
)
def test_methods_that_are_not_there_or_not_on_classes_are_refused(
    providers: Providers, path: ObjectPath, method: str, parameter: str, status_code: int
) -> None:
    with pytest.raises(CimError) as refused:
        providers.invoke_method(path, method, {parameter: 2})
    assert refused.value.status_code == status_code


def test_unknown_parameters_are_refused_by_name_and_nulls_ignored(providers: Providers) -> None:
    assert change(providers, 0, 3, Job=None).return_value == 0
    with pytest.raises(CimError, match="Force"):
        change(providers, 1, 2, Force=True)
