"""What every endpoint promises of the tasks that carry operations."""

from __future__ import annotations

from dataclasses import replace

from tests.hypervisor.contract.systems import Witness
from virtcim.errormap import from_transport, from_xapi
from virtcim.hypervisor import Endpoint, PowerOperation


def test_the_monitor_learns_of_the_task_that_decides(endpoint: Endpoint, uuid: str) -> None:
    for operation in (
        lambda witness: endpoint.change_power(uuid, PowerOperation.START, witness),
        lambda witness: endpoint.change_power(uuid, PowerOperation.HARD_SHUTDOWN, witness),
        lambda witness: endpoint.destroy(uuid, witness),
    ):
        witness = Witness()
        operation(witness)
        [(ref, decisive)] = witness.tasks
        assert (ref != "", decisive) == (True, True)
        assert all(0.0 <= fraction <= 1.0 for fraction in witness.fractions)


def test_only_the_cancellation_of_a_task_is_one(endpoint: Endpoint) -> None:
    cancelled = from_xapi(["TASK_CANCELLED", "OpaqueRef:task"], operation="VM.start")
    refused = from_xapi(["OPERATION_NOT_ALLOWED", "TASK_CANCELLED"], operation="VM.start")
    lost = from_transport(phase="after_send", exception="ConnectionLost", message="TASK_CANCELLED")
    assert endpoint.is_cancellation(cancelled)
    assert endpoint.is_cancellation(replace(refused, cause=replace(lost, cause=cancelled)))
    for other in (refused, lost, replace(refused, cause=lost)):
        assert not endpoint.is_cancellation(other)
