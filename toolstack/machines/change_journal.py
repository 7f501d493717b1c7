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
from typing import Any

import libvirt

from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.machines.domains import PERSISTENT
from virtcim.toolstack.machines.live_steps import LiveStep
from virtcim.toolstack.machines.settings_change import set_live
from virtcim.toolstack.native.connection import LibvirtConnection
from virtcim.toolstack.services import Services
from virtcim.toolstack.state import StateDatabase, StateError

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
    live: Mapping[str, Any] = field(default_factory=dict)
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
    def from_text(cls, uuid: str, text: str) -> Before:
        """Read what ``to_text`` gave."""
        fields = json.loads(text)
        steps = tuple(LiveStep.from_fields(step) for step in fields.pop("steps"))
        return cls(uuid=uuid, steps=steps, **fields)


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
    is taken back in the background, as soon as it answers.
    """
    threads = []
    for uuid, text in database.query("select vm, fields from unfinished_change"):
        before = Before.from_text(uuid, text)
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


def _take_back(connection: LibvirtConnection, before: Before) -> list[str]:
    """Give the VM back what it was, as far as it still is; gives what remains, and why."""
    try:
        domain = connection.call(connection.handle.lookupByUUIDString, before.uuid)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return []
        raise
    remains = []
    for what, undo in _parts(connection, domain, before):
        try:
            undo()
        except (XapiFailure, libvirt.libvirtError) as error:
            connection.require_open()
            remains.append(f"{what} ({error})")
    return remains


def _parts(
    connection: LibvirtConnection, domain: Any, before: Before
) -> Iterator[tuple[str, Callable[[], object]]]:
    call = connection.call
    active = call(domain.isActive)
    if active:
        for name, value in before.live.items():
            yield f"{name} while it runs", partial(set_live, connection, domain, name, value)
        for step in reversed(before.steps):
            yield step.description, partial(step.take_back, connection, domain)
    if not (before.config and call(domain.isPersistent)):
        return
    if call(domain.XMLDesc, PERSISTENT) not in (before.config, before.changed_config):
        # An edit of somebody's may be worth more than the half of a change.
        yield "its description", _refuse_to_overwrite
        return
    if not active and domain.name() != before.name:
        yield "its name", partial(call, domain.rename, before.name)
    yield "its description", partial(_restore, connection, domain, before)


def _refuse_to_overwrite() -> None:
    raise XapiFailure("OPERATION_NOT_ALLOWED", "it has been changed since and stays as it is")


def _restore(connection: LibvirtConnection, domain: Any, before: Before) -> None:
    call = connection.call
    if call(domain.XMLDesc, PERSISTENT) != before.config:
        call(connection.handle.defineXML, before.config)
    if bool(call(domain.autostart)) != before.autostart:
        call(domain.setAutostart, int(before.autostart))
