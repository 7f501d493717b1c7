"""The command line clients that people use: Debian's wbemcli, and pywbemcli."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cimserver.interposed import Interposed
from tests.cimserver.serving import DEADLINE_S, Served
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import HOST
from virtcim.errormap import HypervisorError, from_xapi
from virtcim.mof import Schema

_SYSTEM = "VirtCIM_ComputerSystem"
_UUID = "00000000-0000-0000-0000-000000000001"
_PATH = f'{_SYSTEM}.CreationClassName="{_SYSTEM}",Name="{_UUID}"'
_SERVICE = (
    'VirtCIM_VirtualSystemManagementService.SystemCreationClassName="VirtCIM_HostSystem",'
    f'SystemName="{HOST.uuid}",CreationClassName="VirtCIM_VirtualSystemManagementService",'
    'Name="VirtualSystemManagementService"'
)
_EMBEDDED = (
    '<INSTANCE CLASSNAME="VirtCIM_VirtualSystemSettingData">'
    '<PROPERTY NAME="ElementName" TYPE="string"><VALUE>new</VALUE></PROPERTY></INSTANCE>'
)
_MEMORY = (
    '<INSTANCE CLASSNAME="CIM_ResourceAllocationSettingData">'
    '<PROPERTY NAME="ResourceType" TYPE="uint16"><VALUE>4</VALUE></PROPERTY>'
    '<PROPERTY NAME="VirtualQuantity" TYPE="uint64"><VALUE>268435456</VALUE></PROPERTY>'
    '<PROPERTY NAME="AllocationUnits" TYPE="string"><VALUE>byte</VALUE></PROPERTY></INSTANCE>'
)


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


@pytest.fixture
def refusing(server: Served, endpoint: SimulatedEndpoint) -> Served:
    """A server whose hypervisor refuses the next operation, with words that must be escaped."""
    description = ["OTHER_OPERATION_IN_PROGRESS", "VM", "<it> is halted"]
    endpoint.refusal = HypervisorError(from_xapi(description, operation="VM.clean_shutdown"))
    return server


def test_wbemcli_reads_instances_names_and_associations(server: Served) -> None:
    instances = server.wbemcli("ei", _SYSTEM)
    assert (instances.returncode, instances.stdout.count("ElementName=")) == (0, 3)
    assert server.wbemcli("ein", "CIM_System").stdout.count("\n") == 4
    assert 'ElementName="vm-1"' in server.wbemcli("gi", _PATH).stdout
    assert "VirtCIM_HostSystem" in server.wbemcli("ain", _PATH).stdout
    assert f'ElementName="{HOST.name_label}"' in server.wbemcli("ai", _PATH).stdout
    assert "VirtCIM_HostedDependency.Antecedent=" in server.wbemcli("rin", _PATH).stdout
    assert "Dependent=" in server.wbemcli("ri", _PATH).stdout


def test_wbemcli_reads_every_class(server: Served, schema: Schema) -> None:
    for declared in schema.classes.values():
        got = server.wbemcli("gc", declared.classname)
        assert got.returncode == 0, (declared.classname, got.stderr)


def test_wbemcli_reads_settings_whose_embedded_properties_are_null(server: Served) -> None:
    answer = server.wbemcli("ei", "CIM_SettingData")
    assert 'ElementName="vm-1"' in answer.stdout, answer.stderr


def test_wbemcli_reads_an_empty_answer(server: Served) -> None:
    answer = server.wbemcli("ei", "CIM_Job")
    assert (answer.returncode, answer.stdout) == (0, "")


def test_wbemcli_calls_methods_without_types(server: Served, providers: Interposed) -> None:
    changed = server.wbemcli("cm", _PATH, "RequestStateChange.RequestedState=9")
    assert changed.stdout.strip().endswith("RequestStateChange: 0")
    assert providers.calls[-1][2] == {"RequestedState": 9}
    refused = server.wbemcli("cm", _PATH, "RequestStateChange.RequestedState=x")
    assert "ERR_BAD_PARAMETER: RequestedState cannot be 'x'" in refused.stderr


def test_wbemcli_sends_escaped_embedded_instances(
    server: Served, endpoint: SimulatedEndpoint, providers: Interposed
) -> None:
    settings = _escaped(_EMBEDDED)
    defined = server.wbemcli("cm", _SERVICE, f'DefineSystem.SystemSettings="{settings}"')
    assert "ResultingSystem (reference): " in defined.stdout, defined.stderr
    assert providers.calls[-1][2]["SystemSettings"] == _EMBEDDED
    settings = _escaped(_EMBEDDED.replace("new", "newer"))
    both = f'DefineSystem.SystemSettings="{settings}",ResourceSettings="{_escaped(_MEMORY)}"'
    answer = server.wbemcli("cm", _SERVICE, both)
    assert answer.returncode == 0, answer.stderr
    assert providers.calls[-1][2]["ResourceSettings"] == [_MEMORY]
    labels = {one.name_label: one.memory_static_max_bytes for one in endpoint.systems}
    assert labels["newer"] == 268435456 != labels["new"]


def test_wbemcli_is_told_to_escape_what_it_did_not(server: Served) -> None:
    raw = _EMBEDDED.replace('"', "'")
    answer = server.wbemcli("cm", _SERVICE, f'DefineSystem.SystemSettings="{raw}"')
    assert "must be escaped" in answer.stderr


def test_wbemcli_shows_the_standard_error(refusing: Served) -> None:
    """It cannot read the CIM_Error instances that the error has for other clients."""
    answer = refusing.wbemcli("cm", _PATH, "RequestStateChange.RequestedState=4")
    assert answer.returncode == 16
    assert "ERR_WRONG_STATE_FOR_OP: " in answer.stderr
    assert "[xapi OTHER_OPERATION_IN_PROGRESS VM <it> is halted]" in answer.stderr


def test_wbemcli_deletes_an_instance(server_with_jobs: Served) -> None:
    first, second = server_with_jobs.wbemcli("ein", "CIM_Job").stdout.split()
    job = first.partition("root/virt:")[2]
    assert server_with_jobs.wbemcli("di", job).returncode == 0
    assert server_with_jobs.wbemcli("ein", "CIM_Job").stdout.split() == [second]
    assert "CIM_ERR_NOT_FOUND" in server_with_jobs.wbemcli("di", job).stderr


def _pywbemcli(server: Served, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("pywbemcli")
    # These would make requests trust other authorities than the command line says.
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_CA_BUNDLE")}
    return subprocess.run(
        [command, "-s", server.url, "-d", "root/virt", "-o", "mof", *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        env=environment,
    )


def test_pywbemcli_reads_instances_with_pulls_and_without(server: Served) -> None:
    for pull in ("either", "yes", "no"):
        answer = _pywbemcli(server, "-U", pull, "instance", "enumerate", _SYSTEM)
        assert answer.stdout.count("instance of VirtCIM_ComputerSystem") == 3, answer.stderr
    got = _pywbemcli(server, "instance", "get", f"root/virt:{_PATH}")
    assert 'ElementName = "vm-1";' in got.stdout


def test_pywbemcli_follows_associations(server: Served) -> None:
    answer = _pywbemcli(server, "instance", "associators", f"root/virt:{_PATH}")
    assert "instance of VirtCIM_HostSystem" in answer.stdout


def test_pywbemcli_calls_methods(server: Served) -> None:
    path, call = f"root/virt:{_PATH}", ("instance", "invokemethod")
    changed = _pywbemcli(server, *call, path, "RequestStateChange", "-p", "RequestedState=9")
    assert "ReturnValue=0" in changed.stdout, changed.stderr


def test_pywbemcli_shows_the_standard_error(refusing: Served) -> None:
    path, call = f"root/virt:{_PATH}", ("instance", "invokemethod")
    refused = _pywbemcli(refusing, *call, path, "RequestStateChange", "-p", "RequestedState=4")
    assert refused.returncode == 1
    assert "ERR_WRONG_STATE_FOR_OP: " in refused.stderr
    assert "OTHER_OPERATION_IN_PROGRESS VM <it> is halted" in refused.stderr


def test_pywbemcli_shows_a_class(server: Served) -> None:
    answer = _pywbemcli(server, "class", "get", _SYSTEM)
    assert "class VirtCIM_ComputerSystem : CIM_ComputerSystem" in answer.stdout
