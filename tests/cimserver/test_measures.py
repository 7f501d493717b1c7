"""What is counted of CIM operations, whatever clients call them."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
import pywbem

from tests.cimserver.conftest import MakeProviders
from tests.cimserver.population import SYSTEM, populate, system_path, system_uuid
from tests.cimserver.serving import Served, intrinsic, method, served
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.waiting import ended, job_of
from virtcim.cim.records import Value
from virtcim.cimserver import CimServer, Limits
from virtcim.cimserver.measures import JobMeasures
from virtcim.daemon.observation.measures import Distribution
from virtcim.errormap import HypervisorError, from_xapi
from virtcim.mof import Schema
from virtcim.providers import Providers

_NO_MEMORY = HypervisorError(
    from_xapi(["HOST_NOT_ENOUGH_FREE_MEMORY", "2", "1"], operation="VM.pause")
)
_CLASS = f'<CLASSNAME NAME="{SYSTEM}"/>'


@pytest.fixture
def cim_server(make_providers: MakeProviders, schema: Schema) -> CimServer:
    endpoint = SimulatedEndpoint(0)
    populate(endpoint, (1, 2, 3))
    limits = Limits(open_enumerations=2, open_enumerations_per_client=1)
    return CimServer(make_providers(endpoint), schema, authenticate=None, limits=limits)


@pytest.fixture
def running(cim_server: CimServer) -> Iterator[Served]:
    with served(cim_server) as running:
        yield running


def _counted(server: CimServer, name: str) -> dict[tuple[str, ...], object]:
    [family] = [one for one in server.measures.families() if one.name == name]
    return {**family.values}


def _path(number: int = 1) -> pywbem.CIMInstanceName:
    return pywbem.CIMInstanceName(
        SYSTEM,
        {"CreationClassName": SYSTEM, "Name": system_uuid(number)},
        namespace="root/virt",
    )


def test_operations_and_methods_count_by_name_and_outcome(
    cim_server: CimServer, running: Served
) -> None:
    with running.pywbem() as client:
        client.GetInstance(_path())
        client.GetInstance(_path(2))
        with pytest.raises(pywbem.CIMError):
            client.GetInstance(_path(9))
        client.EnumerateInstances(SYSTEM)
        client.InvokeMethod("RequestStateChange", _path(), RequestedState=pywbem.Uint16(3))
    assert _counted(cim_server, "virtcim_cim_operations_total") == {
        ("GetInstance", "success"): 2,
        ("GetInstance", "failure"): 1,
        ("EnumerateInstances", "success"): 1,
        ("EnumerateInstances", "failure"): 0,
        ("RequestStateChange", "success"): 1,
        ("RequestStateChange", "failure"): 0,
    }
    assert _counted(cim_server, "virtcim_cim_errors_total") == {
        ("ERR_VM_NOT_FOUND", "not_found"): 1
    }
    durations = _counted(cim_server, "virtcim_cim_operation_duration_seconds")
    timed = durations["GetInstance",]
    assert isinstance(timed, Distribution)
    assert sum(timed.counts) == 3
    assert 0.0 < timed.sum_s < 60.0


def test_what_clients_make_up_is_one_name(cim_server: CimServer, running: Served) -> None:
    target = f'<CLASSNAME NAME="{SYSTEM}"/>'
    with httpx.Client(trust_env=False, base_url=running.url) as client:
        headers = {"Content-Type": "application/xml", "CIMOperation": "MethodCall"}
        for number in range(30):
            for body in (intrinsic(f"Hostile{number}"), method(f"Hostile{number}", target)):
                assert client.post("/", content=body, headers=headers).status_code == 200
        for name in ("getclass", "GETCLASS", "GetClass"):
            body = intrinsic(name, ClassName=_CLASS)
            assert "<ERROR" not in client.post("/", content=body, headers=headers).text
    assert _counted(cim_server, "virtcim_cim_operations_total") == {
        ("unknown", "success"): 0,
        ("unknown", "failure"): 60,
        ("GetClass", "success"): 3,
        ("GetClass", "failure"): 0,
    }
    statuses = {status for _, status in _counted(cim_server, "virtcim_cim_errors_total")}
    assert statuses == {"not_supported", "method_not_found"}


def test_limits_count_by_name(cim_server: CimServer, running: Served) -> None:
    with running.pywbem() as client:
        client.OpenEnumerateInstances(SYSTEM, MaxObjectCount=1)
        with pytest.raises(pywbem.CIMError):
            client.OpenEnumerateInstances(SYSTEM, MaxObjectCount=1)
    assert cim_server.measures.limits_reached() == {
        "open-enumerations": 1,
        "operations": 0,
        "subscriptions": 0,
    }


def test_jobs_count_by_state_and_their_ends_by_error(schema: Schema) -> None:
    jobs = JobMeasures()
    endpoint = SimulatedEndpoint(0)
    populate(endpoint, (1, 2))
    providers = Providers([endpoint], schema, job_after_s=0.0, job_ended=jobs.ended)

    def counted(name: str) -> dict[tuple[str, ...], object]:
        [family] = [one for one in jobs.families(providers) if one.name == name]
        return {key: count for key, count in family.values.items() if count}

    try:
        pause: dict[str, Value] = {"RequestedState": 9}
        for number, refusal in ((1, None), (2, _NO_MEMORY)):
            endpoint.gate.clear()
            endpoint.refusal = refusal
            begun = providers.invoke_method(system_path(number), "RequestStateChange", pause)
            assert counted("virtcim_operations_running") == {(): 1}
            assert counted("virtcim_jobs")["running",] == 1
            endpoint.gate.set()
            ended(providers, job_of(begun))
        assert counted("virtcim_jobs") == {("completed",): 1, ("exception",): 1}
        assert counted("virtcim_jobs_ended_total") == {
            ("completed", ""): 1,
            ("exception", "ERR_OUT_OF_MEMORY"): 1,
        }
    finally:
        providers.close()
