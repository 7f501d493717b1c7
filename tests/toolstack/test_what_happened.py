"""What is told of a machine that stopped, or of what its guest survived: only what was seen."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import libvirt
import libvirt_qemu
import pytest
import XenAPI
from boot_sectors import EXPIRE_WATCHDOG, FILL_DISK, IDLE, PANIC, POWER_OFF, write_disk
from private_libvirt import PrivateLibvirt

from tests.system.file_systems import CannotMountError, tiny_file_system
from tests.system.machines import domain_xml
from tests.system.qemu_processes import qemu_process
from tests.system.waiting import wait_for as poll_for
from tests.toolstack.host import Host, running_host, wait_for

MIB = 1 << 20
FAILED = {"event": "VIR_DOMAIN_EVENT_STOPPED", "detail": "VIR_DOMAIN_EVENT_STOPPED_FAILED"}

Told = dict[str, str]
Make = Callable[..., "Machine"]


@contextmanager
def logged_in(host: Host) -> Iterator[XenAPI.Session]:
    session = host.login()
    yield session
    session("close")()


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A domain that somebody else made, and what the toolstack tells of it."""

    libvirtd: PrivateLibvirt
    host: Host
    uuid: str

    def look(self, host: Host | None = None) -> Told:
        """VM_metrics.other_config, with the power state."""
        with logged_in(host or self.host) as session:
            return self._look(session.xenapi)

    def _look(self, api: Any) -> Told:
        vm = api.VM.get_by_uuid(self.uuid)
        told: Told = dict(api.VM_metrics.get_other_config(api.VM.get_metrics(vm)))
        told["power-state"] = api.VM.get_power_state(vm)
        return told

    def wait(self, condition: Callable[[Told], bool], host: Host | None = None) -> Told:
        """Wait until what is told is so, and give it."""
        seen: list[Told] = []
        with logged_in(host or self.host) as session:

            def holds() -> bool:
                with suppress(XenAPI.Failure):  # it is not known yet
                    seen.append(self._look(session.xenapi))
                    return condition(seen[-1])
                return False

            wait_for(session, ["vm", "vm_metrics"], holds, "what happened")
        return seen[-1]

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        os.kill(qemu_process(self.libvirtd, self.uuid), number)

    def stopped(self, host: Host | None = None) -> tuple[str, Any]:
        """The reason and the event of its stop, once there is one."""
        told = self.wait(lambda told: "stop-reason" in told, host)
        return told["stop-reason"], json.loads(told["stop-event"])


def _make(
    connection: Any, libvirtd: PrivateLibvirt, host: Host, sector: bytes, **options: Any
) -> Machine:
    directory = options.pop("directory", libvirtd.images)
    path = directory / f"{uuid4()}.img"
    libvirtd.give(write_disk(path, sector, size_bytes=options.pop("size_bytes", MIB)))
    domain = connection.defineXML(domain_xml(f"vm-{uuid4()}", disks=(path,), **options))
    domain.create()
    return Machine(libvirtd=libvirtd, host=host, uuid=domain.UUIDString())


@contextmanager
def maker(libvirtd: PrivateLibvirt, host: Host) -> Iterator[Make]:
    """`make(sector, **options)` starts a machine that boots from it."""
    connection = libvirt.open(libvirtd.uri)
    try:
        yield partial(_make, connection, libvirtd, host)
    finally:
        for domain in connection.listAllDomains():
            with suppress(libvirt.libvirtError):
                domain.destroy()
            domain.undefine()
        connection.close()


@pytest.fixture(scope="module")
def libvirtd() -> Iterator[PrivateLibvirt]:
    with PrivateLibvirt() as running:
        yield running


@pytest.fixture(scope="module")
def host(libvirtd: PrivateLibvirt) -> Iterator[Host]:
    with running_host(libvirtd.uri, domain_type="qemu") as running:
        yield running


@pytest.fixture
def make(libvirtd: PrivateLibvirt, host: Host) -> Iterator[Make]:
    with maker(libvirtd, host) as make:
        yield make


def settled(told: Told) -> bool:
    return "stop-reason" in told and told["stop-reason"] != "ended-unexpectedly"


def ended(told: Told) -> bool:
    return settled(told) and told["power-state"] == "Halted"


