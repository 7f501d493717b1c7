"""Alerts: of systems that stop by themselves, of lost connections, of operations that fail."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.providers.conftest import MakeProviders
from tests.providers.indications.conftest import Listen
from tests.providers.indications.reading import ALERT, MODIFICATION, alerts, of_class, source
from tests.providers.indications.recording_sink import RecordingSink
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import HOST, identity
from tests.providers.systems import VM, change
from tests.providers.waiting import ended, job_of
from virtcim.errormap import HypervisorError, from_qemu, from_xapi, translate
from virtcim.hypervisor.model import Incident, PowerState, StopReason
from virtcim.providers import CimError, Providers

STOPPED_AT = datetime(2026, 11, 30, 10, 0, tzinfo=UTC)
NO_SPACE = {
    "event": "BLOCK_IO_ERROR",
    "data": {"device": "vda", "action": "stop", "nospace": True, "reason": "enospc"},
}


def stop(raw: dict[str, object], reason: str, since: datetime | None = STOPPED_AT) -> StopReason:
    error = translate(from_qemu(raw, operation="(event)"))
    return StopReason(reason=reason, error=error, since=since)


def incident(what: str, raw: dict[str, object], since: datetime, device: str = "") -> Incident:
    error = translate(from_qemu(raw, operation="(event)"))
    return Incident(what=what, device=device, error=error, since=since)


OUT_OF_SPACE = stop(NO_SPACE, "io-error")
# What a guest does that switches itself off.
NO_FAILURE = stop({"event": "SHUTDOWN", "data": {"reason": "guest-shutdown"}}, "shutdown")


def test_a_system_that_stops_by_itself_raises_an_alert(
    endpoint: SimulatedEndpoint, sink: RecordingSink
) -> None:
    system = endpoint.systems[4]
    endpoint.replace(replace(system, power_state=PowerState.PAUSED, stop=OUT_OF_SPACE))
    sink.wait_for(lambda: bool(alerts(sink.told)))
    (alert,) = alerts(sink.told)
    (modified,) = of_class(sink.told, MODIFICATION, VM)
    values = alert.values
    assert values["MessageID"] == "ERR_OUT_OF_DISK_SPACE"
    assert values["Message"] == source(modified).values["StopDescription"]
    assert values["OwningEntity"] == "virtcim"
    arguments = values["MessageArguments"]
    assert isinstance(arguments, list)
    assert arguments[:2] == ["qemu", "BLOCK_IO_ERROR"]
    assert (values["AlertType"], values["PerceivedSeverity"]) == (4, 6)
    assert values["AlertingElementFormat"] == 2
    assert values["AlertingManagedElement"] == modified.record.values["SourceInstanceModelPath"]
    assert (values["SystemCreationClassName"], values["SystemName"]) == (VM, system.uuid)
    assert values["EventTime"] == STOPPED_AT
    assert values["RecommendedActions"]
    assert values["ProbableCause"]
    assert values["CorrelatedIndications"] == [modified.record.values["IndicationIdentifier"]]
    assert "Operation" not in values


def test_the_same_stop_is_told_once_and_another_one_again(
    endpoint: SimulatedEndpoint, sink: RecordingSink
) -> None:
    stopped = replace(endpoint.systems[4], power_state=PowerState.PAUSED, stop=OUT_OF_SPACE)
    later = replace(OUT_OF_SPACE, since=STOPPED_AT + timedelta(seconds=5))
    endpoint.replace(stopped)
    endpoint.replace(replace(stopped, name_label="renamed"))
    endpoint.replace(replace(stopped, stop=replace(OUT_OF_SPACE, since=None)))
    endpoint.replace(stopped)  # its time is known again
    endpoint.replace(replace(stopped, stop=later))
    endpoint.replace(replace(stopped, stop=NO_FAILURE))
    endpoint.replace(replace(stopped, stop=None, power_state=PowerState.RUNNING))
    sink.wait_for(
        lambda: any(
            source(each).values["EnabledState"] == 2
            for each in of_class(sink.told, MODIFICATION, VM)
        )
    )
    assert [each.values["EventTime"] for each in alerts(sink.told)] == [STOPPED_AT, later.since]


def test_what_a_system_survives_raises_one_alert_for_each_incident(
    endpoint: SimulatedEndpoint, sink: RecordingSink
) -> None:
    system = endpoint.systems[4]
    reported = {"event": "BLOCK_IO_ERROR", "data": {"device": "vda", "action": "report"}}
    on_disk = incident("io-error", reported, STOPPED_AT, "vda")
    panic = incident("panic", {"event": "GUEST_PANICKED"}, STOPPED_AT)
    again = replace(panic, since=STOPPED_AT + timedelta(seconds=9))
    for survived in ((on_disk,), (on_disk, panic), (on_disk, again), (again,), ()):
        endpoint.replace(replace(system, incidents=survived))
    endpoint.replace(replace(system, auto_start=not system.auto_start))
    sink.wait_for(lambda: bool(of_class(sink.told, MODIFICATION, VM)))
    told = [each.values for each in alerts(sink.told)]
    assert [(each["MessageID"], each["EventTime"]) for each in told] == [
        ("ERR_CANNOT_ACCESS_DISK_FILE", STOPPED_AT),
        ("ERR_VM_STUCK", STOPPED_AT),
        ("ERR_VM_STUCK", again.since),
    ]
    assert {each["PerceivedSeverity"] for each in told} == {3}
    assert str(told[0]["Description"]).startswith("disk vda of the virtual system vm4 ")


def test_a_lost_connection_and_its_return_raise_alerts_and_nothing_is_deleted(
    endpoint: SimulatedEndpoint, sink: RecordingSink
) -> None:
    endpoint.lose_connection()
    endpoint.replace(replace(endpoint.systems[1], name_label="changed meanwhile"))
    (lost,) = sink.wait_for_told(1)
    endpoint.restore_connection()
    sink.wait_for_told(4)
    kinds = [each.record.class_name for each in sink.told]
    assert kinds[:2] == [ALERT, ALERT]
    assert set(kinds[2:]) == {MODIFICATION}
    gone, there = alerts(sink.told)
    assert gone is lost.record
    assert gone.values["MessageID"] == "ERR_COMMUNICATION_NOT_ESTABLISHED"
    assert "Connection refused" in str(gone.values["Message"])
    assert (there.values["MessageID"], there.values["PerceivedSeverity"]) == ("ERR_SUCCESS", 2)
    for each in (gone, there):
        assert each.values["AlertType"] == 2
        assert each.values["SystemName"] == HOST.uuid
        assert "VirtCIM_HostSystem" in str(each.values["AlertingManagedElement"])


def test_an_operation_that_the_hypervisor_refuses_raises_an_alert(
    providers: Providers, endpoint: SimulatedEndpoint, sink: RecordingSink
) -> None:
    endpoint.refusal = HypervisorError(
        from_xapi(["HOST_NOT_ENOUGH_FREE_MEMORY", "4", "2"], operation="VM.start")
    )
    with pytest.raises(CimError) as failed:
        change(providers, 1, 2)
    (told,) = sink.wait_for_told(1)
    values = told.record.values
    assert values["MessageID"] == "ERR_OUT_OF_MEMORY"
    assert values["Message"] == failed.value.description
    assert values["MessageArguments"] == ["xapi", "HOST_NOT_ENOUGH_FREE_MEMORY", "4", "2"]
    assert (values["Operation"], values["CIMStatusCode"]) == ("RequestStateChange", 1)
    assert (values["SystemCreationClassName"], values["SystemName"]) == (VM, identity("vm", 1))
    assert identity("vm", 1) in str(values["AlertingManagedElement"])
    assert "JobInstanceID" not in values


def test_what_never_reached_the_hypervisor_raises_no_alert(
    providers: Providers, endpoint: SimulatedEndpoint, sink: RecordingSink
) -> None:
    with pytest.raises(CimError):
        change(providers, 1, 4711)
    endpoint.replace(replace(endpoint.systems[1], name_label="something else"))
    sink.wait_for_told(2)
    assert not alerts(sink.told)


def test_a_job_that_fails_raises_an_alert(
    endpoint: SimulatedEndpoint, make_providers: MakeProviders, listen: Listen
) -> None:
    providers = make_providers(endpoint, job_after_s=0.0)
    sink = listen(providers)
    endpoint.gate.clear()
    job = job_of(change(providers, 1, 2))
    endpoint.refusal = HypervisorError(from_xapi(["VM_HVM_REQUIRED", "vm"], operation="VM.start"))
    endpoint.gate.set()
    record = ended(providers, job)
    sink.wait_for(lambda: bool(alerts(sink.told)))
    (alert,) = alerts(sink.told)
    assert alert.values["JobInstanceID"] == record.values["InstanceID"]
    assert alert.values["Message"] == record.values["ErrorDescription"]
    assert identity("vm", 1) in str(alert.values["AlertingManagedElement"])
    last = of_class(sink.told, MODIFICATION, "VirtCIM_ConcreteJob")[-1]
    assert alert.values["CorrelatedIndications"] == [last.record.values["IndicationIdentifier"]]
