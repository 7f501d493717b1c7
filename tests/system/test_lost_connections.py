"""What breaks between the parts: reads say so, cut changes are unknown, and all comes back."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import libvirt
import pytest
import pywbem
import XenAPI
from private_libvirt import PrivateLibvirt

from tests.system.cim import define, destroy, request_state, system_path, wait_for_system
from tests.system.machines import domain_xml
from tests.system.relay import Relay
from tests.system.stack import Stack, events_from, libvirt_through, running_stack, xenapi_session
from tests.system.waiting import DEADLINE_S, wait_for

_MACHINES = ("one", "two", "three")
_RUNNING = 2
_HALTED = 3
# libvirt's remote protocol: REMOTE_PROC_DOMAIN_CREATE and ..._CREATE_WITH_FLAGS.
_DOMAIN_CREATE_CALLS = ("9", "196")


@pytest.fixture(scope="module")
def fragile_libvirt() -> Iterator[PrivateLibvirt]:
    """A private libvirtd that these tests may kill; they leave it running."""
    with PrivateLibvirt() as private_libvirt:
        connection = libvirt.open(private_libvirt.uri)
        for name in _MACHINES:
            connection.defineXML(domain_xml(name))
        connection.close()
        yield private_libvirt


@pytest.fixture(scope="module")
def libvirt_line(fragile_libvirt: PrivateLibvirt, stack_directory: Path) -> Iterator[Relay]:
    """The line between toolstack and libvirtd."""
    with libvirt_through(fragile_libvirt.directory, stack_directory / "libvirt.sock") as relay:
        yield relay


@pytest.fixture(scope="module")
def fragile(libvirt_line: Relay, stack_directory: Path) -> Iterator[Stack]:
    """Toolstack and CIM server that these tests may break; they leave them whole."""
    uri = f"qemu+unix:///session?socket={libvirt_line.path}"
    with running_stack(uri, stack_directory, images=("/",)) as running:
        yield running


@pytest.fixture
def cim(fragile: Stack) -> Iterator[pywbem.WBEMConnection]:
    with fragile.connect() as connection:
        wait_until_complete(connection)
        yield connection
        wait_until_complete(connection)


def read_names(cim: pywbem.WBEMConnection) -> set[str] | str:
    """The names of all virtual systems, or the code of the error that the server gave."""
    try:
        return {one["ElementName"] for one in cim.EnumerateInstances("VirtCIM_ComputerSystem")}
    except pywbem.CIMError as error:
        return str(error.status_description).partition(":")[0]


def wait_until_complete(cim: pywbem.WBEMConnection) -> None:
    wait_for(lambda: read_names(cim), lambda names: names == set(_MACHINES), "all machines")


def wait_until_lost(cim: pywbem.WBEMConnection) -> None:
    wait_for(
        lambda: read_names(cim),
        lambda names: names == "ERR_COMMUNICATION_NOT_ESTABLISHED",
        "the loss of the connection",
    )


class Reader:
    """A client that reads all the time, and notes every kind of answer once."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._answers: list[set[str] | str] = []

    @property
    def answers(self) -> list[set[str] | str]:
        with self._changed:
            return list(self._answers)

    def read(self) -> None:
        with self._stack.connect() as cim:
            while not self._stopping.is_set():
                answer = read_names(cim)
                with self._changed:
                    if not self._answers or self._answers[-1] != answer:
                        self._answers.append(answer)
                        self._changed.notify_all()

    def wait_for(self, answer: set[str] | str) -> None:
        with self._changed:
            came = self._changed.wait_for(
                lambda: self._answers and self._answers[-1] == answer, DEADLINE_S
            )
            assert came, f"waited for {answer}, read {self._answers}"

    def stop(self) -> None:
        self._stopping.set()


@contextmanager
def reading(stack: Stack) -> Iterator[Reader]:
    reader = Reader(stack)
    with ThreadPoolExecutor() as pool:
        ended = pool.submit(reader.read)
        try:
            yield reader
        finally:
            reader.stop()
            ended.result(DEADLINE_S)


@contextmanager
def in_background(work: Callable[[], object]) -> Iterator[Future[object]]:
    with ThreadPoolExecutor() as pool:
        yield pool.submit(work)


