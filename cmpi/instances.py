"""The instance interface: reading instances, and removing them (DSP0200 "GetInstance").

What describes virtual machines is made and changed by methods. What clients create (filters,
destinations, subscriptions) is the CIM server's own; a query is the server's to answer, too.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType

from virtcim.cim.errors import OutOfRange
from virtcim.cim.records import AssociationRecord, CimError, ObjectPath, Record, StatusCode
from virtcim.cmpi.alike import AlikeRun
from virtcim.cmpi.request import Operation, Request, Serve, Session

__all__ = ["INSTANCE_OPERATIONS", "give_names", "give_paths", "give_records"]

_log = logging.getLogger(__name__)
# Whoever calls C lets other threads go on, and must wait for its turn again: not too often.
_PIECE_BYTES = 64 * 1024
_DONE = b"d"


@lru_cache(maxsize=256)
def _report(what: str) -> None:
    """Say once what is left out."""
    _log.error("an instance is left out of lists: %s", what)


def give_records(session: Session, request: Request, records: Iterable[Record]) -> None:
    """Hand over instances as they come; one with an odd value costs only itself."""
    wanted, namespace = request.wanted, request.path.namespace
    written = session.writer.written
    run = session.run(b"a", request)
    answer = _Answer(session, run)
    for record in records:
        try:
            if type(record) is AssociationRecord and run.add(record):
                answer.added()
            else:
                answer.give(b"i", written(record, wanted, namespace))
        except OutOfRange as error:
            _report(str(error))
    answer.end()


def give_paths(session: Session, request: Request, paths: Iterable[ObjectPath]) -> None:
    """Hand over names of instances."""
    write, namespace = session.writer.path, request.path.namespace
    run = session.run(b"n", request)
    answer = _Answer(session, run)
    for path in paths:
        if run.add_name(path):
            answer.added()
        else:
            answer.give(b"p", write(path, namespace))
    answer.end()


def give_names(session: Session, request: Request, records: Iterable[Record]) -> None:
    """Hand over the names of these instances."""
    name, namespace = session.writer.name, request.path.namespace
    run = session.run(b"b", request)
    answer = _Answer(session, run)
    for record in records:
        if type(record) is AssociationRecord and run.add(record):
            answer.added()
        else:
            answer.give(b"p", name(record, namespace))
    answer.end()


class _Answer:
    """Pieces of an answer, handed over when there is enough of them."""

    def __init__(self, session: Session, run: AlikeRun) -> None:
        self._hand_over = session.call.give
        self._run = run
        self._piece: list[bytes] = []
        self._size = 0

    def added(self) -> None:
        """Something was added to the run."""
        if self._run.is_full:
            self._put(self._run.take())

    def give(self, kind: bytes, block: bytes) -> None:
        """One more item, after what is in the run."""
        if self._run.lines:
            self._put(self._run.take())
        self._put(kind + block)

    def _put(self, block: bytes) -> None:
        self._piece.append(block)
        self._size += len(block)
        if self._size >= _PIECE_BYTES:
            self._hand_over(b"".join(self._piece))
            self._piece, self._size = [], 0

    def end(self) -> None:
        """Hand over what is left, and that there is no more."""
        self._hand_over(b"".join([*self._piece, self._run.take(), _DONE]))


def _enumerate_instances(session: Session, request: Request) -> None:
    path = request.path
    found = session.providers.enumerate_instances(path.namespace, path.class_name)
    give_records(session, request, found)


def _enumerate_instance_names(session: Session, request: Request) -> None:
    path = request.path
    found = session.providers.enumerate_instances(path.namespace, path.class_name)
    give_names(session, request, found)


def _get_instance(session: Session, request: Request) -> None:
    record = session.providers.get_instance(session.target(request))
    wanted, namespace = request.wanted, request.path.namespace
    block = session.writer.written(record, wanted, namespace)
    session.call.give(b"i" + block + _DONE)


def _delete_instance(session: Session, request: Request) -> None:
    session.providers.delete_instance(session.target(request))
    session.call.give(_DONE)


def _refuse_change(_session: Session, request: Request) -> None:
    done = "created" if request.operation is Operation.CREATE_INSTANCE else "changed"
    raise CimError(
        StatusCode.NOT_SUPPORTED,
        f"instances of {request.path.class_name} cannot be {done}; methods of the management "
        "services change virtual systems and pools",
    )


def _refuse_query(_session: Session, _request: Request) -> None:
    raise CimError(StatusCode.NOT_SUPPORTED, "queries are not supported by this provider")


INSTANCE_OPERATIONS: Mapping[Operation, Serve] = MappingProxyType(
    {
        Operation.ENUMERATE_INSTANCES: _enumerate_instances,
        Operation.ENUMERATE_INSTANCE_NAMES: _enumerate_instance_names,
        Operation.GET_INSTANCE: _get_instance,
        Operation.CREATE_INSTANCE: _refuse_change,
        Operation.MODIFY_INSTANCE: _refuse_change,
        Operation.DELETE_INSTANCE: _delete_instance,
        Operation.EXEC_QUERY: _refuse_query,
    }
)
