"""Changes of several steps, written down before they are begun.

What was left half made by a toolstack that was killed, or that lost libvirt in the middle, is taken
back when libvirt has been reached again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import libvirt

from virtcim.toolstack.calls.live_steps import LiveStep
from virtcim.toolstack.native.connection import LibvirtConnection
from virtcim.toolstack.services import Services
from virtcim.toolstack.state import StateDatabase

__all__ = ["Before", "take_back_unfinished", "written_down"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What a VM was before a change; ``config`` is empty for one that is not persistent."""

    uuid: str
    name: str
    config: str
    autostart: bool
    steps: Sequence[LiveStep]

    def to_text(self) -> str:
        """Give it for the state database."""
        return json.dumps(
            {
                "name": self.name,
                "config": self.config,
                "autostart": self.autostart,
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
def written_down(services: Services, before: Before) -> Iterator[None]:
    """Know of a change for as long as it is under way: it ends whole, or as if it had not been.

    It stays written down where libvirt was lost, so that nothing can be taken back now.
    """
    database = services.state.database
    database.query(
        "insert or replace into unfinished_change values (?, ?)", before.uuid, before.to_text()
    )
    try:
        yield
    finally:
        if services.connection.is_ready:
            _forget(database, before.uuid)


def _forget(database: StateDatabase, uuid: str) -> None:
    database.query("delete from unfinished_change where vm = ?", uuid)


def take_back_unfinished(connection: LibvirtConnection, database: StateDatabase) -> None:
    """Take back the changes that were cut off; each one once, and the log says so.

    Raises XapiFailure or libvirt.libvirtError when libvirt is lost again.
    """
    for uuid, text in database.query("select vm, fields from unfinished_change"):
        before = Before.from_text(uuid, text)
        try:
            _take_back(connection, before)
        except libvirt.libvirtError as error:
            if connection.handle is None:
                raise
            _log.error(
                "domain %s (%s): a change that was cut off could not be taken back: %s",
                *(before.name, uuid, error),
            )
        _forget(database, uuid)


def _take_back(connection: LibvirtConnection, before: Before) -> None:
    call = connection.call
    try:
        domain = call(connection.handle.lookupByUUIDString, before.uuid)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return
        raise
    if call(domain.isActive):
        for step in reversed(before.steps):
            step.take_back(connection, domain)
    elif domain.name() != before.name:
        call(domain.rename, before.name)
    if before.config and call(domain.isPersistent):
        _restore(connection, domain, before)
    _log.warning(
        "domain %s (%s): a change that was cut off has been taken back", before.name, before.uuid
    )


def _restore(connection: LibvirtConnection, domain: Any, before: Before) -> None:
    call = connection.call
    flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    if call(domain.XMLDesc, flags) != before.config:
        call(connection.handle.defineXML, before.config)
    if bool(call(domain.autostart)) != before.autostart:
        call(domain.setAutostart, int(before.autostart))
