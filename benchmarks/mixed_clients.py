"""The clients of `mixed.py`: readers of all kinds, changes, subscriptions, and wrong passwords."""

from __future__ import annotations

import base64
import http.client
import random
import re
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pywbem
from methods import carried_out
from raw_clients import RequestError, cim_request

__all__ = ["Actor", "Clients", "RequestFailedError", "Tally"]

_NAMESPACE = "root/virt"
_INTEROP = "root/interop"
_SYSTEM = "VirtCIM_ComputerSystem"
_PULLED = 20
_PATIENCE_S = 60
_ENABLED, _DISABLED = 2, 3
_CODE = re.compile(r"\bERR_[A-Z_]+")
_ERROR = re.compile(rb'<ERROR CODE="(\d+)"')
_ANY_CODE = re.compile(rb"\bERR_[A-Z_]+")
_ENUMERATED = (
    _SYSTEM,
    "CIM_LogicalDevice",
    "CIM_ResourceAllocationSettingData",
    "VirtCIM_VirtualSystemSettingData",
    "CIM_ResourcePool",
)
_QUERY = f"SELECT * FROM {_SYSTEM} WHERE EnabledState = 2"
_TOLD = (
    (
        "SELECT * FROM CIM_InstModification WHERE SourceInstance ISA CIM_ComputerSystem AND "
        "SourceInstance.EnabledState <> PreviousInstance.EnabledState"
    ),
    "SELECT * FROM CIM_InstCreation WHERE SourceInstance ISA CIM_ComputerSystem",
    "SELECT * FROM CIM_InstDeletion WHERE SourceInstance ISA CIM_ComputerSystem",
)


class RequestFailedError(Exception):
    """A request did not succeed; ``name`` is that of its error."""

    def __init__(self, name: str, text: str = "") -> None:
        super().__init__(text or name)
        self.name = name


