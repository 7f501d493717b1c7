"""Operations that take long become jobs, and no failure disappears in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import pywbem
from boot_sectors import IDLE
from private_libvirt import PrivateLibvirt

from tests.system.cim import (
    CHANGE_STATE,
    NAMESPACE,
    define,
    find_system,
    resource_settings,
    service_path,
    system_path,
    system_settings,
)
from tests.system.stack import Stack
from tests.system.waiting import wait_for

_JOB_STARTED = 4096
_COMPLETED = 7
_EXCEPTION = 10
_RUNNING = 2
_CANNOT_ACCESS_DISK_FILE = 6

MakeDisk = Callable[..., Path]


@pytest.fixture(scope="module")
def impatient_url(stack: Stack) -> Iterator[str]:
    """A server that makes a job of everything."""
    with stack.another_server("--job-after", "0") as server:
        yield server.url


@pytest.fixture
def impatient(impatient_url: str) -> Iterator[pywbem.WBEMConnection]:
    with pywbem.WBEMConnection(impatient_url, None, default_namespace=NAMESPACE) as connection:
        yield connection


def start(cim: pywbem.WBEMConnection, uuid: str) -> pywbem.CIMInstanceName:
    """Ask for a start, and give its job."""
    wait_for(
        lambda: [one["Name"] for one in cim.EnumerateInstanceNames("VirtCIM_ComputerSystem")],
        lambda uuids: uuid in uuids,
        "what was made through the other server",
    )
    status, output = cim.InvokeMethod(
        "RequestStateChange",
        system_path(uuid),
        RequestedState=pywbem.Uint16(CHANGE_STATE["run"]),
    )
    assert status == _JOB_STARTED
    job: pywbem.CIMInstanceName = output["Job"]
    assert job.classname == "VirtCIM_ConcreteJob"
    return job


def ended(cim: pywbem.WBEMConnection, job: pywbem.CIMInstanceName) -> pywbem.CIMInstance:
    return wait_for(
        lambda: cim.GetInstance(job),
        lambda instance: instance["JobState"] in (_COMPLETED, _EXCEPTION, 8, 9),
        "the end of the job",
    )


def test_a_start_that_takes_long_is_a_job_that_completes(
    cim: pywbem.WBEMConnection, impatient: pywbem.WBEMConnection, make_disk: MakeDisk
) -> None:
    uuid = define(cim, "long", disks=[make_disk(IDLE)])
    job = start(impatient, uuid)
    instance = ended(impatient, job)
    assert instance["JobState"] == _COMPLETED, instance["ErrorDescription"]
    assert instance["PercentComplete"] == 100
    assert instance["ErrorCode"] in (0, None)
    # What a completed job has done is seen.
    assert impatient.GetInstance(system_path(uuid))["EnabledState"] == _RUNNING
    impatient.DeleteInstance(job)
    with pytest.raises(pywbem.CIMError) as caught:
        impatient.GetInstance(job)
    assert caught.value.status_code == pywbem.CIM_ERR_NOT_FOUND


def test_a_job_that_fails_tells_everything_that_an_error_tells(
    cim: pywbem.WBEMConnection, impatient: pywbem.WBEMConnection, shared_libvirt: PrivateLibvirt
) -> None:
    missing = shared_libvirt.images / "missing.img"
    job = start(impatient, define(cim, "unbootable", disks=[missing]))
    instance = ended(impatient, job)
    assert instance["JobState"] == _EXCEPTION
    assert instance["ErrorCode"] == _CANNOT_ACCESS_DISK_FILE
    assert instance["ErrorDescription"].startswith("ERR_CANNOT_ACCESS_DISK_FILE: ")
    assert str(missing) in instance["ErrorDescription"]
    status, output = impatient.InvokeMethod("GetError", job)
    assert status == 0
    error = output["Error"]
    assert error["MessageID"] == "ERR_CANNOT_ACCESS_DISK_FILE"
    assert error["OwningEntity"] == "virtcim"
    assert error["Message"] == instance["ErrorDescription"]
    status, output = impatient.InvokeMethod("GetErrors", job)
    assert status == 0
    assert [one["MessageID"] for one in output["Errors"]] == ["ERR_CANNOT_ACCESS_DISK_FILE"]


def test_a_definition_can_be_a_job_too(
    cim: pywbem.WBEMConnection, impatient: pywbem.WBEMConnection
) -> None:
    status, output = impatient.InvokeMethod(
        "DefineSystem",
        service_path(impatient),
        SystemSettings=system_settings("made by a job"),
        ResourceSettings=resource_settings(),
    )
    assert status == _JOB_STARTED
    assert ended(impatient, output["Job"])["JobState"] == _COMPLETED
    assert find_system(impatient, "made by a job") is not None


def test_jobs_outlive_the_server(
    cim: pywbem.WBEMConnection, stack: Stack, shared_libvirt: PrivateLibvirt
) -> None:
    uuid = define(cim, "unbootable", disks=[shared_libvirt.images / "missing.img"])
    with stack.another_server("--job-after", "0") as server:
        with pywbem.WBEMConnection(server.url, None, default_namespace=NAMESPACE) as connection:
            job = start(connection, uuid)
            before = ended(connection, job)
        server.kill()
        server.start()
        with pywbem.WBEMConnection(server.url, None, default_namespace=NAMESPACE) as connection:
            after = connection.GetInstance(job)
    for name in ("InstanceID", "JobState", "ErrorCode", "ErrorDescription", "TimeSubmitted"):
        assert after[name] == before[name]
