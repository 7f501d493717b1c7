"""The indication interface for providers of other people: functions of their modules."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType

import pywbem

from virtcim.cmpi.provider2.delivering import Deliverer
from virtcim.cmpi.provider2.environment import ProviderEnvironment
from virtcim.cmpi.provider2.loading import LoadedModule, Modules
from virtcim.cmpi.provider2.operations import Serve, Session
from virtcim.cmpi.request import Operation

__all__ = ["INDICATION_OPERATIONS", "disable"]

_log = logging.getLogger(__name__)


def _concerned(session: Session) -> list[LoadedModule]:
    """The module that serves the class of indications, or all, as they need not say of them."""
    owner = session.modules.owner(session.request.texts[0])
    return [*session.modules] if owner is None else [owner]


def _class_path(session: Session) -> pywbem.CIMInstanceName:
    class_name = session.request.texts[0] or session.path.classname
    return pywbem.CIMInstanceName(class_name, namespace=session.path.namespace)


def _authorize_filter(session: Session) -> None:
    query, owner = session.request.texts[1:3]
    for one in _concerned(session):
        one.call(
            *("authorize_filter", session.env, query, session.path.namespace),
            *(_class_path(session), owner),
        )


def _activate_filter(session: Session) -> None:
    _changed(session, "activate_filter")


def _deactivate_filter(session: Session) -> None:
    _changed(session, "deactivate_filter")


def _changed(session: Session, function: str) -> None:
    """``request.flag``: this is the first filter, or was the last one."""
    for one in _concerned(session):
        one.call(
            *(function, session.env, session.request.texts[1], session.path.namespace),
            *(_class_path(session), bool(session.request.flag)),
        )


def _must_poll(_session: Session) -> None:
    raise pywbem.CIMError(pywbem.CIM_ERR_NOT_SUPPORTED, "nobody needs to poll for indications")


def _enable(session: Session) -> None:
    session.deliverer.open(session.call, session.writer)
    try:
        for one in session.modules:
            one.call("enable_indications", session.env)
    except BaseException:
        session.deliverer.close()
        raise


def _disable(session: Session) -> None:
    disable(session.modules, session.deliverer, session.env)


def disable(modules: Modules, deliverer: Deliverer, env: ProviderEnvironment) -> None:
    """Have no provider deliver anything any more; a failure of one of them is logged."""
    if not deliverer.is_open:
        return
    for one in modules:
        try:
            one.call("disable_indications", env)
        except Exception:  # noqa: BLE001 - the others end, too
            _log.exception("%s could not disable indications", one.module.__file__)
    deliverer.close()


INDICATION_OPERATIONS: Mapping[Operation, Serve] = MappingProxyType(
    {
        Operation.AUTHORIZE_FILTER: _authorize_filter,
        Operation.MUST_POLL: _must_poll,
        Operation.ACTIVATE_FILTER: _activate_filter,
        Operation.DEACTIVATE_FILTER: _deactivate_filter,
        Operation.ENABLE_INDICATIONS: _enable,
        Operation.DISABLE_INDICATIONS: _disable,
    }
)