def machine_uuid(cim: pywbem.WBEMConnection, name: str) -> str:
    systems = cim.EnumerateInstances("VirtCIM_ComputerSystem")
    return next(str(system["Name"]) for system in systems if system["ElementName"] == name)


def test_a_reading_client_sees_everything_or_an_error_while_the_toolstack_restarts(
    cim: pywbem.WBEMConnection, fragile: Stack
) -> None:
    everything = set(_MACHINES)
    lost = "ERR_COMMUNICATION_NOT_ESTABLISHED"
    with reading(fragile) as reader:
        reader.wait_for(everything)
        for _ in range(2):
            fragile.toolstack.kill()
            reader.wait_for(lost)
            fragile.toolstack.start()
            reader.wait_for(everything)
    assert reader.answers == [everything, lost, everything, lost, everything]


def test_every_kind_of_read_fails_while_the_toolstack_is_gone(
    cim: pywbem.WBEMConnection, fragile: Stack
) -> None:
    path = system_path(machine_uuid(cim, "one"))
    fragile.toolstack.kill()
    try:
        wait_until_lost(cim)
        for read in (
            lambda: cim.GetInstance(path),
            lambda: cim.EnumerateInstanceNames("CIM_ComputerSystem"),
            lambda: cim.EnumerateInstances("CIM_ResourceAllocationSettingData"),
            lambda: cim.EnumerateInstances("CIM_ResourcePool"),
            lambda: cim.EnumerateInstances("VirtCIM_HostedDependency"),
            lambda: cim.Associators(path),
            lambda: cim.AssociatorNames(path),
            lambda: cim.References(path),
            lambda: cim.ReferenceNames(path),
            lambda: list(cim.IterEnumerateInstances("CIM_ComputerSystem")),
        ):
            with pytest.raises(pywbem.CIMError) as caught:
                read()
            assert caught.value.status_description.startswith("ERR_COMMUNICATION_NOT_ESTABLISHED:")
    finally:
        fragile.toolstack.start()


def test_a_change_asked_for_while_the_toolstack_is_gone_was_not_made(
    cim: pywbem.WBEMConnection, fragile: Stack
) -> None:
    uuid = machine_uuid(cim, "one")
    fragile.toolstack.kill()
    try:
        wait_until_lost(cim)
        with pytest.raises(pywbem.CIMError) as caught:
            request_state(cim, uuid, "run")
        assert caught.value.status_description.startswith("ERR_COMMUNICATION_NOT_ESTABLISHED:")
    finally:
        fragile.toolstack.start()
    wait_for_system_again(cim, uuid, _HALTED)


def test_a_change_whose_answer_is_lost_is_of_unknown_outcome_and_then_seen(
    cim: pywbem.WBEMConnection, fragile: Stack
) -> None:
    uuid = machine_uuid(cim, "two")
    before = fragile.relay.calls["Async.VM.start"]
    fragile.relay.withhold_answer("Async.VM.start")
    with in_background(lambda: request_state(cim, uuid, "run")) as answer:
        fragile.relay.wait_for_call()
        fragile.relay.cut()
        error = answer.exception(DEADLINE_S)
    assert isinstance(error, pywbem.CIMError)
    assert error.status_description.startswith("ERR_UNABLE_TO_VERIFY_STATE:")
    wait_for_system_again(cim, uuid, _RUNNING)
    # Not sent a second time: that might have undone what somebody else did meanwhile.
    assert fragile.relay.calls["Async.VM.start"] == before + 1
    request_state(cim, uuid, "switch off")


def test_a_definition_whose_line_is_cut_is_of_unknown_outcome_and_never_half(
    cim: pywbem.WBEMConnection, fragile: Stack, fragile_libvirt: PrivateLibvirt
) -> None:
    image = fragile_libvirt.images / "half.img"
    fragile.relay.withhold_answer("Async.virtcim.VM.define")
    with in_background(lambda: define(cim, "half", disks=[image])) as answer:
        fragile.relay.wait_for_call()
        fragile.relay.cut()
        error = answer.exception(DEADLINE_S)
    assert isinstance(error, pywbem.CIMError)
    assert error.status_description.startswith("ERR_UNABLE_TO_VERIFY_STATE:")
    with libvirt_connection(fragile_libvirt) as connection:
        # The call had arrived: the toolstack makes the machine with all that belongs to it.
        [made] = wait_for(
            lambda: [one for one in connection.listAllDomains() if one.name() == "half"],
            bool,
            "the machine whose definition nobody heard of",
        )
        assert str(image) in made.XMLDesc()
        made.undefine()
    wait_until_complete(cim)