def when(told: Told) -> datetime:
    return datetime.fromisoformat(told["state-changed"])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_an_emulator_that_was_killed_says_nothing_and_nothing_is_said_for_it(
    make: Make, number: signal.Signals
) -> None:
    machine = make(IDLE)
    machine.wait(lambda told: told["power-state"] == "Running")
    before = datetime.now(UTC) - timedelta(seconds=1)
    machine.kill(number)
    told = machine.wait(ended)
    assert (told["stop-reason"], json.loads(told["stop-event"])) == ("failed", FAILED)
    assert before <= when(told) <= datetime.now(UTC)
    assert told["stop-time"] == told["state-changed"]


@pytest.mark.parametrize(("action", "state"), [("poweroff", "Halted"), ("pause", "Paused")])
def test_a_watchdog_that_stops_its_machine_is_named_with_its_action(
    make: Make, action: str, state: str
) -> None:
    event = {"event": "WATCHDOG", "data": {"action": action}}
    # The state may be seen before the event is.
    told = make(EXPIRE_WATCHDOG, watchdog=action).wait(
        lambda told: told.get("stop-event") == json.dumps(event)
    )
    assert (told["stop-reason"], told["power-state"]) == ("watchdog", state)


@pytest.mark.parametrize("action", ["none", "inject-nmi"])
def test_a_watchdog_that_stops_nothing_is_told_all_the_same(make: Make, action: str) -> None:
    machine = make(EXPIRE_WATCHDOG, watchdog=action)
    told = machine.wait(lambda told: "last-watchdog" in told)
    assert told["last-watchdog-action"] == action
    assert told["power-state"] == "Running"
    assert "stop-reason" not in told


def test_a_pause_that_libvirt_cannot_explain_is_no_failure(make: Make) -> None:
    machine = make(IDLE)
    connection = libvirt.open(machine.libvirtd.uri)
    domain = connection.lookupByUUIDString(machine.uuid)
    libvirt_qemu.qemuMonitorCommand(domain, '{"execute": "stop"}', 0)
    assert machine.stopped() == (
        "paused-unknown",
        {"state": "VIR_DOMAIN_PAUSED", "reason": "VIR_DOMAIN_PAUSED_UNKNOWN"},
    )
    domain.resume()
    machine.wait(lambda told: told["power-state"] == "Running" and "stop-reason" not in told)
    connection.close()


@pytest.mark.parametrize(("on_crash", "state"), [("destroy", "Halted"), ("preserve", "Paused")])
def test_a_panic_that_stops_the_machine_is_the_guests_crash(
    make: Make, on_crash: str, state: str
) -> None:
    told = make(PANIC, on_crash=on_crash).wait(
        lambda told: settled(told) and told["power-state"] == state
    )
    assert told["stop-reason"] == "crashed"


def test_a_panic_that_restarts_the_machine_is_told_while_it_runs(make: Make) -> None:
    # It panics again and again, and is stopped for a moment each time.
    make(PANIC, on_crash="restart").wait(
        lambda told: (
            "last-panic" in told and "stop-reason" not in told and told["power-state"] == "Running"
        )
    )


def test_an_error_that_only_the_guest_is_told_is_shown_on_the_disk(
    make: Make, host: Host, tiny: Path
) -> None:
    machine = make(FILL_DISK, directory=tiny, size_bytes=16 * MIB, error_policy="report")
    machine.wait(lambda told: told["power-state"] == "Running")
    with logged_in(host) as session:
        api = session.xenapi
        [vbd] = api.VM.get_VBDs(api.VM.get_by_uuid(machine.uuid))

        def problem() -> str:
            return str(api.VBD.get_runtime_properties(vbd).get("problem", ""))

        wait_for(session, ["vbd"], lambda: problem() != "", "the error")
        assert "its image could not be read or written" in problem()
        told = machine.look()
        assert (told["power-state"], told.get("stop-reason")) == ("Running", None)
        [error] = json.loads(told["io-errors"])
        assert error["event"]["event"] == "BLOCK_IO_ERROR"
        data = error["event"]["data"]
        assert (data["device"], data["action"]) == ("vda", "report")
        assert abs(datetime.now(UTC) - datetime.fromisoformat(error["time"])) < timedelta(hours=1)
        api.VM.hard_shutdown(api.VM.get_by_uuid(machine.uuid))
        assert problem() == ""
        assert "io-errors" not in machine.look()


@pytest.fixture
def tiny(libvirtd: PrivateLibvirt) -> Iterator[Path]:
    """The directory of a file system of 4 MiB."""
    with ExitStack() as stack:
        place = libvirtd.directory / "tiny"
        try:
            stack.enter_context(tiny_file_system(place))
        except CannotMountError as error:
            pytest.skip(f"a small file system is needed, and mounting is refused: {error}")
        yield place


