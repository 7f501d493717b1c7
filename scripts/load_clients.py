"""CIM clients that define, change, start and remove machines, and remember what they were told.

Whatever a daemon under them does meanwhile, they go on. Afterwards `compare` says where machines
and images are not as the clients were told.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import libvirt
import pywbem
from lxml import etree

__all__ = ["Client", "Comparison", "Load", "Machine", "Outcome", "compare", "wait_for_all"]

NAMESPACE = "root/virt"
_MIB = 1 << 20
_JOB_STARTED = 4096
_ENDED = {7, 8, 9, 10}
_COMPLETED = 7
_RETRY_S = 0.05
_CALL_TIMEOUT_S = 60
# So many machines of one client at a time.
_MOST_MACHINES = 3
#: The error codes with which nobody claims to know what was done.
_UNKNOWN = "ERR_UNABLE_TO_VERIFY_STATE"
_DISK = "VirtCIM_DiskResourceAllocationSettingData"


class Outcome(StrEnum):
    """What a client was told of an operation."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(slots=True)
class Machine:
    """A machine that a client wanted: how its definition ended, and what came of it then."""

    name: str
    defined: Outcome | None = None
    destroyed: Outcome | None = None
    disks: int = 0
    #: Disks whose adding ended in an unknown way.
    perhaps: int = 0
    uuid: str = ""


@dataclass(slots=True)
class Load:
    """What all clients share: where the server is, what they counted, and when to stop."""

    url: str
    disks: int = 2
    stopping: threading.Event = field(default_factory=threading.Event)
    counts: Counter[str] = field(default_factory=Counter)
    untruthful: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, what: str) -> None:
        """Count something."""
        with self.lock:
            self.counts[what] += 1

    def complain(self, what: str) -> None:
        """Note that a client was told something else than before."""
        with self.lock:
            self.untruthful.append(what)


class Client(threading.Thread):
    """One client; `machines` is what it wanted and was told."""

    def __init__(self, load: Load, number: int, seed: int) -> None:
        super().__init__(name=f"client-{number}", daemon=True)
        self.machines: list[Machine] = []
        self.failure: BaseException | None = None
        self._load = load
        self._number = number
        self._random = random.Random(seed * 1000 + number)  # noqa: S311 - a choice, no secret
        self._cim = pywbem.WBEMConnection(
            load.url, None, default_namespace=NAMESPACE, timeout=_CALL_TIMEOUT_S
        )

    def run(self) -> None:
        """Work until all is to stop."""
        try:
            while not self._load.stopping.is_set():
                self._work()
        except BaseException as error:  # noqa: BLE001 - the main thread raises it
            self.failure = error
        finally:
            self._cim.close()

    def _work(self) -> None:
        mine = [
            one
            for one in self.machines
            if one.defined is Outcome.DONE and one.destroyed is None and one.uuid
        ]
        what = self._random.random()
        if not mine or (what < 0.5 and len(mine) < _MOST_MACHINES):
            self._define()
        elif what < 0.65:
            self._add_disk(self._random.choice(mine))
        elif what < 0.75:
            self._start(self._random.choice(mine))
        else:
            self._destroy(self._random.choice(mine))

    def _define(self) -> None:
        machine = Machine(f"load-{self._number}-{len(self.machines)}", disks=self._load.disks)
        pool = self._ask(self._pool)
        service = self._ask(self._service)
        if pool is None or service is None:
            return
        self.machines.append(machine)
        outcome, output = self._invoke(
            "DefineSystem",
            service,
            SystemSettings=pywbem.CIMInstance(
                "VirtCIM_VirtualSystemSettingData", {"ElementName": machine.name}
            ),
            ResourceSettings=[
                pywbem.CIMInstance(
                    "VirtCIM_MemoryResourceAllocationSettingData",
                    {
                        "ResourceType": pywbem.Uint16(4),
                        "VirtualQuantity": pywbem.Uint64(32),
                        "AllocationUnits": "byte*2^20",
                    },
                ),
                *(_new_disk(pool) for _ in range(machine.disks)),
            ],
        )
        machine.defined = outcome
        self._load.count(f"define {outcome}")
        if outcome is Outcome.DONE:
            system = output.get("ResultingSystem") if output else None
            machine.uuid = system["Name"] if system else self._uuid_of(machine.name)

    def _uuid_of(self, name: str) -> str:
        systems = self._ask(lambda: self._cim.EnumerateInstances("VirtCIM_ComputerSystem"))
        found = [one["Name"] for one in systems or () if one["ElementName"] == name]
        if systems is not None and not found:
            self._load.complain(f"{name} was defined, and is not shown")
        return str(found[0]) if found else ""

    def _add_disk(self, machine: Machine) -> None:
        pool, service = self._ask(self._pool), self._ask(self._service)
        if pool is None or service is None:
            return
        outcome, _ = self._invoke(
            "AddResourceSettings",
            service,
            AffectedConfiguration=pywbem.CIMInstanceName(
                "VirtCIM_VirtualSystemSettingData",
                {"InstanceID": f"VirtCIM:{machine.uuid}"},
                namespace=NAMESPACE,
            ),
            ResourceSettings=[_new_disk(pool)],
        )
        self._load.count(f"change {outcome}")
        machine.disks += outcome is Outcome.DONE
        machine.perhaps += outcome is Outcome.UNKNOWN

    def _start(self, machine: Machine) -> None:
        outcome, _ = self._invoke(
            "RequestStateChange", _system(machine.uuid), RequestedState=pywbem.Uint16(2)
        )
        self._load.count(f"start {outcome}")

    def _destroy(self, machine: Machine) -> None:
        service = self._ask(self._service)
        if service is None:
            return
        outcome, _ = self._invoke("DestroySystem", service, AffectedSystem=_system(machine.uuid))
        self._load.count(f"destroy {outcome}")
        if outcome is not Outcome.REFUSED:
            machine.destroyed = outcome

    def _service(self) -> pywbem.CIMInstanceName:
        [path] = self._cim.EnumerateInstanceNames("VirtCIM_VirtualSystemManagementService")
        return path

    def _pool(self) -> str:
        pools = self._cim.EnumerateInstances("VirtCIM_StoragePool")
        return next(str(one["PoolID"]) for one in pools if one["ElementName"] == "default")

    def _ask(self, read: Callable[[], Any]) -> Any:
        """Read something, as soon as the server is there; None when all is to stop."""
        while not self._load.stopping.is_set():
            try:
                return read()
            except pywbem.Error:
                self._load.stopping.wait(_RETRY_S)
        return None

    def _invoke(self, method: str, on: Any, **parameters: Any) -> tuple[Outcome, Any]:
        """Invoke a method, follow its job, and give what came of it."""
        try:
            status, output = self._cim.InvokeMethod(method, on, **parameters)
        except pywbem.CIMError as error:
            # It may be stopping: then the next request is refused as well.
            self._load.stopping.wait(_RETRY_S)
            return _outcome(str(error.status_description)), None
        except pywbem.Error:
            return Outcome.UNKNOWN, None  # the answer, or even the request, is lost
        if status == _JOB_STARTED:
            self._load.count("jobs")
            return self._follow(method, output["Job"]), None
        return Outcome.DONE, output

    def _follow(self, method: str, job: pywbem.CIMInstanceName) -> Outcome:
        while True:
            try:
                instance = self._cim.GetInstance(job)
            except pywbem.CIMError as error:
                if error.status_code == pywbem.CIM_ERR_NOT_FOUND:
                    self._load.complain(f"the job of {method} is forgotten: {job['InstanceID']}")
                    return Outcome.UNKNOWN
                time.sleep(_RETRY_S)
            except pywbem.Error:
                time.sleep(_RETRY_S)
            else:
                if instance["JobState"] in _ENDED:
                    break
                time.sleep(_RETRY_S)
        if instance["JobState"] == _COMPLETED:
            return Outcome.DONE
        return _outcome(str(instance["ErrorDescription"]))