def test_a_toolstack_killed_during_a_change_leaves_its_outcome_unknown(
    cim: pywbem.WBEMConnection, fragile: Stack, libvirt_line: Relay
) -> None:
    uuid = machine_uuid(cim, "three")
    with domain_start_held(cim, uuid, libvirt_line) as answer:
        fragile.toolstack.kill()
        error = answer.exception(DEADLINE_S)
        fragile.toolstack.start()
    assert isinstance(error, pywbem.CIMError)
    assert error.status_description.startswith("ERR_UNABLE_TO_VERIFY_STATE:")
    wait_for_system_again(cim, uuid, _RUNNING)
    request_state(cim, uuid, "switch off")


def test_a_libvirtd_killed_during_a_change_leaves_its_outcome_unknown(
    cim: pywbem.WBEMConnection, fragile_libvirt: PrivateLibvirt, libvirt_line: Relay
) -> None:
    uuid = machine_uuid(cim, "one")
    with domain_start_held(cim, uuid, libvirt_line) as answer:
        fragile_libvirt.kill()
        error = answer.exception(DEADLINE_S)
        fragile_libvirt.start()
    assert isinstance(error, pywbem.CIMError)
    assert error.status_description.startswith("ERR_UNABLE_TO_VERIFY_STATE:")
    with libvirt_connection(fragile_libvirt) as connection:
        domain = connection.lookupByUUIDString(uuid)
        # A libvirtd that comes back ends emulators whose start it has not seen the end of: until
        # then they are paused.
        state = wait_for(
            lambda: domain.state()[0],
            lambda state: state in (libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_SHUTOFF),
            "what became of the start",
        )
    is_running = state == libvirt.VIR_DOMAIN_RUNNING
    wait_for_system_again(cim, uuid, _RUNNING if is_running else _HALTED)
    if is_running:
        request_state(cim, uuid, "switch off")


@contextmanager
def domain_start_held(
    cim: pywbem.WBEMConnection, uuid: str, libvirt_line: Relay
) -> Iterator[Future[object]]:
    """Ask for a start; libvirtd has got the call, and its answer does not come."""
    libvirt_line.withhold_answer(*_DOMAIN_CREATE_CALLS)
    with in_background(lambda: request_state(cim, uuid, "run")) as answer:
        libvirt_line.wait_for_call()
        yield answer


def test_reads_fail_while_libvirtd_is_gone_and_machines_that_lived_on_are_found_again(
    cim: pywbem.WBEMConnection, fragile: Stack, fragile_libvirt: PrivateLibvirt
) -> None:
    uuid = machine_uuid(cim, "two")
    request_state(cim, uuid, "run")
    everything = set(_MACHINES)
    with reading(fragile) as reader:
        reader.wait_for(everything)
        fragile_libvirt.kill()
        reader.wait_for("ERR_COMMUNICATION_NOT_ESTABLISHED")
        fragile_libvirt.start()
        reader.wait_for(everything)
    assert reader.answers == [everything, "ERR_COMMUNICATION_NOT_ESTABLISHED", everything]
    assert cim.GetInstance(system_path(uuid))["EnabledState"] == _RUNNING
    request_state(cim, uuid, "switch off")


