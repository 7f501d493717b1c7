"""The command line clients that people use: Debian's wbemcli, and pywbemcli."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cimserver.doubles import FixedProviders, system
from tests.cimserver.serving import DEADLINE_S, Served
from virtcim.cim.records import CimError, MethodResult, ObjectPath, Record, Value
from virtcim.mof import Schema

_SYSTEM = "VirtCIM_ComputerSystem"
_UUID = "00000000-0000-0000-0000-000000000001"
_PATH = f'{_SYSTEM}.CreationClassName="{_SYSTEM}",Name="{_UUID}"'
_SERVICE = (
    "VirtCIM_VirtualSystemManagementService.SystemCreationClassName=x,SystemName=x,"
    "CreationClassName=x,Name=x"
).replace("=x", '="x"')
_EMBEDDED = (
    '<INSTANCE CLASSNAME="VirtCIM_VirtualSystemSettingData">'
    '<PROPERTY NAME="ElementName" TYPE="string"><VALUE>new</VALUE></PROPERTY></INSTANCE>'
)
_ESCAPED = _EMBEDDED.replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


@pytest.fixture(autouse=True)
def _methods(providers: FixedProviders) -> None:
    def define(_path: ObjectPath, _given: Mapping[str, Value]) -> MethodResult:
        return MethodResult(return_value=0, output={"ResultingSystem": system(1).path, "Job": None})

    def change_state(_path: ObjectPath, given: Mapping[str, Value]) -> MethodResult:
        if given["RequestedState"] == 3:
            error = Record("VirtCIM_Error", {"MessageID": "ERR_WRONG_STATE_FOR_OP"})
            raise CimError(1, "ERR_WRONG_STATE_FOR_OP: <it> is halted", errors=(error,))
        return MethodResult(return_value=0, output={"Job": None})

    providers.methods |= {"DefineSystem": define, "RequestStateChange": change_state}


def test_wbemcli_reads_instances_names_and_associations(server: Served) -> None:
    instances = server.wbemcli("ei", _SYSTEM)
    assert (instances.returncode, instances.stdout.count("ElementName=")) == (0, 3)
    assert server.wbemcli("ein", "CIM_System").stdout.count("\n") == 4
    assert 'ElementName="vm-1"' in server.wbemcli("gi", _PATH).stdout
    assert "VirtCIM_HostSystem" in server.wbemcli("ain", _PATH).stdout
    assert 'ElementName="host"' in server.wbemcli("ai", _PATH).stdout
    assert "VirtCIM_HostedDependency.Antecedent=" in server.wbemcli("rin", _PATH).stdout
    assert "Dependent=" in server.wbemcli("ri", _PATH).stdout


def test_wbemcli_reads_every_class(server: Served, schema: Schema) -> None:
    for declared in schema.classes.values():
        got = server.wbemcli("gc", declared.classname)
        assert got.returncode == 0, (declared.classname, got.stderr)


def test_wbemcli_reads_settings_whose_embedded_properties_are_null(
    server: Served, providers: FixedProviders
) -> None:
    keys = {"InstanceID": "VirtCIM:x"}
    name = "VirtCIM_VirtualSystemSettingData"
    path = ObjectPath(name, keys, namespace="root/virt")
    providers.records.append(Record(name, {**keys, "ElementName": "new"}, path))
    answer = server.wbemcli("ei", "CIM_SettingData")
    assert 'ElementName="new"' in answer.stdout, answer.stderr


def test_wbemcli_reads_an_empty_answer(server: Served) -> None:
    answer = server.wbemcli("ei", "CIM_Job")
    assert (answer.returncode, answer.stdout) == (0, "")


def test_wbemcli_calls_methods_without_types(server: Served, providers: FixedProviders) -> None:
    changed = server.wbemcli("cm", _PATH, "RequestStateChange.RequestedState=2")
    assert changed.stdout.strip().endswith("RequestStateChange: 0")
    assert providers.calls[-1][2] == {"RequestedState": 2}
    refused = server.wbemcli("cm", _PATH, "RequestStateChange.RequestedState=x")
    assert "ERR_BAD_PARAMETER: RequestedState cannot be 'x'" in refused.stderr


def test_wbemcli_sends_escaped_embedded_instances(
    server: Served, providers: FixedProviders
) -> None:
    defined = server.wbemcli("cm", _SERVICE, f'DefineSystem.SystemSettings="{_ESCAPED}"')
    assert "ResultingSystem (reference): " in defined.stdout, defined.stderr
    assert providers.calls[-1][2]["SystemSettings"] == _EMBEDDED
    both = f'DefineSystem.SystemSettings="{_ESCAPED}",ResourceSettings="{_ESCAPED}"'
    assert server.wbemcli("cm", _SERVICE, both).returncode == 0
    assert providers.calls[-1][2]["ResourceSettings"] == [_EMBEDDED]


def test_wbemcli_is_told_to_escape_what_it_did_not(server: Served) -> None:
    raw = _EMBEDDED.replace('"', "'")
    answer = server.wbemcli("cm", _SERVICE, f'DefineSystem.SystemSettings="{raw}"')
    assert "must be escaped" in answer.stderr


def test_wbemcli_shows_the_standard_error(server: Served) -> None:
    """It cannot read the CIM_Error instances that the error has for other clients."""
    answer = server.wbemcli("cm", _PATH, "RequestStateChange.RequestedState=3")
    assert answer.returncode == 16
    assert "ERR_WRONG_STATE_FOR_OP: <it> is halted" in answer.stderr


def test_wbemcli_deletes_an_instance(server: Served, providers: FixedProviders) -> None:
    assert server.wbemcli("di", _PATH).returncode == 0
    assert len(providers.records) == 3
    assert "CIM_ERR_NOT_FOUND" in server.wbemcli("di", _PATH).stderr


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


def test_pywbemcli_calls_methods_and_shows_the_standard_error(server: Served) -> None:
    path, call = f"root/virt:{_PATH}", ("instance", "invokemethod")
    changed = _pywbemcli(server, *call, path, "RequestStateChange", "-p", "RequestedState=2")
    assert "ReturnValue=0" in changed.stdout, changed.stderr
    refused = _pywbemcli(server, *call, path, "RequestStateChange", "-p", "RequestedState=3")
    assert refused.returncode == 1
    assert "ERR_WRONG_STATE_FOR_OP: <it> is halted" in refused.stderr


def test_pywbemcli_shows_a_class(server: Served) -> None:
    answer = _pywbemcli(server, "class", "get", _SYSTEM)
    assert "class VirtCIM_ComputerSystem : CIM_ComputerSystem" in answer.stdout
