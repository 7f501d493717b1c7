"""The operations on instances, associations and methods, for providers of other people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pywbem

from virtcim.cmpi.blocks import text_block
from virtcim.cmpi.provider2.delivering import Deliverer
from virtcim.cmpi.provider2.dispatch import Dispatch
from virtcim.cmpi.provider2.environment import ProviderEnvironment
from virtcim.cmpi.provider2.loading import Modules
from virtcim.cmpi.provider2.models import path_of
from virtcim.cmpi.provider2.reading import PywbemReader
from virtcim.cmpi.provider2.writing import PywbemWriter, type_of
from virtcim.cmpi.request import Call, Operation, Request

__all__ = ["OPERATIONS", "Serve", "Session"]

# As for our own providers: whoever calls C must wait for its turn again.
_PIECE_BYTES = 64 * 1024
_DONE = b"d"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One request: ``path`` and ``rest`` are the request's, as objects of pywbem's."""

    env: ProviderEnvironment
    call: Call
    path: pywbem.CIMInstanceName
    request: Request
    rest: PywbemReader
    writer: PywbemWriter
    dispatch: Dispatch
    modules: Modules
    deliverer: Deliverer

    @property
    def wanted(self) -> list[str] | None:
        """The properties that are wanted in lower case, None for all."""
        wanted = self.request.wanted
        return None if wanted is None else sorted(wanted)


#: An operation: it hands its answer over, and raises what keeps it from that.
Serve = Callable[[Session], None]


def _give(session: Session, items: Iterable[bytes]) -> None:
    """Hand over items as they come: each is written before the provider goes on."""
    piece: list[bytes] = []
    size = 0
    for item in items:
        piece.append(item)
        size += len(item)
        if size >= _PIECE_BYTES:
            session.call.give(b"".join(piece))
            piece, size = [], 0
    session.call.give(b"".join([*piece, _DONE]))


def _instances(session: Session, found: Iterable[pywbem.CIMInstance]) -> Iterator[bytes]:
    wanted, namespace = session.request.wanted, session.path.namespace
    for one in found:
        yield b"i" + session.writer.instance(one, wanted, namespace)


def _paths(session: Session, found: Iterable[pywbem.CIMInstanceName]) -> Iterator[bytes]:
    for one in found:
        yield b"p" + session.writer.path(one, session.path.namespace)


def _names(session: Session, found: Iterable[pywbem.CIMInstance]) -> Iterator[bytes]:
    return _paths(session, (path_of(one, session.path.namespace) for one in found))


def _enumerate_instances(session: Session) -> None:
    found = session.dispatch.instances(session.env, session.path, session.wanted, keys_only=False)
    _give(session, _instances(session, found))


def _enumerate_instance_names(session: Session) -> None:
    found = session.dispatch.instances(session.env, session.path, None, keys_only=True)
    _give(session, _names(session, found))


def _get_instance(session: Session) -> None:
    found = session.dispatch.instance(session.env, session.path, session.wanted)
    _give(session, _instances(session, [found]))


def _create_instance(session: Session) -> None:
    instance = session.rest.cim_instance()
    instance.path.namespace = session.path.namespace
    _give(session, _paths(session, [session.dispatch.create(session.env, instance)]))


def _modify_instance(session: Session) -> None:
    instance = session.rest.cim_instance()
    # What the client names is what is changed, whatever the instance says of itself.
    instance.path = session.path
    session.dispatch.modify(session.env, instance, session.wanted)
    _give(session, [])


def _delete_instance(session: Session) -> None:
    session.dispatch.delete(session.env, session.path)
    _give(session, [])


def _refuse_query(_session: Session) -> None:
    raise pywbem.CIMError(
        pywbem.CIM_ERR_NOT_SUPPORTED, "queries are not supported by these providers"
    )


def _association_filters(session: Session) -> dict[str, str]:
    result_class, role, assoc_class, result_role = session.request.texts
    return {
        "result_class": result_class,
        "role": role,
        "assoc_class": assoc_class,
        "result_role": result_role,
    }


def _associators(session: Session) -> None:
    filters = _association_filters(session)
    found = session.dispatch.associators(session.env, session.path, session.wanted, **filters)
    _give(session, _instances(session, found))


def _associator_names(session: Session) -> None:
    filters = _association_filters(session)
    found = session.dispatch.associator_names(session.env, session.path, **filters)
    _give(session, _paths(session, found))


def _references(session: Session) -> None:
    result_class, role = session.request.texts[:2]
    found = session.dispatch.references(
        session.env, session.path, result_class=result_class, role=role, wanted=session.wanted
    )
    _give(session, _instances(session, found))


def _reference_names(session: Session) -> None:
    result_class, role = session.request.texts[:2]
    found = session.dispatch.references(
        session.env, session.path, result_class=result_class, role=role, keys_only=True
    )
    _give(session, _names(session, found))


def _invoke_method(session: Session) -> None:
    parameters = {one.name: one.value for one in session.rest.given()}
    value, output = session.dispatch.invoke(
        session.env, session.path, session.request.texts[0], parameters
    )
    items = [
        b"o" + text_block(name) + _result(session, one)
        for name, one in output
        if _plain(one) is not None
    ]
    if _plain(value) is not None:
        items.append(b"v" + _result(session, value))
    _give(session, items)


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, pywbem.CIMParameter) else value


def _result(session: Session, value: Any) -> bytes:
    """What a method gave: with the type that it says, or else the one that it looks like."""
    write, namespace = session.writer.value, session.path.namespace
    if isinstance(value, pywbem.CIMParameter):
        is_embedded = value.embedded_object is not None
        return write(
            value.value,
            value.type,
            is_array=bool(value.is_array),
            is_embedded=is_embedded,
            namespace=namespace,
        )
    is_array = isinstance(value, list | tuple)
    return write(value, type_of(value), is_array=is_array, namespace=namespace)


OPERATIONS: Mapping[Operation, Serve] = MappingProxyType(
    {
        Operation.ENUMERATE_INSTANCES: _enumerate_instances,
        Operation.ENUMERATE_INSTANCE_NAMES: _enumerate_instance_names,
        Operation.GET_INSTANCE: _get_instance,
        Operation.CREATE_INSTANCE: _create_instance,
        Operation.MODIFY_INSTANCE: _modify_instance,
        Operation.DELETE_INSTANCE: _delete_instance,
        Operation.EXEC_QUERY: _refuse_query,
        Operation.ASSOCIATORS: _associators,
        Operation.ASSOCIATOR_NAMES: _associator_names,
        Operation.REFERENCES: _references,
        Operation.REFERENCE_NAMES: _reference_names,
        Operation.INVOKE_METHOD: _invoke_method,
    }
)
