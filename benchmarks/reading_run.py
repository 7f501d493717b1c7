"""One run of the reading benchmark: what is read, and how, from libvirt up to pywbem."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from threading import Event

import libvirt
import pywbem
from measurement import Recorder, timed
from raw_clients import CimClient, RequestError, XmlRpcClient, cim_request
from report import Progress
from stage import (
    DISKS_PER_SYSTEM,
    HypervisorCalls,
    Memory,
    Stage,
    await_hypervisor,
    await_inventory,
    count_hypervisor_calls,
    memory_of,
    system_name,
    system_uuid,
)

__all__ = ["ReadingRun"]

_NAMESPACE = "root/virt"
_PREFIX = "VirtCIM_"
_SYSTEM = f"{_PREFIX}ComputerSystem"
_SETTINGS = f"{_PREFIX}VirtualSystemSettingData"
_DISK = f"{_PREFIX}DiskResourceAllocationSettingData"

_LIBVIRT_ALL_HERE = "libvirt list + XMLDesc of all, in process"
_LIBVIRT_ALL = "libvirt list + XMLDesc of all, over libvirtd"
_LIBVIRT_ONE = "libvirt lookup + XMLDesc of one, over libvirtd"

# What takes a millisecond is repeated so much more often than what takes a tenth of a second.
_QUICK_FACTOR = 10
_CLIENTS = 16
_ROUNDS = 5

# Medians for so many virtual systems on two processors.
_TARGET_SYSTEMS = 1000
_ENUMERATION_TARGET_S = 0.150
_GET_TARGET_S = 0.002
_RECORDS_TARGET_S = 0.300


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """A CIM operation; ``instances`` is how many its reply must hold, None: at least one."""

    name: str
    request: bytes
    instances: int | None
    of_one_system: bool = False
    target_s: float | None = None

    @property
    def baseline(self) -> str:
        return _LIBVIRT_ONE if self.of_one_system else _LIBVIRT_ALL

    def check(self, reply: bytes) -> None:
        """Raise RequestError unless the reply holds what it must."""
        if b"<ERROR " in reply:
            raise RequestError(f"{self.name}: {reply[:1000]!r}")
        _require(reply, mark=b"<INSTANCE ", times=self.instances)


def _require(reply: bytes, *, mark: bytes, times: int | None) -> None:
    found = reply.count(mark)
    if found == 0 or times not in (None, found):
        raise RequestError(f"{found} times {mark!r} instead of {times} in {reply[:1000]!r}")


def _system_path(systems: int) -> pywbem.CIMInstanceName:
    keys = {"CreationClassName": _SYSTEM, "Name": system_uuid(systems // 2)}
    return pywbem.CIMInstanceName(_SYSTEM, keys)


def _enumeration(class_name: str, instances: int, target_s: float | None = None) -> _Reading:
    return _Reading(
        name=f"EnumerateInstances {class_name.removeprefix(_PREFIX)}",
        request=cim_request("EnumerateInstances", _NAMESPACE, ClassName=class_name),
        instances=instances,
        target_s=target_s,
    )


def _readings(systems: int) -> list[_Reading]:
    path = _system_path(systems)
    associators = partial(cim_request, "Associators", _NAMESPACE, ObjectName=path)
    return [
        _enumeration(_SYSTEM, systems, _ENUMERATION_TARGET_S),
        _enumeration(_SETTINGS, systems),
        _enumeration(_DISK, systems * DISKS_PER_SYSTEM),
        _Reading(
            name=f"GetInstance {_SYSTEM.removeprefix(_PREFIX)}",
            request=cim_request("GetInstance", _NAMESPACE, InstanceName=path),
            instances=1,
            of_one_system=True,
            target_s=_GET_TARGET_S,
        ),
        _Reading(
            name="Associators of a system, SettingsDefineState",
            request=associators(AssocClass="VirtCIM_SettingsDefineState"),
            instances=1,
            of_one_system=True,
        ),
        _Reading(
            name="Associators of a system, all",
            request=associators(),
            instances=None,
            of_one_system=True,
        ),
    ]


class ReadingRun:
    """All measurements, from the bottom to the top; the results are there afterwards."""

    calls_before: HypervisorCalls
    calls_after: HypervisorCalls
    cim_requests: int
    memory: dict[str, Memory]

    def __init__(self, stage: Stage, progress: Progress, *, repeat: int, starts: int) -> None:
        self._stage = stage
        self._announce = progress.step
        self._repeat = repeat
        self._starts = starts
        self._readings = _readings(stage.systems)
        self._get = next(one for one in self._readings if one.name.startswith("GetInstance"))
        self._recorder = Recorder(progress.step, targets=stage.systems == _TARGET_SYSTEMS)
        self.measurements = self._recorder.measurements

    def measure(self) -> None:
        """Measure libvirt, the toolstack, the CIM server as it starts and as it runs, and pywbem.

        Raises RequestError where a reply is not the right one.
        """
        self._measure_libvirt()
        self._announce("starting the toolstack")
        taken, toolstack = timed(self._stage.start_toolstack)
        self._recorder.add("toolstack start to `ready`", [taken])
        with XmlRpcClient(self._stage.toolstack_url) as xapi:
            waited, _ = timed(partial(await_hypervisor, xapi))
            self._recorder.add("toolstack start to complete inventory", [taken + waited])
            self._measure_toolstack(xapi)
            self._measure_starting_servers()
            self._announce("starting the CIM server")
            with self._stage.cim_server() as server, CimClient(server.url) as client:
                await_inventory(client, _NAMESPACE)
                self.calls_before = count_hypervisor_calls(xapi)
                before = self._recorder.repetitions
                self._measure_server(client)
                others = self._measure_beside_enumerations(server.url, client)
                others += self._measure_many_clients(server.url)
                self._measure_pywbem(server.url)
                self.cim_requests = self._recorder.repetitions - before + others
                self.calls_after = count_hypervisor_calls(xapi)
                self.memory = {"toolstack": memory_of(toolstack), "serve": memory_of(server)}

    def _measure_libvirt(self) -> None:
        check = partial(_require, mark=b"<uuid>", times=self._stage.systems)
        here = libvirt.open(self._stage.libvirt_uri_here)
        self._recorder.repeat(
            _LIBVIRT_ALL_HERE, partial(_describe_all, here), check, times=self._repeat
        )
        here.close()
        connection = libvirt.open(self._stage.libvirt_uri)
        self._recorder.repeat(
            _LIBVIRT_ALL, partial(_describe_all, connection), check, times=self._repeat
        )
        self._recorder.repeat(
            _LIBVIRT_ONE,
            partial(_describe, connection, system_uuid(self._stage.systems // 2)),
            partial(_require, mark=b"<uuid>", times=1),
            times=self._repeat * _QUICK_FACTOR,
        )
        connection.close()

    def _measure_toolstack(self, xapi: XmlRpcClient) -> None:
        # The control domain may be a VM as well, so that counting would prove little.
        last = f">{system_name(self._stage.systems - 1)}<".encode()
        self._recorder.repeat(
            "toolstack VM.get_all_records",
            partial(xapi.send, xapi.request("VM.get_all_records")),
            partial(_require, mark=last, times=None),
            times=self._repeat,
            baseline=_LIBVIRT_ALL,
            target_s=_RECORDS_TARGET_S,
        )

    def _measure_starting_servers(self) -> None:
        """Start the server again and again, and ask each for all instances of a class once."""
        enumerations = [reading for reading in self._readings if not reading.of_one_system]
        ready, complete = [], []
        cold: list[list[float]] = [[] for _ in enumerations]
        size_bytes = [0] * len(enumerations)
        for start in range(1, self._starts + 1):
            self._announce(f"the CIM server, start {start} of {self._starts}")
            server = self._stage.cim_server()
            taken, _ = timed(server.start)
            try:
                with CimClient(server.url) as client:
                    waited, _ = timed(partial(await_inventory, client, _NAMESPACE))
                    ready.append(taken)
                    complete.append(taken + waited)
                    for number, reading in enumerate(enumerations):
                        taken, reply = timed(partial(client.send, reading.request))
                        reading.check(reply)
                        cold[number].append(taken)
                        size_bytes[number] = len(reply)
            finally:
                server.stop()
        self._recorder.add("CIM server start to `ready`", ready)
        self._recorder.add("CIM server start to complete inventory", complete)
        for number, reading in enumerate(enumerations):
            self._recorder.add(
                f"{reading.name}, cold",
                cold[number],
                size_bytes=size_bytes[number],
                baseline=reading.baseline,
                target_s=reading.target_s,
            )

    def _measure_server(self, client: CimClient) -> None:
        for reading in self._readings:
            ways = [("", client.send)]
            if reading.target_s is not None:
                ways.append((", new connection", client.send_anew))
            for suffix, send in ways:
                self._recorder.repeat(
                    f"{reading.name}{suffix}",
                    partial(send, reading.request),
                    reading.check,
                    times=self._repeat * (_QUICK_FACTOR if reading.of_one_system else 1),
                    baseline=reading.baseline,
                    target_s=reading.target_s,
                )

    def _measure_beside_enumerations(self, url: str, client: CimClient) -> int:
        """Read one system while another client reads all of them; give how often that one did."""
        enumeration, get = self._readings[0], self._get
        finished = Event()

        def enumerate_all() -> int:
            count = 0
            with CimClient(url) as other:
                while not finished.is_set():
                    enumeration.check(other.send(enumeration.request))
                    count += 1
            return count

        with ThreadPoolExecutor(1) as pool:
            enumerations = pool.submit(enumerate_all)
            try:
                self._recorder.repeat(
                    f"{get.name}, beside endless enumerations",
                    partial(client.send, get.request),
                    get.check,
                    times=self._repeat * _QUICK_FACTOR,
                    baseline=get.baseline,
                )
            finally:
                finished.set()
            return enumerations.result()

    def _measure_many_clients(self, url: str) -> int:
        """Read one system from many clients at once; give how often that was done."""
        get = self._get
        each = self._repeat * _QUICK_FACTOR // _CLIENTS + 1

        def read_again_and_again(client: CimClient) -> None:
            for _ in range(each):
                get.check(client.send(get.request))

        seconds = []
        with ThreadPoolExecutor(_CLIENTS) as pool, ExitStack() as stack:
            clients = [stack.enter_context(CimClient(url)) for _ in range(_CLIENTS)]
            name = f"{get.name}, each of {_CLIENTS} clients at once"
            self._announce(name)
            for _ in range(_ROUNDS):
                taken, _ = timed(lambda: list(pool.map(read_again_and_again, clients)))
                seconds.append(taken / (each * _CLIENTS))
        self._recorder.add(name, seconds, baseline=get.baseline)
        return _ROUNDS * each * _CLIENTS

    def _measure_pywbem(self, url: str) -> None:
        with pywbem.WBEMConnection(url, default_namespace=_NAMESPACE) as connection:
            self._recorder.repeat(
                f"EnumerateInstances {_SYSTEM.removeprefix(_PREFIX)}, by pywbem",
                partial(connection.EnumerateInstances, _SYSTEM),
                self._require_all,
                times=self._repeat // 3 + 1,
                baseline=_LIBVIRT_ALL,
            )
            self._recorder.repeat(
                f"GetInstance {_SYSTEM.removeprefix(_PREFIX)}, by pywbem",
                partial(connection.GetInstance, _system_path(self._stage.systems)),
                _require_name,
                times=self._repeat * _QUICK_FACTOR,
                baseline=_LIBVIRT_ONE,
            )

    def _require_all(self, instances: list[pywbem.CIMInstance]) -> None:
        if len(instances) != self._stage.systems:
            raise RequestError(f"pywbem has got {len(instances)} instances")


def _require_name(instance: pywbem.CIMInstance) -> None:
    if not instance["ElementName"]:
        raise RequestError(f"pywbem has got {instance.tomof()}")


def _describe_all(connection: libvirt.virConnect) -> bytes:
    return "".join(domain.XMLDesc() for domain in connection.listAllDomains()).encode()


def _describe(connection: libvirt.virConnect, uuid: str) -> bytes:
    xml: str = connection.lookupByUUIDString(uuid).XMLDesc()
    return xml.encode()
