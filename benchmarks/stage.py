"""The real parts for a measurement: a libvirtd with many virtual machines, and our two daemons."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import libvirt
from raw_clients import CimClient, RequestError, XmlRpcClient, cim_request

_ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(_ROOT / "scripts"), str(_ROOT / "tests" / "system")]

from daemons import Daemon, DaemonError  # noqa: E402 - found through the path above
from machines import machine_name, machine_uuid, simulated_host_xml  # noqa: E402
from private_libvirt import PrivateLibvirt, PrivateLibvirtError  # noqa: E402

__all__ = [
    "DISKS_PER_SYSTEM",
    "NETWORK_PORTS_PER_SYSTEM",
    "Daemon",
    "DaemonError",
    "HypervisorCalls",
    "Memory",
    "PrivateLibvirt",
    "PrivateLibvirtError",
    "Stage",
    "await_hypervisor",
    "await_inventory",
    "count_hypervisor_calls",
    "memory_of",
    "processor_time_s",
    "simulated_host_xml",
    "system_name",
    "system_uuid",
    "thread_time_s",
]

# Of the virtual machines that simulated_host_xml describes.
DISKS_PER_SYSTEM = 2
NETWORK_PORTS_PER_SYSTEM = 2
system_name = machine_name
system_uuid = machine_uuid

_LOAD_TIMEOUT_S = 300.0
_POLL_INTERVAL_S = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class HypervisorCalls:
    """What the toolstack counted since its start.

    Background calls are those of no request: it follows libvirt's events and compares now and then.
    """

    libvirt_calls: int
    libvirt_background_calls: int
    requests: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Resident memory of a process, now and at its peak."""

    now_bytes: int
    peak_bytes: int


class Stage:
    """libvirt's test driver with that many virtual machines, and what runs on it.

    The driver lives in a libvirtd of its own, so that libvirt is reached as a real hypervisor is:
    over libvirtd's socket. ``libvirt_uri_here`` has the same driver in the caller's own process.
    """

    def __init__(self, systems: int) -> None:
        self.systems = systems
        self._stack = ExitStack()
        self._servers = 0

    def __enter__(self) -> Stage:
        libvirt.registerErrorHandler(lambda *_: None, None)
        private_libvirt = self._stack.enter_context(PrivateLibvirt())
        self._directory = private_libvirt.directory
        description = self._directory / "host.xml"
        description.write_text(simulated_host_xml(self.systems))
        private_libvirt.give(description)
        socket = self._directory / "run" / "libvirt-sock"
        self.libvirt_uri_here = f"test://{description}"
        self.libvirt_uri = f"test+unix://{description}?socket={socket}"
        self.toolstack_url = f"unix:{self._directory}/toolstack.sock"
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start_toolstack(self) -> Daemon:
        """Start `virtcim toolstack`, until the end of the stage."""
        return self._stack.enter_context(
            Daemon(
                "toolstack",
                "--libvirt",
                self.libvirt_uri,
                "--listen",
                self.toolstack_url,
                "--state",
                str(self._directory / "toolstack"),
                log=self._directory / "toolstack.log",
            )
        )

    def cim_server(self, *options: str) -> Daemon:
        """Make a `virtcim serve` over the toolstack, without passwords; the caller starts it."""
        self._servers += 1
        return Daemon(
            "serve",
            "--hypervisor",
            f"xapi+unix://{self.toolstack_url.removeprefix('unix:')}",
            "--listen",
            "http://127.0.0.1:0",
            "--auth",
            "none",
            "--state",
            str(self._directory / f"serve-{self._servers}"),
            *options,
            log=self._directory / "serve.log",
        )

    def libvirt_memory(self) -> Memory:
        """The memory of libvirtd, which holds the test driver with all its machines."""
        return _memory(int((self._directory / "run" / "libvirtd.pid").read_text()))

    def public_server(self, *, with_passwords: bool) -> Daemon:
        """Make a `virtcim serve` over the toolstack; the caller starts it."""
        return self._public(
            "serve",
            *("--hypervisor", f"xapi+unix://{self.toolstack_url.removeprefix('unix:')}"),
            with_passwords=with_passwords,
        )

    def public_toolstack(self, *, with_passwords: bool) -> Daemon:
        """Make a further `virtcim toolstack` that listens on TCP; the caller starts it."""
        return self._public(
            "toolstack", "--libvirt", self.libvirt_uri, with_passwords=with_passwords
        )

    def password_of(self, daemon: Daemon) -> str:
        """The password of the user virtcim of a daemon that asks for passwords."""
        state = Path(daemon.arguments[daemon.arguments.index("--state") + 1])
        return (state / "users.password").read_text().strip()

    def _public(self, *arguments: str, with_passwords: bool) -> Daemon:
        self._servers += 1
        name = f"public-{self._servers}"
        return Daemon(
            *arguments,
            *("--listen", "http://127.0.0.1:0", "--state", str(self._directory / name)),
            *(() if with_passwords else ("--auth", "none")),
            log=self._directory / f"{name}.log",
        )


def await_hypervisor(client: XmlRpcClient) -> None:
    """Wait until the toolstack has read everything that libvirt has; it may be ready before.

    Raises RequestError with the last failure when that takes too long.
    """
    deadline = time.monotonic() + _LOAD_TIMEOUT_S
    while True:
        try:
            client.call("VM.get_all")
        except RequestError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_INTERVAL_S)
        else:
            return


def await_inventory(client: CimClient, namespace: str) -> None:
    """Wait until the CIM server knows its hypervisor, without reading any virtual system.

    Raises RequestError with the last reply when that takes too long.
    """
    request = cim_request("EnumerateInstances", namespace, ClassName="VirtCIM_HostSystem")
    deadline = time.monotonic() + _LOAD_TIMEOUT_S
    while b"<ERROR " in (reply := client.send(request)):
        if time.monotonic() > deadline:
            raise RequestError(f"the inventory does not get complete: {reply[:1000]!r}")
        time.sleep(_POLL_INTERVAL_S)


def count_hypervisor_calls(client: XmlRpcClient) -> HypervisorCalls:
    """Ask the toolstack what it counted since its start."""
    [host] = client.call("host.get_all")
    counted = json.loads(client.call("host.call_plugin", host, "virtcim-statistics", "get", {}))
    return HypervisorCalls(**counted)


def memory_of(daemon: Daemon) -> Memory:
    """Read the memory of a running daemon from proc(5)."""
    return _memory(daemon.pid)


def _memory(pid: int) -> Memory:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return Memory(now_bytes=_kibibytes(fields["VmRSS"]), peak_bytes=_kibibytes(fields["VmHWM"]))


def processor_time_s(daemon: Daemon) -> float:
    """The processor time of a running daemon, ended threads included, from proc(5)."""
    fields = Path(f"/proc/{daemon.pid}/stat").read_text().rpartition(")")[2].split()
    user, system = fields[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def thread_time_s(pid: int) -> float:
    """The processor time of the threads that a process has, to the microsecond, from proc(5)."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((one / "schedstat").read_text().split()[0]) for one in threads) / 1e9


def _kibibytes(text: str) -> int:
    return int(text.split(maxsplit=1)[0]) * 1024