def _outcome(description: str) -> Outcome:
    return Outcome.UNKNOWN if description.startswith(_UNKNOWN) else Outcome.REFUSED


def _new_disk(pool: str) -> pywbem.CIMInstance:
    return pywbem.CIMInstance(
        _DISK,
        {
            "ResourceType": pywbem.Uint16(31),
            "PoolID": pool,
            "VirtualQuantity": pywbem.Uint64(_MIB),
            "VirtualQuantityUnits": "byte",
        },
    )


def _system(uuid: str) -> pywbem.CIMInstanceName:
    return pywbem.CIMInstanceName(
        "VirtCIM_ComputerSystem",
        {"CreationClassName": "VirtCIM_ComputerSystem", "Name": uuid},
        namespace=NAMESPACE,
    )


@dataclass(slots=True)
class Comparison:
    """Where machines and images are not as clients were told."""

    half_made: list[str] = field(default_factory=list)
    images_of_nothing: list[str] = field(default_factory=list)
    untruthful: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether everything is as it must be."""
        return not (self.half_made or self.images_of_nothing or self.untruthful)


def compare(connection: libvirt.virConnect, machines: list[Machine]) -> Comparison:
    """Compare what libvirt has with what clients were told of their machines."""
    found = Comparison()
    pool = connection.storagePoolLookupByName("default")
    pool.refresh()
    images = {volume.path(): volume.name() for volume in pool.listAllVolumes()}
    present: dict[str, list[str]] = {}
    for domain in connection.listAllDomains():
        root = etree.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
        present[domain.name()] = [
            source.get("file", "") for source in root.iterfind("devices/disk/source")
        ]
    for machine in machines:
        _compare(machine, present.get(machine.name), images, found)
    return found


def _compare(
    machine: Machine, disks: list[str] | None, images: dict[str, str], found: Comparison
) -> None:
    own = {path for path, name in images.items() if name.startswith(f"{machine.name}-")}
    if disks is None:
        if machine.defined is Outcome.DONE and machine.destroyed is None:
            found.untruthful.append(f"{machine.name} was defined, and is not there")
        # Images outlive their machine; of one that never was there must be none.
        if machine.defined is not Outcome.DONE:
            found.images_of_nothing += sorted(images[path] for path in own)
        return
    if machine.defined is Outcome.REFUSED:
        found.untruthful.append(f"{machine.name} was refused, and is there")
    if machine.destroyed is Outcome.DONE:
        found.untruthful.append(f"{machine.name} was removed, and is there")
    if not machine.disks <= len(disks) <= machine.disks + machine.perhaps:
        found.half_made.append(f"{machine.name} has {len(disks)} disks of {machine.disks}")
    if missing := set(disks) - images.keys():
        found.half_made.append(f"{machine.name} has disks without images: {sorted(missing)}")
    found.images_of_nothing += sorted(images[path] for path in own - set(disks))


def wait_for_all(clients: list[Client], timeout_s: float) -> None:
    """Let the clients end what they are at; raises what one of them failed of."""
    deadline = time.monotonic() + timeout_s
    for client in clients:
        client.join(max(0.0, deadline - time.monotonic()))
        if client.failure is not None:
            raise client.failure
        if client.is_alive():
            raise TimeoutError(f"{client.name} does not end")
