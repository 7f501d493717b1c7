"""Three real WBEM clients behind one face: Debian's wbemcli, pywbemcli and pywbem."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from xml.sax.saxutils import escape

import pywbem

from tests.system.cim import (
    CHANGE_STATE,
    NAMESPACE,
    define,
    request_state,
    resource_settings,
    service_path,
    system_path,
    system_settings,
)
from tests.system.stack import Stack

__all__ = ["CLIENTS", "ClientError", "WbemClient"]

_TIMEOUT_S = 120
_SYSTEM_CLASS = "VirtCIM_ComputerSystem"

Properties = dict[str, str]


class ClientError(Exception):
    """A request failed; the text is what a person would see."""


class WbemClient(Protocol):
    """What every client can do; property values are given as text."""

    def enumerate(self, class_name: str) -> list[Properties]:
        """EnumerateInstances."""

    def get(self, uuid: str) -> Properties:
        """GetInstance of a virtual system."""

    def settings(self, uuid: str) -> list[Properties]:
        """Associators of a virtual system by SettingsDefineState."""

    def request_state(self, uuid: str, change: str) -> None:
        """RequestStateChange."""

    def define(self, name: str, disk: Path) -> None:
        """DefineSystem."""


class Pywbem:
    """pywbem: sends types, embedded instances as such."""

    def __init__(self, stack: Stack) -> None:
        self._connect = stack.connect

    def enumerate(self, class_name: str) -> list[Properties]:
        return self._read(lambda cim: cim.EnumerateInstances(class_name))

    def get(self, uuid: str) -> Properties:
        [found] = self._read(lambda cim: [cim.GetInstance(system_path(uuid))])
        return found

    def settings(self, uuid: str) -> list[Properties]:
        return self._read(
            lambda cim: cim.Associators(system_path(uuid), AssocClass="VirtCIM_SettingsDefineState")
        )

    def request_state(self, uuid: str, change: str) -> None:
        with self._connect() as connection, _failures():
            request_state(connection, uuid, change)

    def define(self, name: str, disk: Path) -> None:
        with self._connect() as connection, _failures():
            define(connection, name, disks=[disk])

    def _read(
        self, ask: Callable[[pywbem.WBEMConnection], list[pywbem.CIMInstance]]
    ) -> list[Properties]:
        with self._connect() as connection, _failures():
            found = ask(connection)
        return [
            {name: str(value) for name, value in one.items() if value is not None} for one in found
        ]


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except pywbem.CIMError as error:
        raise ClientError(str(error)) from error


class Pywbemcli:
    """pywbemcli: pull operations, types from GetClass, embedded instances as MOF text."""

    def __init__(self, stack: Stack) -> None:
        self._url = stack.server.url
        self._stack = stack

    def enumerate(self, class_name: str) -> list[Properties]:
        return _instances(self._run("instance", "enumerate", class_name))

    def get(self, uuid: str) -> Properties:
        [found] = _instances(self._run("instance", "get", _SYSTEM_CLASS, *_keys(uuid)))
        return found

    def settings(self, uuid: str) -> list[Properties]:
        return _instances(
            self._run(
                *("instance", "associators", _SYSTEM_CLASS, *_keys(uuid)),
                *("--assoc-class", "VirtCIM_SettingsDefineState"),
            )
        )

    def request_state(self, uuid: str, change: str) -> None:
        self._run(
            *("instance", "invokemethod", _SYSTEM_CLASS, "RequestStateChange", *_keys(uuid)),
            *("--parameter", f"RequestedState={CHANGE_STATE[change]}"),
        )

    def define(self, name: str, disk: Path) -> None:
        with self._stack.connect() as connection:
            service = service_path(connection).to_wbem_uri(format="cimobject").partition(":")[2]
        settings = " ".join(system_settings(name).tomof().split())
        # Its arrays are lists with commas, which these texts must not contain.
        disk_settings = (
            "instance of VirtCIM_DiskResourceAllocationSettingData "
            f'{{ ResourceType = 31; HostResource = {{"{disk}"}}; }};'
        )
        self._run(
            *("instance", "invokemethod", service, "DefineSystem"),
            *("--parameter", f"SystemSettings={settings}"),
            *("--parameter", f"ResourceSettings={disk_settings}"),
        )

    def _run(self, *arguments: str) -> str:
        # With these two set it trusts nobody else and cannot be told otherwise.
        unwanted = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("pywbemcli")),
                *("--server", self._url, "--default-namespace", NAMESPACE),
                *("--output-format", "xml", *arguments),
            ],
            env={name: value for name, value in os.environ.items() if name not in unwanted},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            raise ClientError(done.stderr)
        return done.stdout


class Wbemcli:
    """wbemcli: no types, no escaping."""

    def __init__(self, stack: Stack) -> None:
        self._client = stack.wbemcli()

    def enumerate(self, class_name: str) -> list[Properties]:
        return self._read("ei", class_name)

    def get(self, uuid: str) -> Properties:
        [found] = self._read("gi", _wbemcli_path(uuid))
        return found

    def settings(self, uuid: str) -> list[Properties]:
        return self._read("ai", _wbemcli_path(uuid), "-ac", "VirtCIM_SettingsDefineState")

    def request_state(self, uuid: str, change: str) -> None:
        self._read(
            "cm", _wbemcli_path(uuid), f"RequestStateChange.RequestedState={CHANGE_STATE[change]}"
        )

    def define(self, name: str, disk: Path) -> None:
        [service] = self._client.run("ein", "VirtCIM_VirtualSystemManagementService").instances()
        settings = _escaped_instance(system_settings(name))
        resources = ",".join(
            f'"{_escaped_instance(one)}"' for one in resource_settings(disks=[disk])
        )
        self._read(
            "cm",
            service.path.partition(":")[2],
            f'DefineSystem.SystemSettings="{settings}",ResourceSettings={resources}',
        )

    def _read(self, operation: str, target: str, *arguments: str) -> list[Properties]:
        answer = self._client.run(operation, target, *arguments)
        if not answer.succeeded:
            raise ClientError(answer.error)
        return [
            {name: value.replace('\\"', '"') for name, value in instance.properties.items()}
            for instance in answer.instances()
        ]


def _keys(uuid: str) -> tuple[str, ...]:
    return ("--key", f"CreationClassName={_SYSTEM_CLASS}", "--key", f"Name={uuid}")


def _wbemcli_path(uuid: str) -> str:
    return f'{_SYSTEM_CLASS}.CreationClassName="{_SYSTEM_CLASS}",Name="{uuid}"'


def _escaped_instance(instance: pywbem.CIMInstance) -> str:
    """CIM-XML as XML wants it inside a value, without what wbemcli itself takes apart.

    In an element of an array wbemcli reads "=" as the beginning of the next parameter.
    """
    return escape(instance.tocimxmlstr(), {'"': "&quot;", "=": "&#61;", ",": "&#44;"})


def _instances(output: str) -> list[Properties]:
    """The instances in CIM-XML elements that follow each other."""
    return [
        {
            property_.get("NAME", ""): " ".join(
                value.text or "" for value in property_.iter("VALUE")
            )
            for property_ in instance
            if property_.find(".//VALUE") is not None
        }
        for instance in ElementTree.fromstring(f"<all>{output}</all>").iter("INSTANCE")
    ]


CLIENTS: dict[str, Callable[[Stack], WbemClient]] = {
    "wbemcli": Wbemcli,
    "pywbemcli": Pywbemcli,
    "pywbem": Pywbem,
}
