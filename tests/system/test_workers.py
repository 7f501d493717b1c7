"""`virtcim serve --workers 2`: two processes serve the same clients as one would."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter

import pytest
import pywbem

from tests.system.cim import NAMESPACE
from tests.system.two_workers import (
    EVERYTHING,
    INTEROP,
    RIGHTS,
    Workers,
    audited,
    open_enumeration,
)
from tests.system.waiting import wait_for


def _names(paths: list[pywbem.CIMInstanceName]) -> list[str]:
    return [str(pywbem.CIMInstanceName(one.classname, one.keybindings)) for one in paths]


def test_an_enumeration_is_pulled_at_whichever_worker(workers: Workers) -> None:
    with workers.connect() as one:
        expected = one.EnumerateInstanceNames(EVERYTHING)
    contexts = [open_enumeration(each) for each in workers.each()]
    assert {context.partition("-")[0] for context in contexts} == {"1", "2"}
    assert workers.metric("virtcim_open_enumerations") == 4
    for context in contexts:
        paths: list[pywbem.CIMInstanceName] = []
        is_over = False
        while not is_over:
            with workers.connect() as one:
                pulled = one.PullInstancePaths((context, NAMESPACE), MaxObjectCount=3)
            paths += pulled.paths
            is_over = pulled.eos
        assert sorted(_names(paths)) == sorted(_names(expected))
    assert workers.metric("virtcim_open_enumerations") == 0


def test_what_others_have_opened_is_refused_at_whichever_worker(workers: Workers) -> None:
    with workers.connect("bob") as bob:
        context = open_enumeration(bob)
    for eve in workers.each("eve", times=2):
        with pytest.raises(pywbem.CIMError) as caught:
            eve.PullInstancePaths((context, NAMESPACE), MaxObjectCount=1)
        assert caught.value.status_code == pywbem.CIM_ERR_INVALID_ENUMERATION_CONTEXT
        with pytest.raises(pywbem.CIMError):
            eve.CloseEnumeration((context, NAMESPACE))
    # An administrator may close it, also from elsewhere.
    with workers.connect("ann"), workers.connect("ann") as ann:
        ann.CloseEnumeration((context, NAMESPACE))
    assert workers.metric("virtcim_open_enumerations") == 0


def test_a_client_opens_no_more_at_two_workers_than_at_one(workers: Workers) -> None:
    contexts: list[str] = []
    with workers.connect("eve") as first, workers.connect("eve") as second:

        def open_in_turn() -> None:
            while True:
                contexts.append(open_enumeration((first, second)[len(contexts) % 2]))

        with pytest.raises(pywbem.CIMError) as caught:
            open_in_turn()
    assert caught.value.status_code == pywbem.CIM_ERR_SERVER_LIMITS_EXCEEDED
    of_each = Counter(context.partition("-")[0] for context in contexts)
    # What is opened at the other one in this moment may not have been heard of.
    assert sum(of_each.values()) in (128, 129), of_each
    with workers.connect("eve") as eve:
        for context in contexts:
            eve.CloseEnumeration((context, NAMESPACE))


def test_wrong_passwords_are_as_slow_as_with_one_worker(workers: Workers) -> None:
    before = workers.metric("virtcim_logins_failed_total")
    began = time.monotonic()
    for _ in range(5):
        with workers.connect("bob", "wrong") as bob, pytest.raises(pywbem.AuthError):
            bob.EnumerateInstanceNames("VirtCIM_HostSystem")
    # Three are free; each worker would give three of its own.
    assert time.monotonic() - began >= 0.25 + 0.5
    assert [workers.metric("virtcim_logins_failed_total") for _ in range(2)] == [before + 5] * 2


def test_metrics_are_those_of_both_whichever_is_asked(workers: Workers) -> None:
    def operations() -> float:
        return workers.metric(
            "virtcim_cim_operations_total",
            operation="EnumerateInstanceNames",
            outcome="success",
        )

    for each in workers.each(times=2):
        each.EnumerateInstanceNames("VirtCIM_HostSystem")  # what nobody did is not told
    before = operations()
    for each in workers.each(times=6):
        each.EnumerateInstanceNames("VirtCIM_HostSystem")
    assert [operations() for _ in range(2)] == [before + 6] * 2
    assert workers.metric("virtcim_inventory_objects", kind="host") == 1
    assert workers.page("/readyz").json()["workers"] == {"1": True, "2": True}


def test_a_hang_up_reads_users_and_opens_the_audit_file_anew_in_both(workers: Workers) -> None:
    for each in workers.each("eve", times=2):
        each.EnumerateInstanceNames("VirtCIM_HostSystem")  # both know his password now
    moved = workers.audit.with_name("audit.1")
    workers.audit.rename(moved)
    workers.write_users("ann", "bob")
    try:
        os.kill(workers.daemon.pid, signal.SIGHUP)
        wait_for(workers.audit.exists, bool, "a new audit file")

        def both_write() -> set[object]:
            for bob in workers.each("bob", times=2):
                with pytest.raises(pywbem.CIMError):
                    bob.CreateInstance(
                        pywbem.CIMInstance("CIM_IndicationFilter", {"Query": "x"}), INTEROP
                    )
            return {one["worker"] for one in audited(workers.audit)}

        wait_for(both_write, lambda found: found >= {1, 2}, "both in the new file")
        for eve in workers.each("eve", times=2):
            with pytest.raises(pywbem.AuthError):
                eve.EnumerateInstanceNames("VirtCIM_HostSystem")
    finally:
        workers.write_users(*RIGHTS)


def test_two_workers_write_at_once_and_each_shows_what_the_other_wrote(workers: Workers) -> None:
    failures: list[Exception] = []

    def write(number: int) -> None:
        try:
            with workers.connect() as one:
                for turn in range(8):
                    url = f"http://127.0.0.1:1/{number}/{turn}"
                    made = one.CreateInstance(
                        pywbem.CIMInstance("CIM_ListenerDestinationCIMXML", {"Destination": url}),
                        INTEROP,
                    )
                    for reader in workers.each(times=2):
                        assert reader.GetInstance(made)["Destination"] == url
                    one.DeleteInstance(made)
        except Exception as error:  # noqa: BLE001 - told by the test
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
