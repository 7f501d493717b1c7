"""Indications from a thread of the provider's own, by functions of the module."""


# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pywbem
from pywbem.cim_provider2 import CIMProvider2  # type: ignore[import-not-found]

_thread = None
_rung = threading.Event()
_ended = threading.Event()
_filters: list[str] = []
_texts: list[str] = []


class Alarms(CIMProvider2):
    """Rings when it is asked to."""

    def cim_method_ring(self, env, object_name, param_text):
        _texts.append(param_text)
        _rung.set()
        return pywbem.Uint32(0), []

    def cim_method_ringatonce(self, env, object_name, param_text):
        """From the thread of the request itself."""
        env.get_cimom_handle().DeliverIndication(object_name.namespace, _alarm(param_text))
        return pywbem.Uint32(0), []

    def cim_method_filters(self, env, object_name):
        return pywbem.Uint32(len(_filters)), {"filters": _filters} if _filters else {}


def _alarm(text):
    inside = pywbem.CIMInstance("Test_Note", {"Text": "inside"})
    return pywbem.CIMInstance(
        "Test_Alarm",
        {
            "Text": text,
            "IndicationTime": datetime(2026, 12, 1, tzinfo=UTC),
            "Severity": pywbem.Uint16(3),
            "SourceInstance": inside,
        },
    )


def _ring(env):
    handle = env.get_cimom_handle()
    while True:
        _rung.wait()
        _rung.clear()
        if _ended.is_set():
            return
        while _texts:
            handle.export_indication("root/test", _alarm(_texts.pop(0)))


def init(env):
    env.get_logger().log_debug("alarms are there")


def get_providers(env):
    return {"Test_Alarms": Alarms()}


def can_unload(env):
    return not _filters


def shutdown(env):
    env.get_logger().log_error("alarms were shut down")


def authorize_filter(env, filter, ns, classes, owner):  # noqa: A002
    if "Secret" in filter:
        raise pywbem.CIMError(pywbem.CIM_ERR_ACCESS_DENIED, f"not for {owner}")


def activate_filter(env, filter, ns, classes, first_activation):  # noqa: A002
    _filters.append(f"{filter} in {ns}, {classes.classname}, {first_activation}")


def deactivate_filter(env, filter, ns, classes, last_activation):  # noqa: A002
    _filters.clear()


def enable_indications(env):
    global _thread  # noqa: PLW0603 - as such modules do
    _ended.clear()
    _thread = threading.Thread(target=_ring, args=(env,))
    _thread.start()


def disable_indications(env):
    _ended.set()
    _rung.set()
    _thread.join()
