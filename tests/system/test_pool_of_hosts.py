"""A pool of XenServer hosts that refuses a start: what a CIM client learns, and by which table."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import pywbem
from daemons import Daemon

from tests.hypervisor.xenapi_server import GIB, Refusal, XenApiServer
from tests.system.cim import NAMESPACE, request_state, system_path
from tests.system.waiting import wait_for
from virtcim.errormap import TABLE_VERSION

_FAILED_JOB = 10
_ENABLED = 2


@pytest.fixture
def pool() -> XenApiServer:
    """Two hosts: one in maintenance, the other short of memory."""
    server = XenApiServer()
    server.furnish()
    server.put("host", "OpaqueRef:south", name_label="south", metrics="OpaqueRef:hm")

    def can_boot(_vm: str, host: str) -> str:
        if host == "OpaqueRef:south":
            raise Refusal("HOST_NOT_ENOUGH_FREE_MEMORY", str(8 * GIB), str(GIB))
        raise Refusal("HOST_DISABLED", host)

    server.orders["VM.assert_can_boot_here"] = can_boot
    server.task("VM.start", lambda task, *_: server.end_task(task, "NO_HOSTS_AVAILABLE"))
    return server


@pytest.fixture
def connect(
    pool: XenApiServer, start_cim_server: Callable[..., Daemon]
) -> Iterator[Callable[..., pywbem.WBEMConnection]]:
    """`connect(*options)` gives a client of a CIM server over the pool."""
    with pool.running() as port:

        def start(*options: str) -> pywbem.WBEMConnection:
            server = start_cim_server(f"xapi+http://127.0.0.1:{port}", *options)
            return pywbem.WBEMConnection(server.url, default_namespace=NAMESPACE, timeout=120)

        yield start


def test_no_host_available_says_what_every_host_lacks(
    connect: Callable[..., pywbem.WBEMConnection],
) -> None:
    with connect("--job-after", "600") as cim, pytest.raises(pywbem.CIMError) as caught:
        request_state(cim, "one", "run")
    description = caught.value.status_description
    assert description.startswith("ERR_OUT_OF_MEMORY: ")
    for part in ("NO_HOSTS_AVAILABLE", "north: HOST_DISABLED", "south: HOST_NOT_ENOUGH_FREE_MEM"):
        assert part in description
    [error] = caught.value.instances
    assert error["MessageID"] == "ERR_OUT_OF_MEMORY"
    assert error["ErrorTableVersion"] == TABLE_VERSION


def test_the_job_of_a_refused_start_ends_with_what_was_learned(
    connect: Callable[..., pywbem.WBEMConnection],
) -> None:
    with connect("--job-after", "0") as cim:
        status, output = cim.InvokeMethod(
            "RequestStateChange", system_path("one"), RequestedState=pywbem.Uint16(_ENABLED)
        )
        assert status == 4096
        job = wait_for(
            lambda: cim.GetInstance(output["Job"]),
            lambda job: job["JobState"] == _FAILED_JOB,
            "the end of the job",
        )
        assert job["ErrorDescription"].startswith("ERR_OUT_OF_MEMORY: ")
        assert "south: HOST_NOT_ENOUGH_FREE_MEMORY" in job["ErrorDescription"]
        _, output = cim.InvokeMethod("GetError", job.path)
        assert output["Error"]["ErrorTableVersion"] == TABLE_VERSION


def test_the_version_of_the_table_can_be_read_beforehand(
    connect: Callable[..., pywbem.WBEMConnection],
) -> None:
    with connect() as cim:
        services = cim.EnumerateInstanceNames("CIM_VirtualSystemManagementService")
        assert len(services) == 2
        for service in services:
            [capabilities] = cim.Associators(
                service,
                AssocClass="CIM_ElementCapabilities",
                ResultClass="CIM_VirtualSystemManagementCapabilities",
            )
            assert capabilities["ErrorTableVersion"] == TABLE_VERSION
