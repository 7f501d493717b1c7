"""Changes of several steps, written down before they are begun.

What was left half made by a toolstack that was killed, or that lost libvirt in the middle, is taken
back when libvirt has been reached again.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import libvirt

from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.machines.domains import PERSISTENT
from virtcim.toolstack.machines.live_steps import LiveStep
from virtcim.toolstack.machines.settings_change import set_live
from virtcim.toolstack.native.connection import LibvirtConnection
from virtcim.toolstack.services import Services
from virtcim.toolstack.state import StateDatabase, StateError

if TYPE_CHECKING:
    from virtcim.toolstack.native.objects import Domain

__all__ = ["Before", "take_back_unfinished", "written_down"]

_log = logging.getLogger(__name__)

# How long the start waits for changes to be taken back.
_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What a VM was before a change; ``config`` is empty for one that is not persistent.

    ``live`` are the fields of the running machine that were to be changed. ``changed_config`` is
    the persistent description as the change last left it, empty before it has touched it.
    """

    uuid: str
    name: str
    config: str
    autostart: bool
    steps: Sequence[LiveStep]
    live: Mapping[str, object] = field(default_factory=dict)
    changed_config: str = ""

    def to_text(self) -> str:
        """Give it for the state database."""
        return json.dumps(
            {
                "name": self.name,
                "config": self.config,
                "changed_config": self.changed_config,
                "autostart": self.autostart,
                "live": dict(self.live),
                "steps": [step.to_fields() for step in self.steps],
            }
        )

    @classmethod
    def from_text(cls, text: str) -> Before:
        """Read what ``to_text`` gave, which does not say of which machine."""
        fields = json.loads(text)
        steps = tuple(LiveStep.from_fields(step) for step in fields.pop("steps"))
        return cls(uuid="", steps=steps, **fields)


@contextmanager
def written_down(services: Services, before: Before) -> Iterator[Callable[[str], None]]:
    """Know of a change for as long as it is under way: it ends whole, or as if it had not been.

    Gives what is to be told each persistent description that the change has made: only such a one
    is ever taken back. It stays written down where libvirt was lost, so that nothing can be taken
    back now.
    """
    database = services.state.database

    def keep(known: Before) -> None:
        database.query(
            "insert or replace into unfinished_change values (?, ?)", known.uuid, known.to_text()
        )

    keep(before)
    try:
        yield lambda text: keep(replace(before, changed_config=text))
    finally:
        if services.connection.is_ready:
            _forget(database, before.uuid)


def _forget(database: StateDatabase, uuid: str) -> None:
    database.query("delete from unfinished_change where vm = ?", uuid)


def take_back_unfinished(connection: LibvirtConnection, database: StateDatabase) -> None:
    """Take back the changes that were cut off; each one once, and the log says so.

    A machine whose emulator does not answer holds up neither the others nor the start: its change
    is taken back in the background, as soon as it answers, however long that takes.
    """
    threads = []
    rows = database.query("select vm, fields from unfinished_change")
    found = database.readable("the change that was cut off", rows, Before.from_text)
    for uuid, kept in found.items():
        before = replace(kept, uuid=str(uuid))
        threads.append(
            threading.Thread(
                target=_take_back_alone,
                args=(connection, database, before),
                name=f"take-back-{before.name}",
                daemon=True,
            )
        )
        threads[-1].start()
    deadline = time.monotonic() + _PATIENCE_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            _log.warning("%s: the emulator does not answer yet", thread.name)


def _take_back_alone(
    connection: LibvirtConnection, database: StateDatabase, before: Before
) -> None:
    try:
        remains = _take_back(connection, before)
        if remains:
            _log.error(
                "domain %s (%s): of a change that was cut off there remains: %s",
                *(before.name, before.uuid, "; ".join(remains)),
            )
        else:
            _log.warning(
                "domain %s (%s): a change that was cut off has been taken back",
                *(before.name, before.uuid),
            )
        _forget(database, before.uuid)
    except (XapiFailure, libvirt.libvirtError, StateError) as error:
        # It stays written down for when libvirt is back.
        _log.info("domain %s: a change that was cut off is not taken back: %s", before.name, error)


class _Part(NamedTuple):
    """What may be left of a change; ``in_run``: of the running machine alone."""

    what: str
    undo: Callable[[], object]
    in_run: bool = False


def _take_back(connection: LibvirtConnection, before: Before) -> list[str]:
    """Give the VM back what it was, as far as it still is; gives what remains, and why.

    Raises XapiFailure where libvirt is lost.
    """
    main, remains = connection.handle, []
    with connection.operating() as handle:
        try:
            domain = connection.call(handle.lookupByUUIDString, before.uuid)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return []
            raise
        for part in _parts(connection, domain, before):
            try:
                _once_it_answers(connection, main, before, part.undo)
            except (XapiFailure, libvirt.libvirtError) as error:
                _require(connection, main)
                # A run that has ended took with it what was changed in it.
                if not part.in_run or connection.call(domain.isActive):
                    remains.append(f"{part.what} ({error})")
    return remains


def _once_it_answers(
    connection: LibvirtConnection, main: object, before: Before, undo: Callable[[], object]
) -> None:
    """Do something with a machine, again where libvirt has given up waiting for it.

    That is after 30 s, for the end of another call: perhaps of that which was cut off itself, which
    still waits for the emulator.
    """
    while True:
        try:
            undo()
        except libvirt.libvirtError as error:
            _require(connection, main)
            if error.get_error_code() != libvirt.VIR_ERR_OPERATION_TIMEOUT:
                raise
            _log.warning("domain %s: the emulator does not answer: %s", before.name, error)
        else:
            return


def _require(connection: LibvirtConnection, main: object) -> None:
    """Raise XapiFailure unless libvirt is still reached by the same connection."""
    if connection.handle is not main:
        raise connection.failure()


def _parts(connection: LibvirtConnection, domain: Domain, before: Before) -> Iterator[_Part]:
    call = connection.call
    active = call(domain.isActive)
    if active:
        for name, value in before.live.items():
            undo = partial(set_live, connection, domain, name, value)
            yield _Part(f"{name} while it runs", undo, in_run=True)
        for step in reversed(before.steps):
            undo = partial(step.take_back, connection, domain)
            yield _Part(step.description, undo, in_run=True)
    if not (before.config and call(domain.isPersistent)):
        return
    if call(domain.XMLDesc, PERSISTENT) not in (before.config, before.changed_config):
        # An edit of somebody's may be worth more than the half of a change.
        yield _Part("its description", _refuse_to_overwrite)
        return
    if not active and domain.name() != before.name:
        yield _Part("its name", partial(call, domain.rename, before.name))
    yield _Part("its description", partial(_restore, connection, domain, before))


def _refuse_to_overwrite() -> None:
    raise XapiFailure("OPERATION_NOT_ALLOWED", "it has been changed since and stays as it is")


def _restore(connection: LibvirtConnection, domain: Domain, before: Before) -> None:
    call = connection.call
    if call(domain.XMLDesc, PERSISTENT) != before.config:
        call(connection.handle.defineXML, before.config)
    if bool(call(domain.autostart)) != before.autostart:
        call(domain.setAutostart, int(before.autostart))
