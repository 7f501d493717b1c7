"""Who may make which call, and the audit line of each that changes something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from virtcim.daemon.audit import Audit, AuditEntry, Outcome
from virtcim.daemon.current_request import current_request
from virtcim.daemon.requester import LOCAL, Requester
from virtcim.daemon.roles import TOOLSTACK, Role
from virtcim.toolstack.calltable import Call
from virtcim.toolstack.database import Database
from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.permissions import NO_ROLE, PERMISSIONS
from virtcim.toolstack.refs import NULL
from virtcim.toolstack.sessions import Sessions
from virtcim.wire.application import ClientInfo

__all__ = ["Deed", "Guard", "requested_by"]

_DENIED = "RBAC_PERMISSION_DENIED"
_UNKNOWN = "ERR_UNABLE_TO_VERIFY_STATE"
_CANCELLED = "TASK_CANCELLED"


@dataclass(slots=True)
class Deed:
    """What the audit line of a call says of its success; ``job`` is the task that it goes on as."""

    value: object = None
    job: str = ""


class Guard:
    """Asks for the role that a call needs, and writes down what changed something."""

    def __init__(
        self,
        sessions: Sessions,
        database: Database,
        audit: Audit,
        *,
        permissions: Mapping[str, Role | None] = PERMISSIONS,
    ) -> None:
        self._sessions = sessions
        self._database = database
        self._audit = audit
        self._permissions = permissions

    def requester(self, session: str, client: ClientInfo) -> Requester:
        """Who makes a call in a session; one that needs no session is made by nobody."""
        user, rights = self._sessions.user(session)
        return Requester(user=user, rights=rights, peer=requested_by(client))

    @asynccontextmanager
    async def calling(
        self, call: Call, requester: Requester, given: Sequence[object]
    ) -> AsyncIterator[Deed]:
        """Make a call within the block; ``given`` are its parameters as they came.

        Raises RBAC_PERMISSION_DENIED where the requester has not the role.
        """
        deed = Deed()
        if not self._changes(call):
            self._require(call, requester)
            yield deed
            return
        async with self._audited(call, requester, given, deed):
            self._require(call, requester)
            yield deed

    @asynccontextmanager
    async def ending(
        self, call: Call, requester: Requester, given: Sequence[object], task: str
    ) -> AsyncIterator[Deed]:
        """Do within the block what goes on as a task, whose end has an audit line of its own."""
        deed = Deed()
        if not self._changes(call):
            yield deed
            return
        async with self._audited(call, requester, given, deed, task):
            yield deed

    def _changes(self, call: Call) -> bool:
        return self._permissions.get(call.name, Role.ADMINISTER) not in (NO_ROLE, Role.READ)

    def _require(self, call: Call, requester: Requester) -> None:
        needed = self._permissions.get(call.name)
        if needed is None:
            if call.name in self._permissions:
                return
            allowed = "nobody may make this call"
        elif requester.rights.may(needed, TOOLSTACK):
            return
        else:
            allowed = f"this call needs {needed.word}"
        role = requester.rights.role(TOOLSTACK)
        has = "no role" if role is None else f"the role {role.word}"
        raise XapiFailure(
            _DENIED, call.name.lower(), f"the user {requester.user!r} has {has}; {allowed}"
        )

    @asynccontextmanager
    async def _audited(
        self,
        call: Call,
        requester: Requester,
        given: Sequence[object],
        deed: Deed,
        task: str = "",
    ) -> AsyncIterator[None]:
        target, details = self._objects(call, given)
        outcome, error, fault = Outcome.DONE, "", ""
        try:
            yield
            if deed.job:
                outcome = Outcome.STARTED
        except XapiFailure as failure:
            outcome, fault = Outcome.FAILED, failure.code
            if fault == _DENIED:
                outcome, error = Outcome.REFUSED, "ERR_ACCESS_DENIED"
            elif fault == _CANCELLED:
                outcome = Outcome.CANCELLED
            else:
                # What decides it takes long to load, when it is wanted for the first time.
                error = await asyncio.to_thread(_error_code, call.name, failure)
                if error == _UNKNOWN:
                    outcome = Outcome.UNKNOWN
            raise
        except BaseException:
            outcome, error = Outcome.UNKNOWN, _UNKNOWN
            raise
        finally:
            if made := self._made(call, deed.value):
                details["result"] = made
            self._audit.record(
                AuditEntry(
                    operation=call.name,
                    outcome=outcome,
                    user=requester.user,
                    peer=requester.peer,
                    target=target,
                    error=error,
                    fault=fault,
                    job=deed.job or task,
                    details=details,
                )
            )

    def _objects(self, call: Call, given: Sequence[object]) -> tuple[str, dict[str, object]]:
        """The object that a call is about, and what else tells it from others."""
        target, details = "", dict[str, object]()
        for parameter, value in zip(call.parameters, given, strict=False):
            if isinstance(value, str) and parameter.is_reference and value != NULL:
                shown, name = self._shown(parameter.kind, value)
                if target:
                    details[parameter.name] = shown
                    continue
                target = shown
                if name:
                    details["name"] = name
            elif isinstance(value, dict) and "name_label" in value:
                details["name"] = str(value["name_label"])
        return target, details

    def _made(self, call: Call, value: object) -> str:
        if not isinstance(value, str) or not value.startswith("OpaqueRef:"):
            return ""
        return self._shown(call.class_name, value)[0]

    def _shown(self, class_name: str, ref: str) -> tuple[str, str]:
        """Class and UUID of an object, its reference where there is none such; and its name."""
        record = self._database.get(class_name, ref) if class_name != "session" else None
        if record is None:
            return f"{class_name} {ref}", ""
        return f"{class_name} {record['uuid']}", str(record.get("name_label", ""))


def requested_by(client: ClientInfo) -> str:
    """The peer that makes a call, with its account at a Unix socket where that is known."""
    current = current_request()
    return current.peer if current is not None else client.address or LOCAL


def _error_code(operation: str, failure: XapiFailure) -> str:
    from virtcim.errormap import from_xapi, translate

    return translate(from_xapi(failure.description, operation=operation)).code.name