def test_a_libvirtd_that_hangs_is_given_up_and_found_again(
    cim: pywbem.WBEMConnection, fragile: Stack, fragile_libvirt: PrivateLibvirt
) -> None:
    uuids = [machine_uuid(cim, name) for name in _MACHINES]
    for uuid in uuids:
        request_state(cim, uuid, "run")
    pid = int((fragile_libvirt.directory / "run" / "libvirtd.pid").read_text())
    with ThreadPoolExecutor() as pool, ExitStack() as clients:
        connections = [clients.enter_context(fragile.connect()) for _ in uuids]
        os.kill(pid, signal.SIGSTOP)
        try:
            # Several at once: libvirt's own keepalive would let only one of them go.
            answers = [
                pool.submit(request_state, connection, uuid, "reset")
                for connection, uuid in zip(connections, uuids, strict=True)
            ]
            errors = [answer.exception(DEADLINE_S) for answer in answers]
            wait_until_lost(cim)
        finally:
            os.kill(pid, signal.SIGCONT)
    described = [
        str(error.status_description) for error in errors if isinstance(error, pywbem.CIMError)
    ]
    codes = {text.partition(":")[0] for text in described}
    assert len(described) == len(uuids)
    # A call that comes to its turn only after the line was given up was never sent.
    unsent = {"ERR_COMMUNICATION_NOT_ESTABLISHED"}
    assert codes - unsent == {"ERR_UNABLE_TO_VERIFY_STATE"}
    wait_until_complete(cim)
    for uuid in uuids:
        assert cim.GetInstance(system_path(uuid))["EnabledState"] == _RUNNING
        request_state(cim, uuid, "switch off")


def test_an_event_stream_ends_with_libvirtd_and_a_new_one_goes_on(
    cim: pywbem.WBEMConnection, fragile: Stack, fragile_libvirt: PrivateLibvirt
) -> None:
    with (
        Relay(fragile.directory / "events.sock", fragile.toolstack_socket) as line,
        xenapi_session(line.path) as session,
    ):
        token = events_from(session, ["vm"], "", 0.0)["token"]
        with in_background(lambda: events_from(session, ["vm"], token, 600.0)) as answer:
            wait_for(lambda: line.calls["event.from"], lambda calls: calls == 2, "the request")
            fragile_libvirt.kill()
            error = answer.exception(DEADLINE_S)
        assert isinstance(error, XenAPI.Failure)
        assert error.details[0] == "LIBVIRT_ERROR"
        # Otherwise what is complete might be what was read before.
        wait_until_lost(cim)
        fragile_libvirt.start()
        wait_until_complete(cim)
        events = events_from(session, ["vm"], "", DEADLINE_S)
        assert {event["snapshot"]["name_label"] for event in events["events"]} == set(_MACHINES)
        with libvirt_connection(fragile_libvirt) as connection:
            domain = connection.defineXML(domain_xml("four"))
            # What is read of the others after the connection may come before it.
            names: set[str] = set()
            while "four" not in names:
                events = events_from(session, ["vm"], events["token"], DEADLINE_S)
                assert events["events"], names
                names |= {event["snapshot"]["name_label"] for event in events["events"]}
            assert names <= {*_MACHINES, "four"}
            domain.undefine()


def test_what_changed_while_the_toolstack_was_gone_is_seen_when_it_is_back(
    cim: pywbem.WBEMConnection, fragile: Stack, fragile_libvirt: PrivateLibvirt
) -> None:
    uuid = machine_uuid(cim, "one")
    fragile.toolstack.kill()
    with libvirt_connection(fragile_libvirt) as connection:
        connection.lookupByUUIDString(uuid).create()
        connection.lookupByName("two").undefine()
    fragile.toolstack.start()
    wait_for(
        lambda: read_names(cim), lambda names: names == {"one", "three"}, "the machines that remain"
    )
    assert cim.GetInstance(system_path(uuid))["EnabledState"] == _RUNNING
    request_state(cim, uuid, "switch off")
    with libvirt_connection(fragile_libvirt) as connection:
        connection.defineXML(domain_xml("two"))


def test_machines_are_made_and_removed_after_all_that(
    cim: pywbem.WBEMConnection, fragile_libvirt: PrivateLibvirt
) -> None:
    uuid = define(cim, "four")
    assert read_names(cim) == {*_MACHINES, "four"}
    destroy(cim, uuid)
    assert read_names(cim) == set(_MACHINES)


def wait_for_system_again(cim: pywbem.WBEMConnection, uuid: str, state: int) -> None:
    """Wait until the server sees the hypervisor again, and the virtual system in that state."""
    wait_until_complete(cim)
    wait_for_system(cim, uuid, EnabledState=state)


@contextmanager
def libvirt_connection(private_libvirt: PrivateLibvirt) -> Iterator[libvirt.virConnect]:
    connection = libvirt.open(private_libvirt.uri)
    try:
        yield connection
    finally:
        connection.close()
