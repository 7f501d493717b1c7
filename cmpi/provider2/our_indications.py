"""The indication interface of our own providers: functions of their module.

A binding says of a filter which class it selects from and which class is monitored; some name the
namespace in the place of the former.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, NamedTuple

import pywbem

from virtcim.cmpi.indications import check_filter
from virtcim.cmpi.provider2.conversion import given_namespace
from virtcim.cmpi.provider2.handle_way import HandleWay
from virtcim.cmpi.provider2.our_host import HOST, MODULE, language_of, told
from virtcim.providers.indications import indication_classes_of

__all__ = [
    "activate_filter",
    "authorize_filter",
    "deactivate_filter",
    "disable_indications",
    "enable_indications",
]

_log = logging.getLogger(__name__)


class _Filter(NamedTuple):
    namespace: str
    class_name: str


def authorize_filter(env: Any, query: str, name: str, monitored: Any, owner: str) -> None:  # noqa: ARG001
    """Refuse a filter on what is never told of here. Raises CIMError."""
    with told("authorize_filter", language_of(env)):
        check_filter(_filter(name, monitored).class_name)


def activate_filter(env: Any, query: str, name: str, monitored: Any, first: bool) -> None:  # noqa: ARG001
    """Somebody subscribes. Raises CIMError."""
    with told("activate_filter", language_of(env)):
        HOST.indications.activate(MODULE, *_filter(name, monitored))


def deactivate_filter(env: Any, query: str, name: str, monitored: Any, last: bool) -> None:  # noqa: ARG001
    """Somebody subscribes no more."""
    with told("deactivate_filter", language_of(env)):
        HOST.indications.deactivate(MODULE, *_filter(name, monitored))


def enable_indications(env: Any) -> None:
    """Begin to deliver by the handle of ``env``, as soon as the providers can be opened."""
    with told("enable_indications", language_of(env)):
        HOST.indications.enable(MODULE, lambda: HandleWay(env.get_cimom_handle()))
        try:
            hosted = HOST.opened()
        except Exception as exc:  # noqa: BLE001 - told with each request
            _log.warning("there is nothing to tell of until the providers can be opened: %s", exc)
        else:
            HOST.begin_indications(hosted)


def disable_indications(env: Any) -> None:
    """Deliver nothing any more; nothing uses the handle when this returns."""
    with told("disable_indications", language_of(env)):
        HOST.indications.close()


def _filter(name: str, monitored: Any) -> _Filter:
    """What a filter selects from, and where."""
    paths = [monitored] if not isinstance(monitored, list | tuple) else list(monitored)
    place = next(iter(_places(paths)), "")
    if indication_classes_of(name) or ("/" not in name and place):
        return _Filter(place, name)
    classes = (str(getattr(one, "classname", one)) for one in paths)
    return _Filter(place or given_namespace(name), next(classes, ""))


def _places(paths: Iterable[Any]) -> Iterable[str]:
    for one in paths:
        if isinstance(one, pywbem.CIMInstanceName | pywbem.CIMClassName) and one.namespace:
            yield given_namespace(one.namespace)
