"""After a write at one server the next read at another one shows it, whatever happens to that."""

from __future__ import annotations

import json
import os
import signal
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pywbem
from daemons import Daemon

from tests.postgresql import PrivatePostgresql
from tests.system.cim import NAMESPACE, define, destroy, find_system, system_path
from tests.system.conftest import _short_directory
from tests.system.machines import machine_uuid, simulated_host_xml
from tests.system.relay import Relay
from tests.system.stack import wait_until_connected
from tests.system.waiting import DEADLINE_S, wait_for

_MACHINE = machine_uuid(1)
_ENABLED, _DISABLED = 2, 3
_OTHER = {_ENABLED: _DISABLED, _DISABLED: _ENABLED}
_LAG_S = 0.05
# Each kind of write: as often at one as at the other.
_TURNS = int(os.environ.get("VIRTCIM_TEST_TURNS", "2"))


@dataclass(frozen=True, slots=True)
class Pair:
    """Two servers; of the second one both lines lead through relays, and events come late."""

    first: Daemon
    second: Daemon
    hypervisor: Relay
    database: Relay

    @contextmanager
    def clients(self) -> Iterator[tuple[pywbem.WBEMConnection, pywbem.WBEMConnection]]:
        with ExitStack() as stack:
            first, second = (
                stack.enter_context(
                    pywbem.WBEMConnection(
                        one.url, None, default_namespace=NAMESPACE, timeout=int(DEADLINE_S)
                    )
                )
                for one in (self.first, self.second)
            )
            yield first, second

    def wait_until_waited_for(self) -> None:
        wait_for(lambda: readiness(self.second), lambda told: told["ready"], "the second one")


def readiness(server: Daemon) -> dict[str, object]:
    try:
        with urllib.request.urlopen(f"{server.url}/readyz", timeout=DEADLINE_S) as page:
            told: dict[str, object] = json.load(page)
    except urllib.error.HTTPError as error:
        told = json.load(error)
    return told


@pytest.fixture(scope="module")
def running(postgresql: PrivatePostgresql) -> Iterator[Pair]:
    with ExitStack() as stack:
        directory = stack.enter_context(_short_directory())
        url = postgresql.new_database()
        stack.callback(postgresql.drop_database, url)

        def daemon(*arguments: str) -> Daemon:
            log = directory / f"{uuid.uuid4()}.log"
            return stack.enter_context(Daemon(*arguments, log=log))

        description = directory / "host.xml"
        description.write_text(simulated_host_xml(2))
        socket = directory / "toolstack.sock"
        daemon(
            *("toolstack", "--libvirt", f"test://{description}", "--listen", f"unix:{socket}"),
            *("--state", str(directory / "toolstack")),
        )
        hypervisor = stack.enter_context(Relay(directory / "relay.sock", socket))
        hypervisor.lag_s = _LAG_S
        name = ".s.PGSQL.5432"
        address = Path(url.partition("?host=")[2].partition("&")[0])
        database = stack.enter_context(Relay(directory / name, address / name, find=lambda _: []))

        def server(toolstack: Path, state: str) -> Daemon:
            # So late that nothing becomes a job.
            return daemon(
                *("serve", "--hypervisor", f"xapi+unix://{toolstack}"),
                *("--listen", "http://127.0.0.1:0", "--auth", "none", "--state", state),
                *("--job-after", str(DEADLINE_S)),
            )

        first = server(socket, url)
        second = server(hypervisor.path, url.replace(str(address), str(directory)))
        for one in (first, second):
            wait_until_connected(one)
        yield Pair(first, second, hypervisor, database)


@pytest.fixture
def pair(running: Pair) -> Pair:
    running.wait_until_waited_for()
    return running


def change(cim: pywbem.WBEMConnection, state: int) -> None:
    status, _ = cim.InvokeMethod(
        "RequestStateChange", system_path(_MACHINE), RequestedState=pywbem.Uint16(state)
    )
    assert status == 0


def state(cim: pywbem.WBEMConnection) -> int:
    return int(cim.GetInstance(system_path(_MACHINE))["EnabledState"])


Client = pywbem.WBEMConnection


def change_state(writer: Client, reader: Client) -> None:
    wanted = _OTHER[state(writer)]
    change(writer, wanted)
    assert state(reader) == wanted


def define_and_destroy(writer: Client, reader: Client) -> None:
    made = define(writer, "made")
    assert reader.GetInstance(system_path(made))["ElementName"] == "made"
    destroy(writer, made)
    assert find_system(reader, "made") is None


def modify(writer: Client, reader: Client) -> None:
    path = pywbem.CIMInstanceName(
        "VirtCIM_VirtualSystemSettingData",
        {"InstanceID": f"VirtCIM:{_MACHINE}"},
        namespace=NAMESPACE,
    )
    settings = writer.GetInstance(path)
    settings["Description"] = str(uuid.uuid4())
    [service] = writer.EnumerateInstanceNames("VirtCIM_VirtualSystemManagementService")
    status, _ = writer.InvokeMethod("ModifySystemSettings", service, SystemSettings=settings)
    assert status == 0
    assert reader.GetInstance(path)["Description"] == settings["Description"]