# What is remembered


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_reasons_outlive_libvirtd_and_the_toolstack(
    own_libvirtd: PrivateLibvirt, state: Path
) -> None:
    with running_host(own_libvirtd.uri, state_directory=state) as host:
        with maker_that_leaves(own_libvirtd, host) as make:
            killed, panicked = make(IDLE), make(PANIC, on_crash="destroy")
            running, polite = make(IDLE), make(POWER_OFF)
        killed.wait(lambda told: told["power-state"] == "Running")
        killed.kill()
        seen = [killed.wait(ended), panicked.wait(ended), running.wait(known)]
        assert [told.get("stop-reason") for told in seen] == ["failed", "crashed", None]
        polite.wait(lambda told: told["power-state"] == "Halted")
        own_libvirtd.kill()
        own_libvirtd.start()
        wait_connected(host)
        connection = libvirt.open(own_libvirtd.uri)
        # libvirtd itself has forgotten it.
        assert connection.lookupByUUIDString(killed.uuid).state() == [
            libvirt.VIR_DOMAIN_SHUTOFF,
            libvirt.VIR_DOMAIN_SHUTOFF_UNKNOWN,
        ]
        assert [each.look() for each in (killed, panicked, running)] == seen
        assert "stop-reason" not in polite.look()
    with running_host(own_libvirtd.uri, state_directory=state) as host:
        assert [each.look(host) for each in (killed, panicked, running)] == seen
        with logged_in(host) as session:
            vm = session.xenapi.VM.get_by_uuid(killed.uuid)
            session.xenapi.VM.start(vm, False, False)
        assert "stop-reason" not in killed.look(host)
    connection.lookupByUUIDString(killed.uuid).destroy()
    with running_host(own_libvirtd.uri, state_directory=state) as host:
        assert "stop-reason" not in killed.look(host)
        assert killed.look(host)["state-changed"] == ""
    connection.close()


def test_a_machine_that_somebody_ended_with_a_dump_did_not_panic(
    make: Make, libvirtd: PrivateLibvirt
) -> None:
    machine = make(IDLE)
    connection = libvirt.open(libvirtd.uri)
    domain = connection.lookupByUUIDString(machine.uuid)
    domain.coreDumpWithFormat(
        str(libvirtd.directory / "dump"),
        libvirt.VIR_DOMAIN_CORE_DUMP_FORMAT_RAW,
        libvirt.VIR_DUMP_CRASH | libvirt.VIR_DUMP_MEMORY_ONLY,
    )
    assert machine.stopped() == (
        "ended-unexpectedly",
        {"state": "VIR_DOMAIN_SHUTOFF", "reason": "VIR_DOMAIN_SHUTOFF_CRASHED"},
    )
    connection.close()


def test_what_nobody_saw_is_not_claimed(own_libvirtd: PrivateLibvirt, state: Path) -> None:
    with running_host(own_libvirtd.uri, state_directory=state) as host:
        with maker_that_leaves(own_libvirtd, host) as make:
            machine = make(IDLE)
        machine.wait(known)
    machine.kill()
    connection = libvirt.open(own_libvirtd.uri)
    domain = connection.lookupByUUIDString(machine.uuid)
    poll(lambda: not domain.isActive(), "the end of the emulator")
    with running_host(own_libvirtd.uri, state_directory=state) as host:
        assert machine.stopped(host) == (
            "ended-unexpectedly",
            {"state": "VIR_DOMAIN_SHUTOFF", "reason": "VIR_DOMAIN_SHUTOFF_CRASHED"},
        )
        told = machine.look(host)
        assert told["state-changed"] == ""
        assert "stop-time" not in told
    connection.close()


@pytest.fixture
def own_libvirtd() -> Iterator[PrivateLibvirt]:
    with PrivateLibvirt() as running:
        yield running


@contextmanager
def maker_that_leaves(libvirtd: PrivateLibvirt, host: Host) -> Iterator[Make]:
    """Like `maker`, but the machines stay; they go with their libvirtd."""
    connection = libvirt.open(libvirtd.uri)
    yield partial(_make, connection, libvirtd, host)
    connection.close()


def poll(condition: Callable[[], bool], what: str) -> None:
    """Wait for what no event of the toolstack tells."""
    poll_for(condition, bool, what)


def known(told: Told) -> bool:
    return told["power-state"] == "Running" and told["state-changed"] != ""


def wait_connected(host: Host) -> None:
    """Wait until the toolstack has found out that libvirtd has gone, and is back."""
    connection = host.toolstack._connection
    poll(lambda: connection._epoch > 1 and connection.is_ready, "libvirtd")
