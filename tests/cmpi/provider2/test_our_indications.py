"""Indications of our own providers through the interface of CIMProvider2."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import pywbem

from tests.cmpi.hosts import SYSTEM, population
from tests.cmpi.provider2.conftest import Load
from tests.cmpi.provider2.test_our_providers import FILE
from tests.cmpi.server import Server
from tests.cmpi.words import Path, Typed
from virtcim.cmpi.host import HostedProviders
from virtcim.cmpi.provider2 import ours
from virtcim.cmpi.provider2.our_host import HOST
from virtcim.errormap import ErrorCode
from virtcim.mof import ensure_schema
from virtcim.providers import cim_provider2 as module
from virtcim.providers import failure

NAMESPACE = "root/virt"
MODIFICATION = "VirtCIM_InstModification"
PAUSED, RUNNING = 9, 2
DEADLINE_S = 100.0


class _Handle:
    """What a binding gives: a thread that it did not make has to be attached first."""

    def __init__(self) -> None:
        self.told: queue.Queue[tuple[str, pywbem.CIMInstance]] = queue.Queue()
        self.attached: set[int] = set()
        self.refuses = False

    def PrepareAttachThread(self) -> _Prepared:
        return _Prepared(self)


class _Prepared:
    def __init__(self, handle: _Handle) -> None:
        self._handle = handle

    def AttachThread(self) -> None:
        self._handle.attached.add(threading.get_ident())

    def DetachThread(self) -> None:
        self._handle.attached.remove(threading.get_ident())

    def DeliverIndication(self, ns: str, instance: pywbem.CIMInstance) -> None:
        assert threading.get_ident() in self._handle.attached
        if self._handle.refuses:
            raise RuntimeError("not now")
        self._handle.told.put((ns, instance))


class _Env:
    """The environment of cmpi-bindings: the entries of the context are in ``ctx``."""

    def __init__(self, handle: _Handle) -> None:
        self._handle = handle
        self.ctx = {"CMPIAcceptLanguage": "en"}

    def get_cimom_handle(self) -> _Handle:
        return self._handle


@pytest.fixture
def handle(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Handle]:
    ensure_schema()
    monkeypatch.setenv("VIRTCIM_SYSTEMS", "2")
    before = HOST.open
    ours.host_is(population)
    made = _Handle()
    yield made
    module.shutdown(_Env(made))
    assert made.attached == set(), "its thread has ended"
    ours.host_is(before)


def _change(env: _Env, state: int) -> None:
    provider = module.get_providers(env)[SYSTEM.class_name]
    keys = dict(SYSTEM.keys)
    path = pywbem.CIMInstanceName(SYSTEM.class_name, keys, namespace=NAMESPACE)
    value, _ = provider.cim_method_requeststatechange(
        env, path, param_requestedstate=pywbem.Uint16(state)
    )
    assert value == 0


def _subscribe(env: _Env, name: str, monitored: Any) -> None:
    query = "SELECT * FROM CIM_InstModification"
    module.authorize_filter(env, query, name, monitored, "owner")
    module.activate_filter(env, query, name, monitored, True)


_MONITORED = pywbem.CIMInstanceName("VirtCIM_ComputerSystem", namespace=NAMESPACE)
_FORMS = {
    "as cmpi-bindings has it": ("CIM_InstModification", _MONITORED),
    "with the namespace": (
        NAMESPACE,
        pywbem.CIMInstanceName("CIM_InstModification", namespace=NAMESPACE),
    ),
    "with names of classes": (NAMESPACE, ["CIM_InstModification"]),
}


@pytest.mark.parametrize("form", _FORMS)
def test_what_is_subscribed_to_is_delivered_by_the_handle(handle: _Handle, form: str) -> None:
    env = _Env(handle)
    _subscribe(env, *_FORMS[form])
    module.enable_indications(env)
    _change(env, PAUSED)
    namespace, told = handle.told.get(timeout=DEADLINE_S)
    assert (namespace, told.classname) == (NAMESPACE, MODIFICATION)
    assert (told.path.classname, told.path.namespace) == (MODIFICATION, NAMESPACE)
    assert told["SourceInstance"]["EnabledState"] == PAUSED
    module.disable_indications(env)
    assert handle.attached == set()
    _change(env, RUNNING)
    assert handle.told.empty()


def test_nothing_is_delivered_of_what_nobody_subscribes_to_any_more(handle: _Handle) -> None:
    env = _Env(handle)
    _subscribe(env, MODIFICATION, _MONITORED)
    module.deactivate_filter(env, "", MODIFICATION, _MONITORED, True)
    module.enable_indications(env)
    _change(env, PAUSED)
    module.disable_indications(env)
    assert handle.told.empty()


@pytest.mark.parametrize("name", ["VirtCIM_ComputerSystem", "CIM_ClassCreation", "NoSuch"])
def test_a_filter_on_what_never_comes_is_refused(handle: _Handle, name: str) -> None:
    for refused in (
        lambda: module.authorize_filter(_Env(handle), "", name, _MONITORED, ""),
        lambda: module.activate_filter(_Env(handle), "", name, _MONITORED, True),
    ):
        with pytest.raises(pywbem.CIMError) as caught:
            refused()
        assert caught.value.status_code == pywbem.CIM_ERR_INVALID_QUERY


def test_a_handle_that_refuses_an_indication_loses_that_alone(
    handle: _Handle, caplog: pytest.LogCaptureFixture
) -> None:
    env = _Env(handle)
    _subscribe(env, MODIFICATION, _MONITORED)
    module.enable_indications(env)
    handle.refuses = True
    _change(env, PAUSED)
    module.disable_indications(env)
    handle.refuses = False
    module.enable_indications(env)
    _change(env, RUNNING)
    _, told = handle.told.get(timeout=DEADLINE_S)
    assert told.classname == MODIFICATION


def test_who_subscribed_before_the_providers_could_be_opened_is_told_once_they_are(
    handle: _Handle,
) -> None:
    def broken() -> HostedProviders:
        raise failure(ErrorCode.ERR_CREDENTIALS_NOT_SET, "there is no configuration")

    ours.host_is(broken)
    env = _Env(handle)
    _subscribe(env, MODIFICATION, _MONITORED)
    module.enable_indications(env)
    with pytest.raises(pywbem.CIMError, match="ERR_CREDENTIALS_NOT_SET"):
        _change(env, PAUSED)
    ours.host_is(population)
    _change(env, PAUSED)
    _change(env, RUNNING)
    _, told = handle.told.get(timeout=DEADLINE_S)
    assert told.classname == MODIFICATION


def test_through_the_bridge(load: Load) -> None:
    server: Server = load("Pegasus", "population_host.py", FILE)
    indications, methods = server.open("indication"), server.open("method")
    place = Path(namespace=NAMESPACE, class_name=MODIFICATION)
    for operation in ("authorizeFilter", "activateFilter"):
        answer = server.read(indications, operation, place, MODIFICATION, "SELECT")
        assert answer.status == 0, answer.message
    assert server.run(indications, "enableIndications").status == 0
    keys: dict[str, Typed] = {name: ("string", value) for name, value in SYSTEM.keys}
    system = Path(namespace=NAMESPACE, class_name=SYSTEM.class_name, keys=keys)
    answer = server.invoke(
        methods, system, "RequestStateChange", {"RequestedState": ("uint16", PAUSED)}
    )
    assert answer.status == 0, answer.message
    namespace, told = server.command("delivered 1").indications[0]
    assert (namespace, told.path.class_name) == (NAMESPACE, MODIFICATION)
    assert server.run(indications, "disableIndications").status == 0
    assert server.command("contexts").contexts == 0


@pytest.mark.parametrize("interop", ["root/interop", "root/PG_InterOp", "interop"])
def test_the_interop_namespace_has_the_name_that_the_server_gives_it(
    handle: _Handle, interop: str
) -> None:
    env = _Env(handle)
    providers = module.get_providers(env)
    for class_name in ("VirtCIM_RegisteredProfile", "VirtCIM_ReferencedProfile"):
        model = pywbem.CIMInstance(class_name, path=pywbem.CIMInstanceName(class_name))
        model.path.namespace = interop
        found = list(providers[class_name].enum_instances(env, model, False))
        assert found
        assert {one.path.namespace for one in found} == {interop}
        again = providers[class_name].get_instance(
            env, pywbem.CIMInstance(class_name, path=found[0].path)
        )
        assert again.path == found[0].path
        for one in found[0].path.keybindings.values():
            if isinstance(one, pywbem.CIMInstanceName):
                assert one.namespace == interop


def test_an_error_of_opening_that_nobody_foresaw_is_an_incident(handle: _Handle) -> None:
    def broken() -> HostedProviders:
        raise OSError("the disk is gone")

    ours.host_is(broken)
    with pytest.raises(pywbem.CIMError, match=r"ERR_UNKNOWN.*the disk is gone"):
        _change(_Env(handle), PAUSED)