@dataclass(slots=True)
class Tally:
    """What came of all requests; safe to use from many threads."""

    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    #: By what was asked, the error, and whether the toolstack was down or just back then.
    errors: Counter[tuple[str, str, bool]] = field(default_factory=Counter)
    examples: dict[tuple[str, str, bool], str] = field(default_factory=dict)
    wrong_lists: int = 0
    #: UUIDs of machines whose whole life a client had confirmed, and when it began and ended.
    lives: dict[str, tuple[float, float]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def succeeded(self, kind: str, seconds: float) -> None:
        with self.lock:
            self.seconds[kind].append(seconds)

    def failed(self, kind: str, failure: RequestFailedError, *, disturbed: bool) -> None:
        with self.lock:
            key = kind, failure.name, disturbed
            self.errors[key] += 1
            self.examples.setdefault(key, str(failure)[:400])


@dataclass(frozen=True, slots=True)
class Actor:
    """Something that is done again and again, after a pause that varies around a mean."""

    name: str
    pause_s: float
    act: Callable[[], None]


class _Raw:
    """One kept-alive connection that sends bytes as a user."""

    def __init__(self, url: str, user: tuple[str, str]) -> None:
        self._netloc = urlsplit(url).netloc
        self._connection: http.client.HTTPConnection | None = None
        told = base64.b64encode(":".join(user).encode()).decode()
        self._headers = {
            "Content-Type": "application/xml; charset=utf-8",
            "CIMOperation": "MethodCall",
            "Authorization": f"Basic {told}",
        }

    def ask(self, request: bytes) -> bytes:
        """Give the reply. Raises RequestFailedError."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._netloc, timeout=_PATIENCE_S)
        try:
            self._connection.request("POST", "/cimom", request, self._headers)
            response = self._connection.getresponse()
            reply = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            self._connection = None
            raise RequestFailedError(type(error).__name__, str(error)) from error
        if response.status != http.client.OK:
            raise RequestFailedError(
                f"HTTP {response.status}", reply[:200].decode(errors="replace")
            )
        if found := _ERROR.search(reply):
            code = _ANY_CODE.search(reply)
            name = code[0].decode() if code else f"CIM status {int(found[1])}"
            raise RequestFailedError(name, reply[found.start() :][:400].decode(errors="replace"))
        return reply


class Clients:
    """All that clients do at one CIM server with ``systems`` machines that stay."""

    def __init__(
        self,
        url: str,
        user: tuple[str, str],
        staying: Sequence[str],
        tally: Tally,
        is_disturbed: Callable[[float], bool],
    ) -> None:
        self._url = url
        self._user = user
        self._staying = staying
        self._tally = tally
        self._is_disturbed = is_disturbed
        self._chance = random.Random(7)
        self._numbers = iter(range(10**9))
        self._local = threading.local()

    def actors(self) -> list[Actor]:
        """Each is for a thread of its own."""
        return [
            Actor("EnumerateInstances", 1.0, self._enumerate),
            Actor("EnumerateInstanceNames", 2.0, self._names),
            Actor("GetInstance", 0.2, self._get),
            Actor("Associators", 0.5, self._associators),
            Actor("ExecQuery", 3.0, self._query),
            Actor("pull", 4.0, self._pull),
            Actor("left open", 20.0, self._leave_open),
            Actor("change", 0.7, lambda: self._change(self._staying[0::2])),
            Actor("change of others", 0.9, lambda: self._change(self._staying[1::2])),
            Actor("life", 2.0, self._live_and_die),
            Actor("subscribe", 10.0, self._subscribe_and_leave),
            Actor("wrong login", 5.0, self._wrong_login),
        ]

    def subscribe(self, destination: str, mark: str) -> None:
        """Have a listener told of all states, creations and deletions of machines."""
        with self._pywbem(_INTEROP) as cim:
            for path in self._subscription(cim, destination, mark, _TOLD):
                assert path is not None

    def run(self, actor: Actor, ended: threading.Event) -> None:
        """Act until the end."""
        chance = random.Random(actor.name)
        while not ended.wait(actor.pause_s * chance.uniform(0.5, 1.5)):
            actor.act()

    # Readers

    def _enumerate(self) -> None:
        class_name = self._chance.choice(_ENUMERATED)
        reply = self._read("EnumerateInstances", ClassName=class_name)
        if reply is not None and class_name == _SYSTEM:
            self._check_whole(reply.count(b"<VALUE.NAMEDINSTANCE>"))

    def _names(self) -> None:
        reply = self._read("EnumerateInstanceNames", ClassName=_SYSTEM)
        if reply is not None:
            self._check_whole(reply.count(b"<INSTANCENAME "))

    def _get(self) -> None:
        self._read("GetInstance", InstanceName=_path(self._chance.choice(self._staying)))

    def _associators(self) -> None:
        self._read("Associators", ObjectName=_path(self._chance.choice(self._staying)))

    def _query(self) -> None:
        with self._timed("ExecQuery"), self._pywbem() as cim:
            cim.ExecQuery("DMTF:CQL", _QUERY)

    def _pull(self) -> None:
        with self._pywbem() as cim:
            names = []
            with self._timed("pull (all pieces)"):
                pulled = cim.OpenEnumerateInstances(_SYSTEM, MaxObjectCount=_PULLED)
                names += pulled.instances
                while not pulled.eos:
                    pulled = cim.PullInstancesWithPath(pulled.context, _PULLED)
                    names += pulled.instances
                self._check_whole(len(names))

    def _leave_open(self) -> None:
        with self._timed("OpenEnumerateInstances, left open"), self._pywbem() as cim:
            cim.OpenEnumerateInstances("CIM_LogicalDevice", MaxObjectCount=1)

    def _check_whole(self, count: int) -> None:
        if count < len(self._staying):
            with self._tally.lock:
                self._tally.wrong_lists += 1

    def _read(self, operation: str, **parameters: str | pywbem.CIMInstanceName) -> bytes | None:
        if not hasattr(self._local, "raw"):
            self._local.raw = _Raw(self._url, self._user)
        raw: _Raw = self._local.raw
        request = cim_request(operation, _NAMESPACE, **parameters)
        replies = []
        with self._timed(operation):
            replies.append(raw.ask(request))
        return replies[0] if replies else None

    # Changes

    def _change(self, among: Sequence[str]) -> None:
        """Start one that is stopped, or stop one that runs."""
        path = _path(self._chance.choice(among))
        with self._pywbem() as cim:
            state = None
            with self._timed("GetInstance"):
                state = cim.GetInstance(path, PropertyList=["EnabledState"])["EnabledState"]
            if state is None:
                return
            wanted = _DISABLED if state == _ENABLED else _ENABLED
            with self._timed("RequestStateChange"):
                _done(cim, "RequestStateChange", path, RequestedState=pywbem.Uint16(wanted))

    def _live_and_die(self) -> None:
        began = time.monotonic()
        with self._pywbem() as cim:
            system = service = None
            with self._timed("DefineSystem"):
                [service] = cim.EnumerateInstanceNames("VirtCIM_VirtualSystemManagementService")
                system = _done(cim, "DefineSystem", service, **_settings(next(self._numbers)))
            if system is None or service is None:
                return
            for state in (_ENABLED, _DISABLED):
                with self._timed("RequestStateChange"):
                    given = pywbem.Uint16(state)
                    _done(cim, "RequestStateChange", system, RequestedState=given)
            removed = False
            while not removed and time.monotonic() < began + _PATIENCE_S:
                with self._timed("DestroySystem"):
                    _done(cim, "DestroySystem", service, AffectedSystem=system)
                    removed = True
                if not removed:
                    time.sleep(1.0)
            if removed:
                with self._tally.lock:
                    self._tally.lives[str(system["Name"])] = began, time.monotonic()

    # Subscriptions and logins

    def _subscribe_and_leave(self) -> None:
        with self._pywbem(_INTEROP) as cim:
            made: list[pywbem.CIMInstanceName] = []
            with self._timed("CreateInstance (filter, destination, subscription)"):
                made = self._subscription(cim, "http://127.0.0.1:9", "mixed-brief", _TOLD[1:2])
            for path in reversed(made):
                with self._timed("DeleteInstance"):
                    cim.DeleteInstance(path)

    def _subscription(
        self, cim: pywbem.WBEMConnection, destination: str, mark: str, queries: Sequence[str]
    ) -> list[pywbem.CIMInstanceName]:
        number = next(self._numbers)

        def made(class_name: str, **values: object) -> pywbem.CIMInstanceName:
            return cim.CreateInstance(pywbem.CIMInstance(class_name, values))

        handler = made(
            "CIM_ListenerDestinationCIMXML",
            Name=f"{mark}:{number}",
            Destination=f"{destination}/{mark}",
        )
        paths = [handler]
        for each, query in enumerate(queries):
            selecting = made(
                "CIM_IndicationFilter",
                Name=f"{mark}:{number}-{each}",
                Query=query,
                QueryLanguage="DMTF:CQL",
            )
            paths += [
                selecting,
                made("CIM_IndicationSubscription", Filter=selecting, Handler=handler),
            ]
        return paths

    def _wrong_login(self) -> None:
        raw = _Raw(self._url, (self._user[0], "wrong"))
        with self._timed("wrong password"):
            try:
                raw.ask(cim_request("EnumerateInstanceNames", _NAMESPACE, ClassName=_SYSTEM))
            except RequestFailedError as failure:
                if failure.name != "HTTP 401":
                    raise
            else:
                raise RequestFailedError("accepted")

    # What all of them need

    @contextmanager
    def _pywbem(self, namespace: str = _NAMESPACE) -> Iterator[pywbem.WBEMConnection]:
        with pywbem.WBEMConnection(
            self._url, self._user, default_namespace=namespace, timeout=_PATIENCE_S
        ) as connection:
            yield connection

    @contextmanager
    def _timed(self, kind: str) -> Iterator[None]:
        """Note how long the block took, or how it failed."""
        began = time.monotonic()
        try:
            yield
        except RequestFailedError as failure:
            self._tally.failed(kind, failure, disturbed=self._is_disturbed(began))
        except pywbem.Error as error:
            self._tally.failed(kind, _named(error), disturbed=self._is_disturbed(began))
        else:
            self._tally.succeeded(kind, time.monotonic() - began)


def _path(uuid: str) -> pywbem.CIMInstanceName:
    keys = {"CreationClassName": _SYSTEM, "Name": uuid}
    return pywbem.CIMInstanceName(_SYSTEM, keys, namespace=_NAMESPACE)


def _named(error: pywbem.Error) -> RequestFailedError:
    if isinstance(error, pywbem.CIMError):
        text = error.status_description or ""
        code = _CODE.search(text)
        return RequestFailedError(code[0] if code else error.status_code_name, text)
    return RequestFailedError(type(error).__name__, str(error))


def _settings(number: int) -> Mapping[str, object]:
    """What defines a machine with 32 MB of memory."""
    return {
        "SystemSettings": pywbem.CIMInstance(
            "VirtCIM_VirtualSystemSettingData", {"ElementName": f"mixed-{number}"}
        ),
        "ResourceSettings": [
            pywbem.CIMInstance(
                "VirtCIM_MemoryResourceAllocationSettingData",
                {
                    "ResourceType": pywbem.Uint16(4),
                    "VirtualQuantity": pywbem.Uint64(32),
                    "AllocationUnits": "byte*2^20",
                },
            )
        ],
    }


def _done(
    cim: pywbem.WBEMConnection, method: str, on: pywbem.CIMInstanceName, **parameters: object
) -> pywbem.CIMInstanceName:
    """Carry a method out, give its system. Raises RequestFailedError."""
    try:
        return carried_out(cim, method, on, **parameters)
    except RequestError as error:
        code = _CODE.search(str(error))
        raise RequestFailedError(f"job: {code[0] if code else 'no code'}", str(error)) from error
