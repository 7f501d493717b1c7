"""How other clients than pywbem subscribe: pywbemcli, wbemcli, and the Java client of SBLIM."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.cimserver.indications.subscribing import (
    DESTINATION,
    FILTER,
    HANDLER,
    SUBSCRIPTION,
    Subscribing,
    created,
    modified,
)
from tests.cimserver.serving import DEADLINE_S, Served, intrinsic

_QUERY = "SELECT * FROM CIM_InstModification"
_INTEROP = (
    '<LOCALNAMESPACEPATH><NAMESPACE NAME="root"/><NAMESPACE NAME="interop"/></LOCALNAMESPACEPATH>'
)


def _pywbemcli(server: Served, *arguments: str) -> str:
    command = Path(sys.executable).with_name("pywbemcli")
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_CA_BUNDLE")}
    done = subprocess.run(
        [command, "-s", server.url, "-d", "root/virt", "-o", "table", "subscription", *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_pywbemcli_subscribes_lists_and_removes(subscriber: Subscribing) -> None:
    def run(*arguments: str) -> str:
        return _pywbemcli(subscriber.server, *arguments)

    run("add-destination", "console", "--permanent", "--listener-url", "http://console:5990")
    run(
        *("add-filter", "changes", "--permanent", "--query", _QUERY),
        *("--query-language", "WQL", "--source-namespaces", "root/virt"),
    )
    run("add-subscription", "console", "changes", "--permanent")
    assert subscriber.told(modified(2, 3)) == ["http://console:5990/"]
    assert "console" in run("list-destinations")
    filters = run("list-filters")
    assert "changes" in filters
    assert "VirtCIM:SystemStateChanged" in filters
    assert "changes" in run("list-subscriptions")
    run("remove-subscription", "console", "changes")
    run("remove-filter", "changes", "--permanent")
    run("remove-destination", "console", "--permanent")
    assert subscriber.names(SUBSCRIPTION) == subscriber.names(DESTINATION) == []


def test_pywbemcli_subscribes_to_a_predefined_filter(subscriber: Subscribing) -> None:
    run = _pywbemcli
    server = subscriber.server
    run(server, "add-destination", "c", "--permanent", "--listener-url", "http://c:5990")
    run(server, "add-subscription", "c", "VirtCIM:SystemCreated", "--permanent")
    assert subscriber.told(created()) == ["http://c:5990/"]


def test_wbemcli_creates_changes_and_deletes_a_filter(subscriber: Subscribing) -> None:
    def run(command: str, path: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        url = f"{subscriber.server.url}/root/interop:{path}"
        return subprocess.run(
            ["wbemcli", "-nl", command, url, *arguments],
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )

    keys = (
        f'{FILTER}.CreationClassName="{FILTER}",Name="w",SystemCreationClassName='
        '"CIM_ComputerSystem",SystemName="virtcim"'
    )
    values = (
        f'CreationClassName="{FILTER}",Name="w",SystemCreationClassName="CIM_ComputerSystem",'
        f'SystemName="virtcim",Query="{_QUERY}",QueryLanguage="WQL"'
    )
    made = run("ci", keys, values)
    assert made.returncode == 0, made.stderr
    assert '"w"' in made.stdout
    changed = run("mi", keys, 'ElementName="mine"')
    assert changed.returncode == 0, changed.stderr
    assert 'ElementName="mine"' in run("gi", keys).stdout
    assert run("di", keys).returncode == 0
    again = run("di", keys)
    assert "CIM_ERR_NOT_FOUND" in again.stderr


def _property(name: str, value: str) -> str:
    return (
        f'<PROPERTY NAME="{name}" TYPE="string" PROPAGATED="false">'
        f'<QUALIFIER NAME="key" TYPE="boolean"><VALUE>true</VALUE></QUALIFIER>'
        f"<VALUE>{value}</VALUE></PROPERTY>"
    )


def _keys(class_name: str, name: str) -> dict[str, str]:
    return {
        "SystemCreationClassName": "CIM_ComputerSystem",
        "SystemName": "console.example",
        "CreationClassName": class_name,
        "Name": name,
    }


def _reference(role: str, class_name: str, name: str, host: str = "server.example") -> str:
    bindings = "".join(
        f'<KEYBINDING NAME="{key}"><KEYVALUE VALUETYPE="string">{value}</KEYVALUE></KEYBINDING>'
        for key, value in _keys(class_name, name).items()
    )
    place = f"<NAMESPACEPATH><HOST>{host}</HOST>{_INTEROP}</NAMESPACEPATH>"
    path = f'{place}<INSTANCENAME CLASSNAME="{class_name}">{bindings}</INSTANCENAME>'
    return (
        f'<PROPERTY.REFERENCE NAME="{role}" REFERENCECLASS="{class_name}">'
        f"<VALUE.REFERENCE><INSTANCEPATH>{path}</INSTANCEPATH></VALUE.REFERENCE>"
        "</PROPERTY.REFERENCE>"
    )


def test_the_java_client_subscribes(subscriber: Subscribing) -> None:
    """Whole paths with the server's host, qualifiers, keys of its own, and names that it never
    reads back from the answers."""

    def create(class_name: str, content: str) -> None:
        instance = f'<INSTANCE CLASSNAME="{class_name}">{content}</INSTANCE>'
        answer = subscriber.server.ask(
            intrinsic("CreateInstance", namespace=_INTEROP, NewInstance=instance)
        )
        assert (answer.status, answer.description) == (0, "")

    def properties(class_name: str, name: str, **further: str) -> str:
        values = {**_keys(class_name, name), **further}
        return "".join(_property(key, value) for key, value in values.items())

    create(FILTER, properties(FILTER, "j", Query=_QUERY, QueryLanguage="WQL"))
    destination = "http://console.example:5988/"
    create(HANDLER, properties(HANDLER, "j", Destination=destination, Owner="console"))
    create(SUBSCRIPTION, _reference("Filter", FILTER, "j") + _reference("Handler", HANDLER, "j"))
    assert subscriber.told(modified(2, 3)) == [destination]
    [path] = subscriber.names(SUBSCRIPTION)
    assert path["Handler"]["SystemName"] == "console.example"
    name = path.tocimxmlstr(ignore_host=True, ignore_namespace=True)
    asked = intrinsic("DeleteInstance", namespace=_INTEROP, InstanceName=name)
    assert subscriber.server.ask(asked).status == 0
    assert subscriber.told(modified(2, 3)) == []