def subscribe(writer: Client, reader: Client) -> None:
    name = "CIM_ListenerDestinationCIMXML"
    path = writer.CreateInstance(
        pywbem.CIMInstance(name, {"Destination": "http://127.0.0.1:1"}), namespace="root/interop"
    )
    assert path["Name"] in [
        each["Name"] for each in reader.EnumerateInstanceNames(name, "root/interop")
    ]
    writer.DeleteInstance(path)
    assert path["Name"] not in [
        each["Name"] for each in reader.EnumerateInstanceNames(name, "root/interop")
    ]


def forbid_filters(writer: Client, reader: Client) -> None:
    [service] = writer.EnumerateInstances("CIM_IndicationService", "root/interop")
    new = pywbem.CIMInstance(
        "CIM_IndicationFilter",
        {"Query": "SELECT * FROM CIM_InstCreation", "QueryLanguage": "DMTF:CQL"},
    )
    for is_allowed in (False, True):
        service["FilterCreationEnabled"] = is_allowed
        writer.ModifyInstance(service, PropertyList=["FilterCreationEnabled"])
        if is_allowed:
            reader.DeleteInstance(reader.CreateInstance(new, namespace="root/interop"))
            continue
        with pytest.raises(pywbem.CIMError) as caught:
            reader.CreateInstance(new, namespace="root/interop")
        assert caught.value.status_code == pywbem.CIM_ERR_NOT_SUPPORTED


@pytest.mark.parametrize(
    "write", [change_state, define_and_destroy, modify, subscribe, forbid_filters]
)
def test_what_one_has_written_is_in_the_next_read_of_the_other(
    write: Callable[[Client, Client], None], pair: Pair
) -> None:
    with pair.clients() as clients:
        for _ in range(_TURNS):
            write(*clients)
            write(*reversed(clients))


def test_one_that_sleeps_delays_a_writer_for_seconds_and_shows_what_was_written_when_it_wakes(
    pair: Pair,
) -> None:
    with pair.clients() as (writer, reader), ThreadPoolExecutor(1) as pool:
        wanted = _OTHER[state(writer)]
        os.kill(pair.second.pid, signal.SIGSTOP)
        try:
            change(writer, wanted)
            # Nobody waits for it any more.
            wanted = _OTHER[wanted]
            change(writer, wanted)
            # What is asked while it sleeps is answered first of all.
            future = pool.submit(state, reader)
        finally:
            os.kill(pair.second.pid, signal.SIGCONT)
        assert future.result(DEADLINE_S) == wanted
    assert "nobody waits for" in pair.first.log.read_text()


def test_one_that_dies_delays_a_writer_no_longer_and_is_back_with_everything(pair: Pair) -> None:
    with pair.clients() as (writer, _):
        pair.second.kill()
        wanted = _OTHER[state(writer)]
        change(writer, wanted)
        pair.second.start()
    wait_until_connected(pair.second)
    with pair.clients() as (_, reader):
        assert state(reader) == wanted


def test_one_that_is_cut_off_from_the_database_asks_the_hypervisor_before_each_read(
    pair: Pair,
) -> None:
    with pair.clients() as (writer, reader):
        pair.database.lose()
        try:
            wait_for(
                lambda: readiness(pair.second), lambda told: not told["ready"], "not to be ready"
            )
            for _ in range(_TURNS):
                wanted = _OTHER[state(writer)]
                change(writer, wanted)
                assert state(reader) == wanted
        finally:
            pair.database.restore()
        pair.wait_until_waited_for()
        change_state(writer, reader)


def test_one_that_is_cut_off_from_the_hypervisor_delays_nobody_and_shows_nothing_old(
    pair: Pair,
) -> None:
    with pair.clients() as (writer, reader):
        pair.hypervisor.lose()
        try:
            wanted = _OTHER[state(writer)]
            change(writer, wanted)
            with pytest.raises(pywbem.CIMError, match="ERR_COMMUNICATION_NOT_ESTABLISHED"):
                state(reader)
        finally:
            pair.hypervisor.restore()
    wait_until_connected(pair.second)
    with pair.clients() as (_, reader):
        assert state(reader) == wanted


def test_one_whose_hypervisor_says_nothing_is_not_ready_and_refuses_to_read(pair: Pair) -> None:
    with pair.clients() as (writer, reader):
        pair.hypervisor.mute("event.from")
        try:
            pair.hypervisor.wait_for_muted()
            wanted = _OTHER[state(writer)]
            change(writer, wanted)
            assert readiness(pair.second)["reason"] == f"{NAMESPACE}: behind"
            with pytest.raises(pywbem.CIMError, match="ERR_COMMUNICATION_NOT_ESTABLISHED"):
                state(reader)
        finally:
            pair.hypervisor.mute()
            pair.hypervisor.cut()
    wait_until_connected(pair.second)
    with pair.clients() as (_, reader):
        assert state(reader) == wanted
