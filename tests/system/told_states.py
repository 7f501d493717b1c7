"""Machines that change their state, and the story that a listener is told of it."""

from __future__ import annotations

import html
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pywbem
from daemons import Daemon

from tests.cimserver.indications.exported import Exported
from tests.system.cim import NAMESPACE
from tests.system.stack import xenapi_session

__all__ = [
    "MACHINES",
    "Told",
    "assert_unbroken",
    "change_all_the_time",
    "last_told",
    "states",
    "subscribe",
]

MACHINES = 3
CHANGES = 60
_QUERY = (
    "SELECT * FROM CIM_InstModification WHERE SourceInstance ISA CIM_ComputerSystem "
    "AND SourceInstance.EnabledState <> PreviousInstance.EnabledState"
)
_STATE = re.compile(r'NAME="EnabledState" TYPE="uint16"><VALUE>(\d+)<')
_NAME = re.compile(r'NAME="Name" TYPE="string"><VALUE>([^<]+)<')


@dataclass(frozen=True, slots=True)
class Told:
    """One change of state, as the listener heard of it."""

    machine: str
    before: int
    after: int

    @classmethod
    def of(cls, request: bytes) -> Told:
        def embedded(name: str) -> str:
            found = re.search(rf'NAME="{name}"[^>]*><VALUE>([^<]*)<', request.decode())
            assert found is not None
            return html.unescape(found[1])

        def state(instance: str) -> int:
            found = _STATE.search(instance)
            assert found is not None
            return int(found[1])

        source, previous = embedded("SourceInstance"), embedded("PreviousInstance")
        name = _NAME.search(source)
        assert name is not None
        return cls(name[1], state(previous), state(source))


def subscribe(
    server: Daemon, url: str, *, login: tuple[str, str] | None = None, **properties: int
) -> None:
    """Subscribe to all changes of state, with these properties of the subscription."""
    with pywbem.WBEMConnection(server.url, login, default_namespace="root/interop") as connection:

        def made(class_name: str, **values: object) -> pywbem.CIMInstanceName:
            return connection.CreateInstance(pywbem.CIMInstance(class_name, values))

        selecting = made("CIM_IndicationFilter", Query=_QUERY, QueryLanguage="DMTF:CQL")
        destination = made("CIM_ListenerDestinationCIMXML", Destination=url)
        numbers = {name: pywbem.Uint64(value) for name, value in properties.items()}
        made("CIM_IndicationSubscription", Filter=selecting, Handler=destination, **numbers)


def states(server: Daemon) -> dict[str, int]:
    with pywbem.WBEMConnection(server.url, None, default_namespace=NAMESPACE) as connection:
        found = connection.EnumerateInstances("VirtCIM_ComputerSystem")
    return {one["Name"]: one["EnabledState"] for one in found}


def change_all_the_time(socket_path: Path) -> None:
    with xenapi_session(socket_path) as session:
        machines = [
            ref
            for ref, record in session.xenapi.VM.get_all_records().items()
            if not record["is_control_domain"] and not record["is_a_template"]
        ]
        for count in range(CHANGES):
            ref = machines[count % len(machines)]
            if session.xenapi.VM.get_power_state(ref) == "Running":
                session.xenapi.VM.hard_shutdown(ref)
            else:
                session.xenapi.VM.start(ref, False, False)


def assert_unbroken(initial: dict[str, int], requests: Sequence[bytes]) -> None:
    """Each change is told once or with the same number again, in order, and none is left out."""
    exported = [Exported.of(one) for one in requests]
    by_number = dict(zip((one.number for one in exported), requests, strict=True))
    first = list(dict.fromkeys(exported))
    assert [one.number for one in first] == list(range(len(first))), "in order, without gaps"
    assert len({one.context for one in first}) == 1
    story: defaultdict[str, list[Told]] = defaultdict(list)
    for _, request in sorted(by_number.items()):
        told = Told.of(request)
        story[told.machine].append(told)
    for machine, changes in story.items():
        assert [one.before for one in changes] == [
            initial[machine],
            *(one.after for one in changes[:-1]),
        ], "each begins where the one before ended"
        assert all(one.before != one.after for one in changes)


def last_told(initial: dict[str, int], requests: Sequence[bytes]) -> dict[str, int]:
    """The states that the listener knows of: by the numbers, as what is repeated may come late."""
    by_number = {Exported.of(one).number: Told.of(one) for one in requests}
    return initial | {told.machine: told.after for _, told in sorted(by_number.items())}
